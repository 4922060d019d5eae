# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies, quotas and limits that refuse pods: R01, R02, R03, R03b, R29.

A policy that refuses only the pod of the proof stops nothing; one that refuses a workload is known before anything is
written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from field.meshes import SHOP, base, label, proxies, web
from field.playbooks import canary, changed, play
from field.policies import dry_run_is_refused, json_patch, mutating, validating
from integration.objects import REV, injected, labels, until
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, Desk
from integration.workloads import APP, pod_template, workload
from lab import ApiError, Cluster

Json = dict[str, Any]
SYSTEM = "istio-system"
LIMITS = {"cpu": "100m", "memory": "64Mi"}
LIMITED = {**APP, "resources": {"requests": LIMITS, "limits": LIMITS}}
STRICT = {"namespaceSelector": {"matchLabels": {"policy": "strict"}}}
HAS_LIMITS = "object.spec.containers.all(c, has(c.resources) && has(c.resources.limits))"
PODS = f"/api/v1/namespaces/{SHOP}/pods"
BARE: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "bare-"}, "spec": {"containers": [APP]}}


def limited(name: str, place: str = SHOP, **template: Any) -> Json:
    """A workload whose pods have limits."""
    return workload("Deployment", name, pod_template(name, LIMITED, **template), namespace=place, replicas=2)


def upgrade_twice(desk: Desk, cluster: Cluster, place: str = SHOP) -> None:
    """The upgrade succeeds, its second run changes nothing, and all proxies are new."""
    canary(desk, cluster).require_success()
    assert changed(canary(desk, cluster).require_success(), cluster) == 0
    assert {image.rpartition(":")[2] for image in proxies(cluster, place).values()} == {NEW_VERSION}


def findings(desk: Desk, cluster: Cluster) -> dict[str, str]:
    """Code to object of the findings of the precheck."""
    options: Json = {"version": NEW_VERSION, "revision": NEW_REVISION, "fail_on": "never"}
    return {row["code"]: row["object"] for row in desk.tool(cluster, "istio_precheck", **options)["findings"]}


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
    upgrade_twice(desk, based)


def test_r01_every_namespace_enforces_and_has_a_label(desk: Desk, based: Cluster) -> None:
    """Brother of R01: no namespace is left in which a pod could be asked for freely."""
    for name in labels(based):
        own = {} if name == SHOP else {"istio-injection": "disabled"}
        label(based, name, {"pod-security.kubernetes.io/enforce": "baseline" if name != SHOP else None, **own})
    upgrade_twice(desk, based)


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
        run = canary(desk, based)
        assert run.returncode != 0
        assert "MU100" in run.output
        assert labels(based)[SHOP][REV] == REVISION
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
