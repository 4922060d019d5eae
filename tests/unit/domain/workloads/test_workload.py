# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which workloads can be restarted, and how many pods a rollout takes down (S6, domain 14)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner, read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.rollout_limits import takes_down
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import (
    unrestartable,
    unrestartable_owner,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import (
    RESTARTED_AT,
    read_workload,
    restart_in_progress,
    restart_patch,
    top_owner,
)
from unit.support import builders as b

ON_DELETE = {"updateStrategy": {"type": "OnDelete"}}


def partition(at: int) -> b.Json:
    """Update strategy of a StatefulSet that stops at an ordinal."""
    return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": at}}}


@pytest.mark.parametrize(
    ("kind", "spec", "code"),
    [
        ("Deployment", {}, None),
        ("Deployment", {"paused": True}, "paused"),
        ("Deployment", {"strategy": {"type": "Recreate"}}, None),
        ("StatefulSet", partition(0), None),
        ("StatefulSet", partition(2), "partition"),
        ("StatefulSet", ON_DELETE, "on_delete"),
        ("DaemonSet", ON_DELETE, "on_delete"),
        ("DaemonSet", {}, None),
    ],
)
def test_s6_workloads_that_a_rollout_does_not_replace(kind: str, spec: b.Json, code: str | None) -> None:
    found = unrestartable(read_workload(kind, b.workload(kind, **spec)))
    assert (found and found.code) == code
    assert found is None or (found.reason and found.remedy)


@pytest.mark.parametrize(
    ("owner", "code"),
    [
        (None, "bare_pod"),
        (Owner("Job", "once"), "job"),
        (Owner("CronJob", "nightly"), "cron_job"),
        (Owner("ReplicaSet", "lonely"), "replica_set"),
        (Owner("Rollout", "api"), "argo_rollout"),
        (Owner("Database", "main"), "custom_owner"),
    ],
)
def test_s6_owners_without_a_rollout(owner: Owner | None, code: str) -> None:
    found = unrestartable_owner(owner)
    assert found.code == code
    assert found.reason
    assert found.remedy


def test_s6_a_custom_owner_is_named() -> None:
    found = unrestartable_owner(Owner("Database", "main"))
    assert "Database" in found.reason
    assert "Database" in found.remedy


@pytest.mark.parametrize(
    ("kind", "strategy", "rolling", "replicas", "expected"),
    [
        pytest.param("Deployment", "RollingUpdate", {}, 8, 2, id="a Deployment's default is 25 %"),
        pytest.param("Deployment", "", {}, 3, 0, id="percentages of maxUnavailable round down"),
        pytest.param("Deployment", "RollingUpdate", {"maxUnavailable": 1}, 3, 1, id="an absolute number"),
        pytest.param("Deployment", "RollingUpdate", {"maxUnavailable": 0, "maxSurge": 1}, 3, 0, id="surge only"),
        pytest.param(
            "Deployment", "RollingUpdate", {"maxSurge": 0}, 3, 1, id="no surge and 25 % of 3: Kubernetes takes one"
        ),
        pytest.param("Deployment", "RollingUpdate", {"maxUnavailable": 9}, 3, 3, id="never more than there are"),
        pytest.param("Deployment", "Recreate", {}, 3, 3, id="Recreate takes down all"),
        pytest.param("StatefulSet", "RollingUpdate", {}, 3, 1, id="a StatefulSet has no surge"),
        pytest.param("StatefulSet", "RollingUpdate", {"maxUnavailable": "10%"}, 3, 1, id="at least one"),
        pytest.param("StatefulSet", "OnDelete", {}, 3, 0, id="OnDelete takes down nothing"),
        pytest.param("DaemonSet", "RollingUpdate", {}, 5, 1, id="a DaemonSet's default is one"),
        pytest.param("DaemonSet", "RollingUpdate", {"maxUnavailable": "50%"}, 5, 3, id="a DaemonSet rounds up"),
        pytest.param(
            "DaemonSet", "RollingUpdate", {"maxSurge": 1, "maxUnavailable": 0}, 5, 0, id="a DaemonSet with surge"
        ),
        pytest.param("DaemonSet", "RollingUpdate", {"maxSurge": "0%"}, 5, 1, id="no surge in percent"),
        pytest.param("Deployment", "RollingUpdate", {"maxUnavailable": "100%"}, 0, 0, id="nothing to take down"),
        pytest.param("Rollout", "", {}, 8, 2, id="an Argo Rollout's default is 25 %"),
        pytest.param("Rollout", "", {"maxUnavailable": 0, "maxSurge": 1}, 8, 1, id="it evicts one at least"),
    ],
)
def test_s5_takes_down(kind: str, strategy: str, rolling: b.Json, replicas: int, expected: int) -> None:
    assert takes_down(kind, strategy, rolling, replicas) == expected


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_reading_a_workload(kind: str) -> None:
    found = read_workload(kind, b.workload(kind, "web", replicas=3, labels={"tier": "front"}))
    assert (found.ref, found.replicas, found.template_labels["tier"]) == (("shop", kind, "web"), 3, "front")
    assert found.path == f"/apis/apps/v1/namespaces/shop/{kind.lower()}s/web"
    assert str(found) == f"{kind} shop/web"


def test_a_deployment_without_replicas_has_one() -> None:
    raw = b.workload()
    del raw["spec"]["replicas"]
    assert read_workload("Deployment", raw).replicas == 1


PROXY = {"name": "istio-proxy", "image": "auto"}


@pytest.mark.parametrize(
    ("more", "gateway", "pinned"),
    [
        pytest.param({}, False, "", id="an application"),
        pytest.param({"containers": [PROXY]}, True, "", id="image: auto is an injected gateway"),
        pytest.param({"containers": [{**PROXY, "image": "own:1"}]}, True, "own:1", id="an image of its own pins it"),
        pytest.param(
            {"annotations": {"inject.istio.io/templates": "gateway"}}, True, "", id="asks for the gateway template"
        ),
        pytest.param({"annotations": {"inject.istio.io/templates": "sidecar,gateway"}}, True, "", id="among others"),
        pytest.param({"annotations": {"inject.istio.io/templates": "spire, gateway "}}, True, "", id="Istio trims"),
        pytest.param({"annotations": {"inject.istio.io/templates": "my-gateway"}}, False, "", id="another template"),
    ],
)
def test_gateways(more: dict[str, t.Any], gateway: bool, pinned: str) -> None:
    found = read_workload("Deployment", b.workload(**more))
    assert (found.gateway, found.pinned_image) == (gateway, pinned)


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (("ReplicaSet", "web-abc"), Owner("Deployment", "web")),
        (("ReplicaSet", "lonely"), Owner("ReplicaSet", "lonely")),
        (("Job", "nightly-1"), Owner("CronJob", "nightly")),
        (None, None),
    ],
)
def test_top_owner(owner: tuple[str, str] | None, expected: Owner | None) -> None:
    parents = {
        ("shop", "ReplicaSet", "web-abc"): Owner("Deployment", "web"),
        ("shop", "Job", "nightly-1"): Owner("CronJob", "nightly"),
    }
    assert top_owner(read_pod(b.pod(owner=owner)), parents) == expected


def rollout(phase: str = "Healthy", at: str | None = None, done: str | None = None, **spec: t.Any) -> b.Json:
    """An Argo Rollout."""
    raw = b.workload("Rollout", "api", replicas=8, strategy={"canary": {"maxUnavailable": 3}}, **spec)
    raw["spec"].update({"restartAt": at} if at else {})
    raw["status"] = {"phase": phase, **({"restartedAt": done} if done else {})}
    return raw


EARLY, LATE = "2026-03-01T02:00:00Z", "2026-03-01T03:00:00Z"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        pytest.param(rollout(), None, id="healthy"),
        pytest.param(rollout(at=EARLY, done=EARLY), None, id="restarted before"),
        pytest.param(rollout("Progressing", LATE, EARLY), None, id="a restart is under way"),
        pytest.param(rollout("Progressing", EARLY, "2026-03-01T03:00:00+01:00"), "Progressing", id="an update is"),
        pytest.param(rollout("Paused"), "the Argo Rollout is Paused: its update is not complete", id="paused"),
        pytest.param(rollout("Degraded"), "Degraded", id="degraded"),
        pytest.param(rollout(""), "an Argo Rollout replaces its pods itself", id="no controller"),
    ],
)
def test_an_argo_rollout_is_restarted_only_between_two_updates(raw: b.Json, reason: str | None) -> None:
    found = unrestartable(read_workload("Rollout", raw))
    assert (found is None) == (reason is None)
    assert found is None or (reason in found.reason and found.code == "argo_rollout")


def test_an_argo_rollout_is_restarted_by_its_own_field() -> None:
    found = read_workload("Rollout", rollout())
    assert found.path == "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/api"
    assert found.takes_down == 3
    assert restart_patch(found, LATE) == {"metadata": {"uid": "uid-shop-api"}, "spec": {"restartAt": LATE}}


def test_an_argo_rollout_may_have_its_template_in_a_deployment() -> None:
    raw = rollout()
    del raw["spec"]["template"]
    raw["spec"]["workloadRef"] = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "api"}
    assert read_workload("Rollout", raw).template_labels == {}


@pytest.mark.parametrize(
    ("template", "pods", "expected"),
    [
        pytest.param(None, [None], False, id="never restarted"),
        pytest.param(LATE, [None], True, id="its first restart"),
        pytest.param(LATE, [EARLY, None], True, id="all stale pods are of older templates"),
        pytest.param(LATE, [EARLY, LATE], False, id="one was made by the last restart and is stale all the same"),
        pytest.param(LATE, [LATE], False, id="the last restart is over"),
    ],
)
def test_a_restart_in_progress_is_recognized_by_its_pods(
    template: str | None, pods: list[str | None], expected: bool
) -> None:
    def notes(stamp: str | None) -> dict[str, str]:
        return {RESTARTED_AT: stamp} if stamp else {}

    found = read_workload("Deployment", b.workload(annotations=notes(template)))
    assert restart_in_progress(found, [read_pod(b.pod(annotations=notes(stamp))) for stamp in pods]) is expected


def test_a_stalled_restart_is_started_again() -> None:
    raw = b.workload(annotations={RESTARTED_AT: LATE})
    raw["status"]["conditions"] = [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]
    assert not restart_in_progress(read_workload("Deployment", raw), [read_pod(b.pod())])


@pytest.mark.parametrize(("raw", "expected"), [(rollout("Progressing", LATE, EARLY), True), (rollout(), False)])
def test_a_restart_of_an_argo_rollout_in_progress_is_recognized_by_its_status(raw: b.Json, expected: bool) -> None:
    assert restart_in_progress(read_workload("Rollout", raw), [read_pod(b.pod())]) is expected
