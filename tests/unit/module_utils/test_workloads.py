# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can be restarted, and how many pods a rollout takes down (S6, domain 14)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils._proxies import Owner, read_pod
from ansible_collections.meshops.istio.plugins.module_utils._workloads import (
    read_workload,
    takes_down,
    top_owner,
    unrestartable,
    unrestartable_owner,
)
from unit.module_utils import builders as b

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
        pytest.param("DaemonSet", "RollingUpdate", {"maxUnavailable": "50%"}, 5, 2, id="half of a DaemonSet"),
        pytest.param(
            "DaemonSet", "RollingUpdate", {"maxSurge": 1, "maxUnavailable": 0}, 5, 0, id="a DaemonSet with surge"
        ),
        pytest.param("DaemonSet", "RollingUpdate", {"maxSurge": "0%"}, 5, 1, id="no surge in percent"),
        pytest.param("Deployment", "RollingUpdate", {"maxUnavailable": "100%"}, 0, 0, id="nothing to take down"),
    ],
)
def test_s5_takes_down(kind: str, strategy: str, rolling: b.Json, replicas: int, expected: int) -> None:
    assert takes_down(kind, strategy, rolling, replicas) == expected


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_reading_a_workload(kind: str) -> None:
    found = read_workload(kind, b.workload(kind, "web", replicas=3, labels={"tier": "front"}))
    assert (found.key, found.replicas, found.template_labels["tier"]) == (("shop", kind, "web"), 3, "front")
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
