# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies, quotas and limits that refuse pods: R01, R02, R03, R03b, R29.

A policy that refuses only the pod of the proof stops nothing; one that refuses a workload is known before anything is
written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from field.meshes import SHOP, base, delete_a_pod, label, proxies, web
from field.playbooks import canary, changed, play
from field.policies import dry_run_is_refused, json_patch, mutating, validating
from integration.objects import REV, injected, labels, until
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, Desk, Play
from integration.workloads import APP, namespace, pod_template, workload
from lab import ApiError, Cluster

Json = dict[str, Any]
SYSTEM = "istio-system"
LIMITS = {"cpu": "100m", "memory": "64Mi"}
LIMITED = {**APP, "resources": {"requests": LIMITS, "limits": LIMITS}}
STRICT = {"namespaceSelector": {"matchLabels": {"policy": "strict"}}}
HAS_LIMITS = "object.spec.containers.all(c, has(c.resources) && has(c.resources.limits))"
#: Words of the warning about a revision that no dry run proves.
UNPROVEN = "no dry run proves that it injects"
STRATEGIC = "application/strategic-merge-patch+json"
PODS = f"/api/v1/namespaces/{SHOP}/pods"
BARE: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "bare-"}, "spec": {"containers": [APP]}}


def limited(name: str, place: str = SHOP, **template: Any) -> Json:
    """A workload whose pods have limits."""
    return workload("Deployment", name, pod_template(name, LIMITED, **template), namespace=place, replicas=2)


def upgrade_twice(desk: Desk, cluster: Cluster, *places: str) -> Play:
    """The upgrade succeeds, its second run changes nothing, and all proxies are new; the first run is returned."""
    first = canary(desk, cluster).require_success()
    assert changed(canary(desk, cluster).require_success(), cluster) == 0
    assert {image.rpartition(":")[2] for image in proxies(cluster, *places).values()} == {NEW_VERSION}
    return first


def rows(desk: Desk, cluster: Cluster) -> list[Json]:
    """The findings of the precheck."""
    options: Json = {"version": NEW_VERSION, "revision": NEW_REVISION, "fail_on": "never"}
    return list(desk.tool(cluster, "istio_precheck", **options)["findings"])


def findings(desk: Desk, cluster: Cluster) -> dict[str, str]:
    """Code to object of the findings of the precheck."""
    return {row["code"]: row["object"] for row in rows(desk, cluster)}


def installed(cluster: Cluster) -> list[str]:
    """The revisions whose istiod is installed."""
    names = [obj["metadata"]["name"] for obj in cluster.items(f"/apis/apps/v1/namespaces/{SYSTEM}/deployments")]
    return sorted(name.removeprefix("istiod-") for name in names if name.startswith("istiod"))


def text(found: Any) -> str:
    """The words of a run or a result, without the line breaks of a terminal."""
    return " ".join((found.output if isinstance(found, Play) else json.dumps(found)).split())


def applied_limits(cluster: Cluster, kind: str, spec: Mapping[str, Any]) -> None:
    """Create a quota or a LimitRange in Istio's namespace, and wait until it is in force."""
    about = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "limits", "namespace": SYSTEM}}
    cluster.apply([{**about, "spec": dict(spec)}])
    path = f"/api/v1/namespaces/{SYSTEM}/pods"
    until(lambda: dry_run_is_refused(cluster, "POST", path, big_pod()), f"the {kind} is not in force")


def big_pod() -> Json:
    """A pod that the quota refuses without limits, and the LimitRange because of them."""
    resources = {"limits": {"cpu": "2"}}
    return {**BARE, "spec": {"containers": [{**APP, "resources": resources}]}}


def test_r01_pod_security_in_the_namespace_of_istio(desk: Desk, based: Cluster) -> None:
    """Level restricted would refuse istiod itself."""
    label(based, SYSTEM, {"pod-security.kubernetes.io/enforce": "baseline"})
    play(desk, based, "precheck").require_success()
    assert "MU103" not in findings(desk, based)
    assert UNPROVEN not in text(upgrade_twice(desk, based))


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        pytest.param({"istio-injection": "disabled"}, "the labels of every namespace lead pods", id="labels"),
        pytest.param({}, "by Pod Security baseline", id="levels"),
    ],
)
def test_r01_no_namespace_is_left_to_ask_in(desk: Desk, based: Cluster, own: dict[str, str], reason: str) -> None:
    """Brothers of R01: the precheck reports it, and the revision is proven by the first namespace that is moved."""
    for name in labels(based):
        if name != SHOP:
            label(based, name, {"pod-security.kubernetes.io/enforce": "baseline", **own})
    (finding,) = [row for row in rows(desk, based) if row["code"] == "MU103"]
    assert (finding["object"], reason in finding["message"]) == (f"revision {NEW_REVISION}", True)
    run = upgrade_twice(desk, based)
    warned = {one.action.rpartition(".")[2] for one in run.ours(based) if UNPROVEN in text(one.result)}
    assert warned == {"istio_revision"}


def test_r01_a_namespace_that_was_moved_to_prove_a_revision_is_moved_back_if_it_does_not_inject(
    desk: Desk, based: Cluster
) -> None:
    """Safety rule S3 where the labels of every namespace lead elsewhere: the API server cannot reach the new istiod."""
    based.install_istio(NEW_VERSION, NEW_REVISION)
    for name in labels(based):
        if name != SHOP:
            label(based, name, {"istio-injection": "disabled"})
    service = f"/api/v1/namespaces/{SYSTEM}/services/istiod-{NEW_REVISION}"
    based.request("PATCH", service, {"spec": {"ports": [{"port": 443, "targetPort": 1}]}}, content_type=STRATEGIC)
    before = proxies(based)
    until(lambda: moved_back(desk, based), "the broken webhook proves the revision")
    assert proxies(based) == before


def moved_back(desk: Desk, cluster: Cluster) -> bool:
    """Whether a move of namespace shop fails, and leaves its label as it was."""
    result = desk.tool(cluster, "namespace_revision", namespaces=[SHOP], revision=NEW_REVISION)
    if not result.get("failed"):
        label(cluster, SHOP, {REV: REVISION})
        return False
    assert f"the labels of {SHOP} are as before" in result["msg"]
    return bool(labels(cluster)[SHOP][REV] == REVISION)


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        pytest.param("ResourceQuota", {"hard": {"limits.cpu": "40", "limits.memory": "40Gi"}}, id="R02a"),
        pytest.param("LimitRange", {"limits": [{"type": "Container", "max": {"cpu": "500m"}}]}, id="R02b"),
    ],
)
def test_r02_limits_in_the_namespace_of_istio(desk: Desk, empty: Cluster, kind: str, spec: Json) -> None:
    sets = [f"values.pilot.resources.limits.{key}" for key in ("cpu=500m", "memory=2Gi")]
    requests = ["values.pilot.resources.requests.cpu=100m"]
    base(empty, sets=[*sets, *requests])
    applied_limits(empty, kind, spec)
    assert not {"MU046", "MU103"} & set(findings(desk, empty))
    upgrade_twice(desk, empty)


@pytest.mark.parametrize("reason", [None, "Forbidden"])
def test_r03_a_policy_that_the_workload_fulfils_and_a_bare_pod_does_not(
    desk: Desk, empty: Cluster, reason: str | None
) -> None:
    base(empty, limited("web"))
    label(empty, SHOP, {"policy": "strict"})
    with validating(
        empty,
        "limits",
        HAS_LIMITS,
        where=STRICT,
        reason=reason,
        in_force=lambda: dry_run_is_refused(empty, "POST", PODS, BARE),
    ):
        assert "MU100" not in findings(desk, empty)
        upgrade_twice(desk, empty)


@pytest.mark.parametrize(
    "expression",
    [
        pytest.param("has(object.metadata.labels) && 'app' in object.metadata.labels", id="a required label"),
        pytest.param("has(object.metadata.ownerReferences)", id="no bare pods"),
        pytest.param("object.spec.containers.all(c, c.image.startsWith('registry.example/'))", id="R03b: own registry"),
    ],
)
def test_r03_other_policies_that_the_workload_fulfils(desk: Desk, based: Cluster, expression: str) -> None:
    label(based, SHOP, {"policy": "strict"})
    foreign = {**BARE, "spec": {"containers": [{"name": "app", "image": "elsewhere.test/app:1"}]}}
    with validating(
        based,
        "strict",
        expression,
        where=STRICT,
        in_force=lambda: dry_run_is_refused(based, "POST", PODS, foreign),
    ):
        upgrade_twice(desk, based)


def test_r03b_two_namespaces_of_a_wave(desk: Desk, based: Cluster) -> None:
    """A policy that only the pod of a proof breaks leaves no namespace with a new label and old pods."""
    based.apply([namespace("alpha", **{REV: REVISION}), web("app", "alpha")])
    based.wait_ready()
    label(based, SHOP, {"policy": "strict"})
    foreign = {**BARE, "spec": {"containers": [{"name": "app", "image": "elsewhere.test/app:1"}]}}
    trusted = "object.spec.containers.all(c, c.image.startsWith('registry.example/'))"
    with validating(
        based, "registry", trusted, where=STRICT, in_force=lambda: dry_run_is_refused(based, "POST", PODS, foreign)
    ):
        upgrade_twice(desk, based, "alpha", SHOP)
        assert delete_a_pod(based).endswith(NEW_VERSION)


def test_r03_a_policy_that_refuses_the_workload_is_found_before_anything_is_written(desk: Desk, based: Cluster) -> None:
    """One workload of two is refused: named beforehand, nothing is installed; accepted, it fails alone."""
    based.apply([limited("fine")])
    based.wait_ready()
    label(based, SHOP, {"policy": "strict"})
    with validating(
        based,
        "limits",
        HAS_LIMITS,
        where=STRICT,
        in_force=lambda: dry_run_is_refused(based, "POST", PODS, BARE),
    ):
        assert findings(desk, based)["MU100"] == f"Deployment {SHOP}/web"
        for dummy in range(2):
            run = canary(desk, based)
            assert run.returncode != 0
            assert "MU100" in run.output
            assert (labels(based)[SHOP][REV], installed(based)) == (REVISION, [REVISION])
        before = {place: image for place, image in proxies(based).items() if "/web-" in place}
        restarted = desk.tool(based, "rollout_restart", namespaces=[SHOP], scope="all")
        assert restarted["failed"]
        assert f"Deployment {SHOP}/web" in restarted["msg"]
        after = proxies(based)
        assert {place: after.get(place) for place in before} == before


def test_r29_a_policy_breaks_the_native_sidecar_of_some_pods(desk: Desk, empty: Cluster) -> None:
    base(empty, web("pay", labels={"irsa": "true"}))
    present = 'has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == "istio-proxy")'
    removal = 'JSONPatch{op: "remove", path: "/spec/initContainers/1/restartPolicy"}'
    guarded = f"{present} && has(object.spec.initContainers[1].restartPolicy) ? [{removal}] : []"
    pods = {"objectSelector": {"matchLabels": {"irsa": "true"}}}

    def breaks() -> bool:
        try:
            injected(empty, SHOP, irsa="true")
        except ApiError:
            return True
        return False

    with mutating(empty, "irsa", json_patch(guarded), where=pods, in_force=breaks):
        before = proxies(empty)
        assert findings(desk, empty)["MU100"] == f"Deployment {SHOP}/pay"
        run = canary(desk, empty)
        assert run.returncode != 0
        assert (labels(empty)[SHOP][REV], proxies(empty)) == (REVISION, before)
        again = canary(desk, empty)
        assert again.returncode != 0
        assert proxies(empty) == before
        # Accepted, only that workload fails: the others are moved.
        canary(desk, empty, istio_allow=["MU100"])
        assert {place for place in proxies(empty) if "/pay-" in place} == {
            place for place in before if "/pay-" in place
        }
