# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners of every sort have a remedy that works for them, and one line each."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.owner_rules import (
    RULES,
    OwnerRule,
    rule_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.unrestartable import unrestartable_owner
from unit.support import builders as b
from unit.support.checking import HEALTHY, PLANE, of


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.kind)
def test_each_rule_is_found_by_its_own_kind_and_group_only(rule: OwnerRule) -> None:
    version = f"{rule.group}/v1" if rule.group else "v1"
    assert rule_of(rule.kind, version) is rule
    assert rule_of(rule.kind, "example.com/v1") not in RULES
    assert rule.remedy.format("x").strip()


@pytest.mark.parametrize(
    ("owner", "code", "remedy"),
    [
        (Owner("DeploymentConfig", "api", "apps.openshift.io/v1"), "custom_owner", "oc rollout latest dc/api"),
        (Owner("ReplicationController", "api-3", "v1"), "replica_set", "delete its pods one by one"),
        (Owner("Pod", "driver", "v1"), "pod_owner", "wait until the application of pod driver ends"),
        (Owner("TaskRun", "build", "tekton.dev/v1"), "ends_by_itself", "its next run gets the new proxy"),
        (Owner("Workflow", "etl", "argoproj.io/v1alpha1"), "ends_by_itself", "its next run gets the new proxy"),
        (Owner("Job", "once", "batch/v1"), "job", "wait until it ends"),
        (Owner("CloneSet", "web", "apps.kruise.io/v1alpha1"), "custom_owner", "rollout restart cloneset/web"),
        (Owner("StrimziPodSet", "kafka", "core.strimzi.io/v1"), "custom_owner", "manual-rolling-update=true"),
        (Owner("VirtualMachineInstance", "vm", "kubevirt.io/v1"), "custom_owner", "virtctl restart vm"),
        (Owner("Rollout", "web", "argoproj.io/v1alpha1"), "argo_rollout", "kubectl argo rollouts restart web"),
        # The same kind of another group is another thing.
        (Owner("Job", "train", "batch.volcano.sh/v1alpha1"), "custom_owner", "controller of Job.batch.volcano.sh"),
        (Owner("Cluster", "pg", "cluster.x-k8s.io/v1"), "custom_owner", "controller of Cluster.cluster.x-k8s.io"),
        (Owner("ModelServer", "llm", "ai.example/v1"), "custom_owner", "controller of ModelServer.ai.example"),
        (None, "bare_pod", "create it again manually"),
    ],
)
def test_the_remedy_works_for_the_owner(owner: Owner | None, code: str, remedy: str) -> None:
    cause = unrestartable_owner(owner)
    assert cause.code == code
    assert remedy in cause.remedy
    assert "{}" not in cause.reason + cause.remedy


def test_a_driver_and_its_executors_are_one_line() -> None:
    pods = [b.pod("driver", owner=None), *(b.pod(f"exec-{at}", owner=("Pod", "driver")) for at in (1, 2))]
    (row,) = b.snapshot_of([*HEALTHY, *pods]).unrestartable(everything=True)
    assert (row.kind, row.name, row.pods, row.cause.code) == ("Pod", "driver", 3, "pod_owner")
    assert len(of("MU021", [*PLANE, *pods])) == 1


def test_the_top_of_a_chain_is_named_even_if_it_is_a_circle() -> None:
    chain = {
        ObjectRef("shop", "ReplicationController", "api-3"): Owner("DeploymentConfig", "api", "apps.openshift.io/v1")
    }
    pods = [b.pod(f"api-3-{at}", owner=("ReplicationController", "api-3")) for at in (1, 2)]
    (row,) = b.snapshot_of([*PLANE, *pods], parents=chain).unrestartable(everything=True)
    assert (row.kind, row.name, row.pods, row.cause.remedy) == (
        "DeploymentConfig",
        "api",
        2,
        "oc rollout latest dc/api",
    )
    circle = {ObjectRef("shop", "Loop", "a"): Owner("Loop", "a")}
    snapshot = b.snapshot_of([*PLANE, b.pod("x", owner=("Loop", "a"))], parents=circle)
    assert [row.name for row in snapshot.unrestartable(everything=True)] == ["a"]
