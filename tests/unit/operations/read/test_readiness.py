# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A revision is proven only by its objects and by a pod that it really injects (S3, domain 7)."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.transport import TRIES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ForbiddenError, ProofError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.readiness import not_ready_reason
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.readiness import (
    dry_run_pod,
    probe_namespace,
    require_injection,
    require_ready,
    unproven_reason,
    wait_until_ready,
)
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi

pytestmark = pytest.mark.usefixtures("quick")

PROBE = f"/api/v1/namespaces/{b.SYSTEM}/pods"
OTHERS = [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(shop=b.OLD)]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster with both revisions in order."""
    with FakeApi(*OTHERS, *b.plane(b.NEW)) as found:
        yield found


def why(api: FakeApi, revision: str = b.NEW, version: str | None = None) -> str | None:
    """Why a revision is not proven."""
    return unproven_reason(api.client(), b.mesh_of(api.objects), b.SYSTEM, revision, version)


@pytest.mark.parametrize("version", [None, "1.31.0", "1.31.0-distroless"])
def test_a_revision_in_order_is_proven(api: FakeApi, version: str | None) -> None:
    assert why(api, version=version) is None
    assert [(seen.method, seen.query["dryRun"]) for seen in api.seen] == [("POST", "All")]
    assert api.writes() == []


@pytest.mark.parametrize(
    ("objects", "expected_text"),
    [
        pytest.param([], "it is not installed", id="not there"),
        pytest.param([b.istiod(b.NEW)], "it is not installed", id="no webhook"),
        pytest.param([b.injector(b.NEW)], "Deployment is missing", id="only its webhook"),
        pytest.param(b.plane(b.NEW, "1.30.9"), "has the image tag 1.30.9, not 1.31.0", id="another version"),
        pytest.param(b.plane(b.NEW, replicas=2, ready=1), "1 of 2 replicas are ready", id="S3: not ready"),
        pytest.param(
            b.plane(b.NEW, generation=2, updated=1, total=2, ready=1),
            "is not rolled out",
            id="S3 domain 7: in place with a wrong tag, the OLD istiod is still Ready",
        ),
        pytest.param([b.istiod(b.NEW), b.injector(b.NEW, ca="")], "has no caBundle", id="S3: caBundle"),
    ],
)
def test_s3_standing_problems(objects: list[b.Json], expected_text: str) -> None:
    assert expected_text in str(not_ready_reason(b.mesh_of(objects), b.NEW, "1.31.0"))


def test_an_image_variant_is_no_other_version() -> None:
    assert not_ready_reason(b.mesh_of(b.plane(b.NEW, "1.31.0-distroless")), b.NEW, "1.31.0") is None


@pytest.mark.parametrize(
    ("answer", "expected_text"),
    [
        pytest.param(
            failure(500, "failed calling webhook: connection refused"),
            "is rejected: .*connection refused",
            id="S3: the webhook refuses",
        ),
        pytest.param(Answer(b.pod(revision=None)), "without a proxy", id="S3: not injected"),
        pytest.param(Answer(b.pod(revision=b.OLD)), "injected by revision 1-30-3", id="S3: another revision"),
        pytest.param(
            Answer(b.pod(revision=b.NEW, image=b.proxy("9.9.9"))),
            "gets the image .*9.9.9, not .*1.31.0",
            id="S3: another image",
        ),
    ],
)
def test_s3_injection_problems(api: FakeApi, answer: Answer, expected_text: str) -> None:
    api.script("POST", PROBE, answer)
    with pytest.raises(ProofError, match=expected_text) as failed:
        require_ready(api.client(), b.mesh_of(api.objects), b.snapshot_of(api.objects).namespaces, b.NEW)
    assert f"Revision {b.NEW} on cluster {api.url} is not proven" in failed.value.message
    assert "Nothing was moved to it" in failed.value.message


def test_a_missing_permission_is_no_verdict(api: FakeApi) -> None:
    """Domain 7: the dry run needs create on pods."""
    api.script("POST", PROBE, failure(403, "may not create pods"))
    with pytest.raises(ForbiddenError, match="may not create pods"):
        why(api)


def test_domain_4_moving_the_default_back_to_the_non_revisioned_install_is_possible() -> None:
    """Nothing selects it meanwhile, so no pod can ask it."""
    planes = [*b.plane("default", parked=True), *b.plane(b.NEW), *b.revision_tag("default", b.NEW)]
    with FakeApi(*planes, *b.namespaces()) as api:
        assert why(api, "default") is None


def test_domain_7_the_probe_needs_no_labelled_namespace(api: FakeApi) -> None:
    pod = dry_run_pod(api.client(), b.SYSTEM, {REV: "default"})
    assert (pod.revision, pod.proxy_image) == (b.OLD, b.proxy("1.30.3"))
    assert len(b.of_kind(api.objects, "Pod")) == 0


@pytest.mark.parametrize(
    ("spaces", "expected"),
    [
        pytest.param({b.SYSTEM: {}, "default": {}}, b.SYSTEM, id="the Istio namespace first"),
        pytest.param({b.SYSTEM: {REV: b.OLD}, "default": {}, "a": {}}, "default", id="then default"),
        pytest.param({b.SYSTEM: {INJECTION: "disabled"}, "default": {REV: "x"}, "b": {}, "a": {}}, "a", id="then any"),
        pytest.param({"kube-system": {}, "kube-public": {}}, None, id="never a system namespace"),
        pytest.param({"a": {REV: ""}}, None, id="an empty label is a label"),
    ],
)
def test_probe_namespace(spaces: dict[str, dict[str, str]], expected: str | None) -> None:
    found = {name: b.namespace_of(b.namespace(name, labels)) for name, labels in spaces.items()}
    if expected is None:
        with pytest.raises(ProofError, match="No namespace is free"):
            probe_namespace(found, b.SYSTEM)
    else:
        assert probe_namespace(found, b.SYSTEM) == expected


def waiting(api: FakeApi, lines: list[str], seconds: int = 3) -> t.Any:
    """Wait on a clock that goes one second per look."""
    ticks = iter(range(1000))
    more: b.Json = {"timeout": seconds, "progress": lines.append, "clock": lambda: next(ticks)}
    return wait_until_ready(api.client(), b.SYSTEM, b.SYSTEM, b.NEW, "1.31.0", **more)


def test_waiting_ends_when_it_is_proven(api: FakeApi) -> None:
    api.script("POST", PROBE, *[failure(500, "failed calling webhook: starting")] * 2)
    lines: list[str] = []
    assert waiting(api, lines).revisions[b.NEW].rolled_out
    assert len(lines) == 1
    assert "waiting for revision 1-31-0: a dry-run pod for it is rejected" in lines[0]


def test_waiting_survives_an_api_server_that_is_away(api: FakeApi) -> None:
    api.script("GET", f"/api/v1/namespaces/{b.SYSTEM}/services", *[failure(500, "etcd has no leader")] * TRIES)
    lines: list[str] = []
    waiting(api, lines)
    assert "etcd has no leader" in lines[0]


def test_waiting_ends_with_the_last_reason(api: FakeApi) -> None:
    api.get("Deployment", f"istiod-{b.NEW}")["status"]["readyReplicas"] = 0
    with pytest.raises(ProofError, match="not proven within 3 s: .*0 of 1 replicas.* Existing workloads are untouched"):
        waiting(api, [])


def test_waiting_does_not_wait_for_a_permission(api: FakeApi) -> None:
    api.script("POST", PROBE, failure(403, "may not create pods"))
    with pytest.raises(ProofError, match="cannot be proven: .*may not create pods"):
        waiting(api, [])


def test_before_a_restart_the_server_is_asked_where_pods_go(api: FakeApi) -> None:
    require_injection(api.client(), "shop", {}, b.OLD)
    with pytest.raises(ProofError, match="injected by 1-30-3, but 1-31-0 is expected"):
        require_injection(api.client(), "shop", {}, b.NEW)


def test_a_label_that_has_just_changed_may_take_a_moment(api: FakeApi) -> None:
    api.script("POST", "/api/v1/namespaces/shop/pods", Answer(b.pod(revision=None)), Answer(b.pod(revision=b.NEW)))
    require_injection(api.client(), "shop", {}, b.NEW)


def test_a_quota_that_refuses_the_probe_does_not_stop_the_restart(api: FakeApi) -> None:
    api.script("POST", "/api/v1/namespaces/shop/pods", failure(403, "exceeded quota"))
    require_injection(api.client(), "shop", {}, b.NEW)
