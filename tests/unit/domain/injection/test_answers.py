# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The condition of a proxy where more than Istio decides about its image: by the answer of the API server (F19)."""

from __future__ import annotations

import json

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal, RefusedBy
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer, Prediction
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import (
    Basis,
    ProxyCondition,
    evaluate_proxy,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from unit.support import builders as b

MESH = b.mesh_of(b.two_planes())
PLAIN = b.proxy(b.OLD_VERSION)
MIRROR = f"mirror.test/istio/proxyv2:{b.OLD_VERSION}"
DIGEST, OTHER = (f"{b.HUB}/proxyv2@sha256:{sign * 64}" for sign in "ab")
BOTH = f"{PLAIN}@sha256:{'a' * 64}"
FIPS = f"{PLAIN}-fips"
EXPECTED = Prediction(b.OLD, PLAIN)
REFUSED = Answer(EXPECTED, refusal=Refusal(RefusedBy.POLICY, "no", "strict"))
CURRENT, IMAGE = ProxyCondition.CURRENT, ProxyCondition.STALE_IMAGE


def gives(image: str, revision: str | None = b.OLD) -> Answer:
    """The answer with an image."""
    return Answer(EXPECTED, revision, image)


@pytest.mark.parametrize("image", [PLAIN, MIRROR, BOTH, DIGEST, FIPS])
def test_what_equals_the_answer_is_current_whatever_it_is_called(image: str) -> None:
    status = evaluate_proxy(MESH, {REV: b.OLD}, read_pod(b.pod(image=image)), gives(image))
    assert (status.condition, status.basis, status.expected_image) == (CURRENT, Basis.ASKED, image)


@pytest.mark.parametrize(
    ("image", "answer", "condition", "basis"),
    [
        pytest.param(PLAIN, None, CURRENT, Basis.RESOLVED, id="Istio's own name"),
        pytest.param(b.proxy("1.30.2"), None, IMAGE, Basis.RESOLVED, id="another version, nothing else"),
        pytest.param(MIRROR, None, IMAGE, Basis.UNASKED, id="a mirror: to be asked"),
        pytest.param(MIRROR.replace("0.3", "0.2"), None, IMAGE, Basis.UNASKED, id="a mirror, of another version"),
        pytest.param(BOTH, None, CURRENT, Basis.RESOLVED, id="tag and digest"),
        pytest.param(DIGEST, None, IMAGE, Basis.UNASKED, id="only a digest: no version"),
        pytest.param(FIPS, None, CURRENT, Basis.RESOLVED, id="an image type of the mesh"),
        pytest.param(MIRROR, REFUSED, CURRENT, Basis.REFUSED, id="refused: the version counts"),
        pytest.param(DIGEST, REFUSED, IMAGE, Basis.REFUSED, id="refused, and no version"),
        pytest.param(DIGEST, gives(OTHER), IMAGE, Basis.ASKED, id="another digest now"),
        pytest.param(b.proxy("1.30.2"), gives(MIRROR), IMAGE, Basis.ASKED, id="from before the mirror"),
        pytest.param(PLAIN, gives(MIRROR), CURRENT, Basis.ASKED, id="from before the mirror, of the same version"),
        pytest.param(BOTH, gives(f"{PLAIN}@sha256:{'b' * 64}"), CURRENT, Basis.ASKED, id="the same tag, built again"),
        pytest.param(b.proxy("1.30.2"), gives(b.proxy("1.30.2")), CURRENT, Basis.ASKED, id="a policy that pins it"),
        pytest.param(f"{PLAIN}-distroless", None, CURRENT, Basis.RESOLVED, id="the type of an image does not count"),
    ],
)
def test_images(image: str, answer: Answer | None, condition: ProxyCondition, basis: Basis) -> None:
    status = evaluate_proxy(MESH, {REV: b.OLD}, read_pod(b.pod(image=image)), answer)
    assert (status.condition, status.basis) == (condition, basis)


def test_an_answer_counts_only_while_the_resolver_expects_the_same() -> None:
    """The namespace was moved since, or check mode plans that."""
    status = evaluate_proxy(MESH, {REV: b.NEW}, read_pod(b.pod(image=MIRROR)), gives(MIRROR))
    assert (status.condition, status.basis) == (ProxyCondition.STALE_REVISION, Basis.RESOLVED)


@pytest.mark.parametrize(
    ("pod", "answer", "condition"),
    [
        pytest.param(b.pod(), gives("", None), ProxyCondition.WOULD_LOSE_PROXY, id="a policy takes the proxy away"),
        pytest.param(b.pod(revision=None), gives("", None), ProxyCondition.NOT_IN_MESH, id="conditions leave it out"),
        pytest.param(b.pod(), gives(PLAIN, b.NEW), ProxyCondition.STALE_REVISION, id="a policy sends it elsewhere"),
    ],
)
def test_who_injects(pod: b.Json, answer: Answer, condition: ProxyCondition) -> None:
    assert evaluate_proxy(MESH, {REV: b.OLD}, read_pod(pod), answer).condition is condition


def proxyless(revision: str, **listed: list[str]) -> b.Json:
    """A pod that was injected without a proxy container."""
    status = {"revision": revision, "initContainers": ["grpc-bootstrap-init"], "containers": None, **listed}
    return b.pod(revision=None, annotations={"sidecar.istio.io/status": json.dumps(status)})


@pytest.mark.parametrize(
    ("namespace", "condition"),
    [(b.OLD, CURRENT), (b.NEW, ProxyCondition.STALE_REVISION), (None, ProxyCondition.WOULD_LOSE_PROXY)],
)
def test_r12_a_proxyless_pod_is_judged_by_the_revision_in_its_status(
    namespace: str | None, condition: ProxyCondition
) -> None:
    pod = read_pod(proxyless(b.OLD))
    assert (pod.is_meshed, pod.revision, pod.proxy_image) == (True, b.OLD, "")
    assert evaluate_proxy(MESH, {REV: namespace} if namespace else {}, pod).condition is condition


@pytest.mark.parametrize(
    "pod",
    [
        pytest.param(proxyless(b.OLD, containers=["istio-proxy"]), id="a status that was copied from another pod"),
        pytest.param(proxyless(""), id="no revision"),
        pytest.param(b.pod(revision=None, annotations={"sidecar.istio.io/status": "no JSON"}), id="unreadable"),
        pytest.param(b.pod(revision=None, annotations={"sidecar.istio.io/status": "[1]"}), id="no map"),
        pytest.param(b.pod(revision=None), id="no status"),
    ],
)
def test_a_pod_that_was_not_injected_is_missing_its_proxy(pod: b.Json) -> None:
    assert evaluate_proxy(MESH, {REV: b.OLD}, read_pod(pod)).condition is ProxyCondition.MISSING
