# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The injection resolver: the precedence table of domain 3, istiod's own policy, rejected pods, expected images."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    dangling_name,
    expected_image,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import InjectionConfig, Mesh
from unit.support import builders as b

MESH = b.mesh_of([*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag("prod", b.NEW), *b.revision_tag("default", b.OLD)])
UNREVISIONED = b.mesh_of([*b.plane("default", parked=True), *b.revision_tag("default", "default")])
MOVED = b.mesh_of([*b.plane("default", parked=True), *b.plane(b.NEW), *b.revision_tag("default", b.NEW)])
HELM = b.mesh_of(b.plane("default"))
ENABLED, TRUE, FALSE = {INJECTION: "enabled"}, {INJECT: "true"}, {INJECT: "false"}
DEFAULT, OLD, NEW, PROD, MISSING, EMPTY = ({REV: name} for name in ("default", b.OLD, b.NEW, "prod", "missing", ""))


@pytest.mark.parametrize(
    ("namespace", "pod", "expected"),
    [
        pytest.param(ENABLED, {}, b.OLD, id="1: istio-injection=enabled leads to the default revision"),
        pytest.param({**ENABLED, **NEW}, {}, b.OLD, id="1: it beats the namespace's istio.io/rev"),
        pytest.param({**ENABLED, **MISSING}, {}, b.OLD, id="1: also a missing one"),
        pytest.param(ENABLED, NEW, b.OLD, id="1: it beats the pod's istio.io/rev"),
        pytest.param(ENABLED, FALSE, None, id="1: the pod opts out"),
        pytest.param({INJECTION: "disabled"}, {}, None, id="2: disabled"),
        pytest.param({INJECTION: "disabled"}, TRUE, None, id="2: disabled beats inject=true"),
        pytest.param({INJECTION: "disabled", **NEW}, NEW, None, id="2: disabled beats both rev labels"),
        pytest.param({INJECTION: "true"}, TRUE, None, id="2: true is not enabled"),
        pytest.param({INJECTION: ""}, NEW, None, id="2: an empty value is a value"),
        pytest.param(NEW, {}, b.NEW, id="3: a revision"),
        pytest.param(PROD, {}, b.NEW, id="3: a tag"),
        pytest.param(DEFAULT, {}, b.OLD, id="3: the default tag by its name"),
        pytest.param(MISSING, {}, None, id="3: a missing name"),
        pytest.param(EMPTY, {}, None, id="3: an empty name"),
        pytest.param(EMPTY, TRUE, None, id="3: an empty name is a key, so inject=true does not count"),
        pytest.param(NEW, OLD, b.NEW, id="3: the namespace beats the pod's istio.io/rev"),
        pytest.param(NEW, FALSE, None, id="3: the pod opts out"),
        pytest.param(NEW, {INJECT: "False"}, b.NEW, id="3: only exact false opts out (C4)"),
        pytest.param(NEW, {INJECT: "no"}, b.NEW, id="3: the value no is ignored (C4)"),
        pytest.param(NEW, {INJECT: ""}, b.NEW, id="3: an empty value is ignored (C4)"),
        pytest.param({}, NEW, b.NEW, id="4: the pod's istio.io/rev"),
        pytest.param({}, PROD, b.NEW, id="4: the pod names a tag"),
        pytest.param({}, {**NEW, **FALSE}, None, id="4: the pod opts out"),
        pytest.param({}, {**NEW, **TRUE}, b.NEW, id="4: the pod's rev beats inject=true"),
        pytest.param({}, {**MISSING, **TRUE}, None, id="4: a missing rev, even with inject=true"),
        pytest.param({}, TRUE, b.OLD, id="4: inject=true alone leads to the default revision"),
        pytest.param({}, {INJECT: "yes"}, None, id="4: only exact true opts in (C4)"),
        pytest.param({}, {}, None, id="5: nothing asks for injection"),
        pytest.param(
            {"istio.io/dataplane-mode": "ambient"}, {}, None, id="dataplane-mode is invisible to the webhooks"
        ),
    ],
)
def test_domain_3_precedence(namespace: dict[str, str], pod: dict[str, str], expected: str | None) -> None:
    injection = resolve(MESH, "shop", namespace, b.shape(pod))
    assert injection.revision == expected
    assert injection.reason
    assert not injection.rejected


@pytest.mark.parametrize(
    ("mesh", "namespace", "pod", "expected"),
    [
        pytest.param(UNREVISIONED, ENABLED, {}, "default", id="never-match behind the default tag injects"),
        pytest.param(UNREVISIONED, DEFAULT, {}, "default", id="istio.io/rev=default is the non-revisioned install"),
        pytest.param(UNREVISIONED, {}, TRUE, "default", id="inject=true"),
        pytest.param(HELM, ENABLED, {}, "default", id="Helm's selectors stay live"),
        pytest.param(MOVED, ENABLED, {}, b.NEW, id="a moved default tag"),
        pytest.param(MOVED, DEFAULT, {}, b.NEW, id="nothing selects the non-revisioned istiod then (C3, C4)"),
        pytest.param(
            b.mesh_of(b.plane("default", parked=True)), ENABLED, {}, None, id="never-match without default tag (C1)"
        ),
        pytest.param(b.mesh_of(b.plane(b.OLD)), ENABLED, {}, None, id="no default at all"),
    ],
)
def test_domain_4_default(mesh: Mesh, namespace: dict[str, str], pod: dict[str, str], expected: str | None) -> None:
    assert resolve(mesh, "shop", namespace, b.shape(pod)).revision == expected


@pytest.mark.parametrize(
    ("name", "pod", "expected"),
    [
        pytest.param("shop", {}, "default", id="auto. injects unlabelled namespaces"),
        pytest.param(b.SYSTEM, {}, "default", id="istio-system is included"),
        pytest.param("kube-public", {}, None, id="system namespaces are not"),
        pytest.param("shop", {INJECT: "no"}, None, id="auto. needs the absence of inject"),
        pytest.param("shop", MISSING, None, id="auto. needs the absence of istio.io/rev"),
    ],
)
def test_domain_3_auto_injection(name: str, pod: dict[str, str], expected: str | None) -> None:
    mesh = b.mesh_of([b.istiod("default"), b.istiod_service("default"), b.injector("default", auto=True)])
    assert resolve(mesh, name, {}, b.shape(pod)).revision == expected


def policy(text: str) -> Mesh:
    """A mesh whose injector has a policy of its own."""
    return b.mesh_of([b.istiod(), b.istiod_service(), b.injector(), b.injector_map(config=text)])


NEVER = "policy: enabled\nneverInjectSelector:\n- matchLabels: {job: one-off}\n"
ALWAYS = "policy: disabled\nalwaysInjectSelector:\n- matchExpressions: [{key: mesh, operator: Exists}]\n"


@pytest.mark.parametrize(
    ("text", "name", "pod", "injected"),
    [
        pytest.param("", "shop", b.shape(host_network=True), False, id="never a pod on the host network"),
        pytest.param("", "kube-system", b.shape(), False, id="never a system namespace"),
        pytest.param("", "kube-node-lease", b.shape(TRUE), False, id="not even with inject=true"),
        pytest.param("", "shop", b.shape(annotations=FALSE), False, id="the annotation opts out"),
        pytest.param("", "shop", b.shape(TRUE, FALSE), True, id="the label beats the annotation"),
        pytest.param("", "shop", b.shape({INJECT: "no"}, FALSE), True, id="also a label without an opinion"),
        pytest.param(NEVER, "shop", b.shape({"job": "one-off"}), False, id="neverInjectSelector"),
        pytest.param(NEVER, "shop", b.shape({"job": "other"}), True, id="neverInjectSelector does not match"),
        pytest.param(
            NEVER, "shop", b.shape({"job": "one-off", **TRUE}), True, id="inject=true beats neverInjectSelector"
        ),
        pytest.param(ALWAYS, "shop", b.shape({"mesh": ""}), True, id="alwaysInjectSelector beats the policy"),
        pytest.param(ALWAYS, "shop", b.shape(), False, id="policy disabled"),
        pytest.param(ALWAYS, "shop", b.shape(TRUE), True, id="policy disabled, inject=true"),
        pytest.param(
            "policy: enabled\nneverInjectSelector: [{}]\n",
            "shop",
            b.shape(),
            True,
            id="istiod ignores an empty selector",
        ),
    ],
)
def test_domain_3_istiods_policy(text: str, name: str, pod: t.Any, injected: bool) -> None:
    injection = resolve(policy(text), name, OLD, pod)
    assert (injection.revision == b.OLD) is injected
    assert injection.injector == "istio-sidecar-injector-1-30-3"


def test_domain_3_the_annotation_true_alone_never_injects() -> None:
    assert resolve(MESH, "shop", {}, b.shape(annotations=TRUE)).revision is None


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        pytest.param([b.istiod(), b.injector()], "is gone", id="orphan webhook: its Service is gone"),
        pytest.param([b.istiod(), b.istiod_service(), b.injector(ca="")], "caBundle", id="istiod never came up"),
        pytest.param(
            [b.istiod_service(), b.injector()], "no istiod of revision .* is installed", id="no istiod at all"
        ),
        pytest.param(b.plane(ready=0), "no istiod of revision", id="no istiod is ready"),
    ],
)
def test_domain_3_rejected_pods(objects: list[b.Json], why: str) -> None:
    injection = resolve(b.mesh_of(objects), "shop", OLD, b.shape())
    assert injection.revision is None
    assert re.search(why, injection.rejected)
    assert injection.injector == "istio-sidecar-injector-1-30-3"


def test_a_remote_control_plane_answers_although_no_istiod_is_here() -> None:
    mesh = b.mesh_of([b.istiod_service(remote=True), b.injector()])
    assert resolve(mesh, "shop", OLD, b.shape()).revision == b.OLD


def test_an_orphan_rejects_only_what_it_selects() -> None:
    mesh = b.mesh_of([*b.plane(b.OLD), *b.revision_tag("prod", b.NEW)])
    assert resolve(mesh, "shop", PROD, b.shape()).rejected
    assert resolve(mesh, "shop", OLD, b.shape()).revision == b.OLD


def test_failure_policy_ignore_rejects_nothing() -> None:
    mesh = b.mesh_of([b.istiod(), b.injector(policy="Ignore")])
    assert not resolve(mesh, "shop", OLD, b.shape()).rejected


def test_the_last_of_two_injectors_by_name_injects_the_pod() -> None:
    """Domain 9: a tag with the name of a revision; both run, istio-sidecar-injector-<rev> last."""
    mesh = b.mesh_of([*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag(b.NEW, b.OLD)])
    assert resolve(mesh, "shop", NEW, b.shape()).injector == "istio-sidecar-injector-1-31-0"


def test_custom_selectors_are_evaluated() -> None:
    """Design 4: the installed webhooks' own selectors decide, whatever the labels are called."""
    raw = b.injector()
    raw["webhooks"][0]["namespaceSelector"] = {"matchLabels": {"team": "mesh"}}
    mesh = b.mesh_of([b.istiod(), b.istiod_service(), raw])
    assert resolve(mesh, "shop", {"team": "mesh"}, b.shape()).revision == b.OLD


def test_webhooks_for_other_resources_do_not_inject() -> None:
    raw = b.injector()
    for hook in raw["webhooks"]:
        hook["rules"] = [
            {"operations": ["UPDATE"], "resources": ["pods"]},
            {"operations": ["CREATE"], "resources": ["jobs"]},
        ]
    assert resolve(b.mesh_of([b.istiod(), b.istiod_service(), raw]), "shop", OLD, b.shape()).revision is None


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(MISSING, "missing", id="domain 3: no injector owns the name"),
        pytest.param(EMPTY, "", id="domain 3: an empty name"),
        pytest.param({**MISSING, **ENABLED}, None, id="istio-injection wins, so the rev label dangles not"),
        pytest.param({**MISSING, INJECTION: "disabled"}, None, id="an opted-out namespace dangles not"),
        pytest.param(PROD, None, id="a tag"),
        pytest.param(ENABLED, None, id="enabled with a default"),
        pytest.param({}, None, id="no label"),
    ],
)
def test_dangling_name(labels: dict[str, str], expected: str | None) -> None:
    assert dangling_name(MESH, labels) == expected


@pytest.mark.parametrize(
    "objects", [b.plane(b.OLD), b.plane("default", parked=True)], ids=["no default", "never-match"]
)
def test_enabled_without_a_default_is_a_dangling_label(objects: list[b.Json]) -> None:
    assert dangling_name(b.mesh_of(objects), ENABLED) == "istio-injection=enabled"


IMAGE, TYPE = "sidecar.istio.io/proxyImage", "sidecar.istio.io/proxyImageType"


@pytest.mark.parametrize(
    ("config", "annotations", "expected"),
    [
        pytest.param({}, {}, "hub/proxyv2:1.31.0", id="domain 6: hub/image:tag"),
        pytest.param(
            {"image": "own.example.com/proxy:7"},
            {},
            "own.example.com/proxy:7",
            id="domain 6: a / makes it the full image",
        ),
        pytest.param(
            {"variant": "distroless"}, {}, "hub/proxyv2:1.31.0-distroless", id="domain 6: variant of the mesh"
        ),
        pytest.param({}, {TYPE: "debug"}, "hub/proxyv2:1.31.0-debug", id="domain 6: proxyImageType"),
        pytest.param(
            {"variant": "distroless"}, {TYPE: "debug"}, "hub/proxyv2:1.31.0-debug", id="domain 6: it beats the variant"
        ),
        pytest.param(
            {"tag": "1.31.0-distroless"},
            {TYPE: "debug"},
            "hub/proxyv2:1.31.0-debug",
            id="domain 6: it replaces a suffix on the tag",
        ),
        pytest.param(
            {"tag": "1.31.0-distroless"}, {TYPE: "default"}, "hub/proxyv2:1.31.0", id="default is the plain one"
        ),
        pytest.param({"tag": "1.31.0-distroless"}, {}, "hub/proxyv2:1.31.0-distroless", id="a suffix on the tag stays"),
        pytest.param({}, {IMAGE: "mine:1"}, "mine:1", id="domain 6: pinned by the user"),
    ],
)
def test_expected_image(config: dict[str, str], annotations: dict[str, str], expected: str) -> None:
    given: b.Json = {"hub": "hub", "tag": "1.31.0", **config}
    assert expected_image(InjectionConfig(**given), annotations) == expected
