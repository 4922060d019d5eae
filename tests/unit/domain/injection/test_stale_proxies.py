# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxy of a pod, compared with the one that it would get now (domain 5 and 6)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import proxy_image, read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import (
    ProxyCondition,
    evaluate_proxy,
    proxy_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from unit.support import builders as b

MESH = b.mesh_of(b.two_planes())
STATUS, PIN = "sidecar.istio.io/status", "sidecar.istio.io/proxyImage"


@pytest.mark.parametrize(
    ("annotations", "labels", "expected"),
    [
        pytest.param({REV: "a", STATUS: '{"revision": "b"}'}, {REV: "c"}, "a", id="domain 5: the annotation first"),
        pytest.param({STATUS: '{"revision": "b"}'}, {REV: "prod"}, "b", id="domain 5: 1.11-1.17, then the status"),
        pytest.param({}, {REV: "c"}, "c", id="domain 5: up to 1.10, then the label"),
        pytest.param({STATUS: '{"revision": ""}'}, {}, "default", id="domain 5: an empty revision is default"),
        pytest.param({STATUS: "no JSON"}, {}, "default", id="a broken status says nothing"),
        pytest.param({STATUS: '["list"]'}, {REV: "c"}, "c", id="a status of another shape says nothing"),
    ],
)
def test_revision(annotations: dict[str, str], labels: dict[str, str], expected: str) -> None:
    raw = b.pod(labels=labels)
    raw["metadata"]["annotations"] = annotations
    assert read_pod(raw).revision == expected


def test_a_pod_without_proxy_has_no_revision() -> None:
    """Domain 5: a label istio.io/rev on a modern pod is the user's wish, not a fact."""
    assert read_pod(b.pod(revision=None, labels={REV: b.NEW})).revision is None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param(
            {"containers": [{"name": "istio-proxy", "image": "h/proxyv2:1"}]}, "h/proxyv2:1", id="a container"
        ),
        pytest.param(
            {"containers": [{"name": "app"}], "initContainers": [{"name": "istio-proxy", "image": "h/proxyv2:1"}]},
            "h/proxyv2:1",
            id="domain 6: a native sidecar is an init container",
        ),
        pytest.param(
            {"containers": [{"name": "istio-proxy", "image": "h/ztunnel:1"}]},
            "",
            id="domain 6: ztunnel's container is also named istio-proxy",
        ),
        pytest.param(
            {"containers": [{"name": "istio-init", "image": "h/proxyv2:1"}]}, "", id="istio-init is not a proxy"
        ),
        pytest.param({"initContainers": None}, "", id="nothing at all"),
    ],
)
def test_proxy_image(spec: dict[str, t.Any], expected: str) -> None:
    assert proxy_image(spec) == expected


def test_only_the_controller_owns_a_pod() -> None:
    raw = b.pod()
    raw["metadata"]["ownerReferences"] = [
        {"kind": "Backup", "name": "b"},
        {"kind": "Job", "name": "j", "controller": True},
    ]
    owner = read_pod(raw).owner
    assert owner is not None
    assert (owner.kind, owner.name) == ("Job", "j")


def test_only_relevant_annotations_are_kept() -> None:
    """S13 and size: a snapshot carries nothing of a pod that it does not need."""
    assert "secret" not in repr(read_pod(b.pod(annotations={"vault": "secret"})))


@pytest.mark.parametrize(
    ("phase", "live"),
    [("Pending", True), ("Running", True), ("Unknown", True), ("Succeeded", False), ("Failed", False)],
)
def test_domain_14_finished_pods_are_not_live(phase: str, live: bool) -> None:
    assert read_pod(b.pod(phase=phase)).live is live


@pytest.mark.parametrize(
    ("labels", "pod", "condition"),
    [
        pytest.param({REV: b.OLD}, b.pod(), ProxyCondition.CURRENT, id="revision and image are right"),
        pytest.param(
            {REV: "prod"}, b.pod(), ProxyCondition.CURRENT, id="domain 5: by a tag; the pod carries the revision"
        ),
        pytest.param({INJECTION: "enabled"}, b.pod(), ProxyCondition.CURRENT, id="by the default tag"),
        pytest.param({REV: b.OLD}, b.pod(native=False), ProxyCondition.CURRENT, id="not native"),
        pytest.param({REV: b.NEW}, b.pod(), ProxyCondition.STALE_REVISION, id="domain 6: the namespace has moved"),
        pytest.param(
            {},
            b.pod(labels={REV: b.NEW}),
            ProxyCondition.STALE_REVISION,
            id="domain 6: the pod's own label has another revision",
        ),
        pytest.param(
            {REV: b.OLD},
            b.pod(image=b.proxy("1.30.2")),
            ProxyCondition.STALE_IMAGE,
            id="domain 6: in place, same revision, old image",
        ),
        pytest.param({REV: b.OLD}, b.pod(image="other/proxyv2:1.30.3"), ProxyCondition.STALE_IMAGE, id="another hub"),
        pytest.param(
            {REV: b.OLD},
            b.pod(image=b.proxy("1.30.3-distroless")),
            ProxyCondition.CURRENT,
            id="domain 6: an image type makes no difference",
        ),
        pytest.param(
            {REV: b.OLD}, b.pod(revision=None), ProxyCondition.MISSING, id="domain 6: would be injected, has no proxy"
        ),
        pytest.param({}, b.pod(), ProxyCondition.WOULD_LOSE_PROXY, id="domain 6: has a proxy, would get none"),
        pytest.param({REV: "gone"}, b.pod(), ProxyCondition.WOULD_LOSE_PROXY, id="domain 3: a dangling label"),
        pytest.param(
            {REV: b.OLD}, b.pod(labels={INJECT: "false"}), ProxyCondition.WOULD_LOSE_PROXY, id="opted out since"
        ),
        pytest.param({}, b.pod(revision=None), ProxyCondition.NOT_IN_MESH, id="not in the mesh"),
        pytest.param(
            {REV: b.OLD},
            b.pod(revision=None, host_network=True),
            ProxyCondition.NOT_IN_MESH,
            id="domain 3: host network",
        ),
        pytest.param(
            {REV: b.OLD},
            b.pod(annotations={PIN: b.proxy("1.30.3")}),
            ProxyCondition.CURRENT,
            id="pinned to what it would get anyway",
        ),
        pytest.param(
            {REV: b.OLD},
            b.pod(image="own:1", annotations={PIN: "own:1"}),
            ProxyCondition.PINNED,
            id="domain 6: pinned by the user",
        ),
        pytest.param(
            {REV: b.NEW},
            b.pod(image="own:1", annotations={PIN: "own:1"}),
            ProxyCondition.STALE_REVISION,
            id="a pinned image still has a revision",
        ),
        pytest.param(
            {REV: b.NEW},
            b.pod(labels={"gateway.istio.io/managed": "istio.io-gateway-controller"}),
            ProxyCondition.NOT_IN_MESH,
            id="domain 5: istiod rolls managed gateways itself",
        ),
    ],
)
def test_evaluate_proxy(labels: dict[str, str], pod: b.Json, condition: str) -> None:
    found = evaluate_proxy(MESH, labels, read_pod(pod))
    assert found.condition == condition
    assert found.stale is (
        condition in (ProxyCondition.STALE_REVISION, ProxyCondition.STALE_IMAGE, ProxyCondition.MISSING)
    )


def test_domain_6_a_full_image_in_the_injector_is_the_expected_image() -> None:
    mesh = b.mesh_of(
        [b.istiod(), b.istiod_service(), b.injector(), b.injector_map(proxy={"image": "own.example.com/p:9"})]
    )
    assert evaluate_proxy(mesh, {REV: b.OLD}, read_pod(b.pod())).expected_image == "own.example.com/p:9"


def test_without_an_injector_config_map_only_the_revision_is_compared() -> None:
    """An image that cannot be known makes nothing stale."""
    mesh = b.mesh_of([b.istiod(), b.istiod_service(), b.injector()])
    assert evaluate_proxy(mesh, {REV: b.OLD}, read_pod(b.pod(image="any:1"))).condition == ProxyCondition.CURRENT


def test_a_pod_that_would_be_rejected_would_not_lose_its_proxy() -> None:
    """A restart would not take it out of the mesh but down; a check of its own says so."""
    mesh = b.mesh_of([b.istiod(), b.injector()])
    found = evaluate_proxy(mesh, {REV: b.OLD}, read_pod(b.pod()))
    assert (found.condition, bool(found.injection.rejected)) == (ProxyCondition.NOT_IN_MESH, True)


@pytest.mark.parametrize(
    ("image", "expected"),
    [("h/proxyv2:1.31.0", "1.31.0"), ("h/proxyv2@sha256:ab", "sha256:ab"), ("h/proxyv2", "unknown")],
)
def test_domain_6_an_unknown_version_is_a_state(image: str, expected: str) -> None:
    assert proxy_version(image) == expected
