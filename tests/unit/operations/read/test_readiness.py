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
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.injection_proof import (
    PLACES,
    Proof,
    probe_namespaces,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.readiness import (
    prove,
    require_ready,
    wait_until_ready,
)
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi

pytestmark = pytest.mark.usefixtures("quick")

PROBE = f"/api/v1/namespaces/{b.SYSTEM}/pods"
STARTING = 'failed calling webhook "rev.object.sidecar-injector.istio.io": starting'
OTHERS = [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(shop=b.OLD)]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster with both revisions in order."""
    with FakeApi(*OTHERS, *b.plane(b.NEW)) as found:
        yield found


def proof(api: FakeApi, revision: str = b.NEW, version: str | None = None) -> Proof:
    """The result of a dry run for a revision."""
    return prove(api.client(), b.mesh_of(api.objects), b.snapshot_of(api.objects).namespaces, revision, version)


@pytest.mark.parametrize("version", [None, "1.31.0", "1.31.0-distroless"])
def test_a_revision_in_order_is_proven(api: FakeApi, version: str | None) -> None:
    assert proof(api, version=version) == Proof()
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
            failure(500, 'failed calling webhook "rev.object.sidecar-injector.istio.io": connection refused'),
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
        proof(api)


def test_domain_4_moving_the_default_back_to_the_non_revisioned_install_is_possible() -> None:
    """Nothing selects it meanwhile, so no pod can ask it."""
    planes = [*b.plane("default", parked=True), *b.plane(b.NEW), *b.revision_tag("default", b.NEW)]
    with FakeApi(*planes, *b.namespaces()) as api:
        assert proof(api, "default") == Proof()


@pytest.mark.parametrize(
    ("spaces", "expected"),
    [
        pytest.param({b.SYSTEM: {}, "default": {}}, [b.SYSTEM, "default"], id="the Istio namespace first"),
        pytest.param({b.SYSTEM: {REV: b.OLD}, "default": {}, "a": {}}, ["default", "a"], id="then default"),
        pytest.param({b.SYSTEM: {INJECTION: "disabled"}, "b": {}, "a": {}}, ["a", "b"], id="then any"),
        pytest.param({"a": {REV: b.OLD}, "b": {REV: b.NEW}}, ["b"], id="a label that leads to it"),
        pytest.param({"kube-system": {}, "kube-public": {}}, [], id="never a system namespace"),
        pytest.param({"a": {REV: ""}, "b": {INJECTION: "enabled"}}, [], id="labels that lead elsewhere"),
    ],
)
def test_probe_namespaces(api: FakeApi, spaces: dict[str, dict[str, str]], expected: list[str]) -> None:
    found = {name: b.namespace_of(b.namespace(name, labels)) for name, labels in spaces.items()}
    assert probe_namespaces(b.mesh_of(api.objects), found, b.NEW) == expected


PODS = 'pods "meshops-istio-proof-" is forbidden: '
REFUSED = {
    "quota": (403, f"{PODS}failed quota: q: must specify limits.cpu for: app"),
    "full quota": (403, f"{PODS}exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"),
    "limits": (403, f"{PODS}maximum cpu usage per Container is 50m, but limit is 100m"),
    "pod security": (403, f'{PODS}violates PodSecurity "restricted:latest": privileged'),
    "policy 422": (422, f"{PODS}ValidatingAdmissionPolicy 'strict' with binding 'all' denied request: no"),
    "policy 403": (403, f"{PODS}ValidatingAdmissionPolicy 'strict' with binding 'all' denied request: no"),
    "webhook 400": (400, 'admission webhook "validate.kyverno.svc" denied the request: no'),
    "webhook 500": (500, 'failed calling webhook "validate.kyverno.svc": failed to call webhook: timeout'),
    "account": (403, f'{PODS}error looking up service account a/default: serviceaccount "default" not found'),
    "terminating": (403, f"{PODS}unable to create new content in namespace a because it is being terminated"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_by_anything_else_proves_nothing_and_another_namespace_is_asked(api: FakeApi, name: str) -> None:
    """R01, R02, R03, F14: place x code."""
    api.script("POST", PROBE, failure(*REFUSED[name]))
    assert proof(api) == Proof()
    assert [seen.path for seen in api.seen] == [PROBE, "/api/v1/namespaces/default/pods"]


@pytest.mark.parametrize("name", REFUSED)
def test_where_every_namespace_refuses_a_doubt_is_left_and_nothing_is_stopped(name: str) -> None:
    spaces = {f"app-{at}": None for at in range(2 * PLACES)}
    with FakeApi(*OTHERS, *b.plane(b.NEW), *b.namespaces(**spaces)) as api:
        for space in (b.SYSTEM, "default", *spaces):
            api.script("POST", f"/api/v1/namespaces/{space}/pods", failure(*REFUSED[name]))
        found = proof(api)
        assert (found.problem, REFUSED[name][1] in found.doubt) == ("", True)
        assert len(api.seen) == PLACES


def test_where_all_labels_lead_elsewhere_a_doubt_is_left() -> None:
    spaces = [b.namespace(name, {REV: b.OLD}) for name in (b.SYSTEM, "default", "shop")]
    with FakeApi(*b.plane(b.OLD), *b.plane(b.NEW), *spaces) as api:
        assert proof(api) == Proof(doubt=f"the labels of every namespace lead pods to another revision than {b.NEW}")
        assert api.seen == []


def test_s3_a_pod_that_no_namespace_takes_as_it_is_made_is_a_problem(api: FakeApi) -> None:
    """R29 on the whole cluster: what makes it invalid breaks every pod of the revision."""
    invalid = failure(422, 'Pod "p" is invalid: spec.initContainers[1].lifecycle: Forbidden: may not be set')
    for space in (b.SYSTEM, "default"):
        api.script("POST", f"/api/v1/namespaces/{space}/pods", invalid)
    assert "is invalid" in proof(api).problem


def test_the_pod_of_the_proof_conforms_to_restricted_and_is_small(api: FakeApi) -> None:
    proof(api)
    spec = api.seen[0].body["spec"]
    (container,) = spec["containers"]
    assert container["image"] == f"{b.HUB}/pilot:{b.NEW_VERSION}"
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["resources"]["requests"] == container["resources"]["limits"]


@pytest.mark.parametrize(
    ("image", "proven"),
    [
        pytest.param("mirror.test/istio/proxyv2:1.31.0", True, id="R04: a mirror"),
        pytest.param(f"{b.proxy('1.31.0')}@sha256:{'a' * 64}", True, id="R05a: a tag with a digest"),
        pytest.param(f"{b.HUB}/proxyv2@sha256:{'a' * 64}", True, id="R05b: a digest"),
        pytest.param(b.proxy("1.31.0-fips"), True, id="R18: an image type"),
        pytest.param("mirror.test/istio/proxyv2:1.30.3", False, id="a mirror of another version"),
    ],
)
def test_the_version_of_an_image_proves_a_revision_not_its_name(api: FakeApi, image: str, proven: bool) -> None:
    api.script("POST", PROBE, Answer(b.pod(revision=b.NEW, image=image)))
    assert (proof(api) == Proof()) is proven


def waiting(api: FakeApi, lines: list[str], seconds: int = 3) -> t.Any:
    """Wait on a clock that goes one second per look."""
    ticks = iter(range(1000))
    more: b.Json = {"timeout": seconds, "progress": lines.append, "clock": lambda: next(ticks), "warn": lines.append}
    namespaces = b.snapshot_of(api.objects).namespaces
    return wait_until_ready(api.client(), b.SYSTEM, namespaces, b.NEW, "1.31.0", **more)


def test_waiting_ends_when_it_is_proven(api: FakeApi) -> None:
    api.script("POST", PROBE, *[failure(500, STARTING)] * 2)
    lines: list[str] = []
    assert waiting(api, lines).revisions[b.NEW].rolled_out
    assert len(lines) == 1
    assert "waiting for revision 1-31-0: a dry-run pod for it is rejected" in lines[0]


def test_waiting_ends_with_a_warning_where_no_dry_run_proves_it() -> None:
    spaces = [b.namespace(name, {REV: b.OLD}) for name in (b.SYSTEM, "default", "kube-system")]
    lines: list[str] = []
    with FakeApi(*b.plane(b.OLD), *b.plane(b.NEW), *spaces) as api:
        waiting(api, lines)
    assert lines == [
        "Revision 1-31-0 is ready, but no dry run proves that it injects: the labels of every namespace lead pods to "
        "another revision than 1-31-0. Before a restart, each namespace is asked with a pod template of its own."
    ]


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
