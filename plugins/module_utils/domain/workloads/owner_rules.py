# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists owners of pods that no rollout of Kubernetes restarts: why, and the step that works there.

Sources: the documentation of each owner (OpenShift "Deployments", Tekton, Argo Workflows, Spark operator, OpenKruise,
Strimzi "Rolling pods", KubeVirt "virtctl", CloudNativePG "kubectl plugin", Agones, Actions Runner Controller), and
Kubernetes documentation of static pods.
"""

from __future__ import annotations

import dataclasses

ENDS, CUSTOM, OWNED_BY_POD = "ends_by_itself", "custom_owner", "pod_owner"
NEXT_RUN = "nothing: its next run gets the new proxy"


@dataclasses.dataclass(frozen=True)
class OwnerRule:
    """One kind of owner: its API group, the code and reason of the result, and the remedy; {} stands for its name."""

    kind: str
    group: str
    code: str
    reason: str
    remedy: str


RULES = (
    OwnerRule("CronJob", "batch", "cron_job", "a run of a CronJob is in progress", NEXT_RUN),
    OwnerRule("Job", "batch", "job", "a Job never replaces a running pod",
              "wait until it ends, or delete and create the Job"),
    OwnerRule("ReplicaSet", "apps", "replica_set", "a ReplicaSet without a Deployment has no rollout",
              "delete its pods one by one at a convenient time"),
    OwnerRule("ReplicationController", "", "replica_set", "a ReplicationController has no rollout",
              "delete its pods one by one at a convenient time"),
    OwnerRule("Pod", "", OWNED_BY_POD, "another pod started it, such as the driver of an application, and ends with it",
              "wait until the application of pod {} ends, or start that application again"),
    OwnerRule("Node", "", CUSTOM, "the kubelet of node {} runs it from a file", "change its manifest on the node"),
    OwnerRule("DeploymentConfig", "apps.openshift.io", CUSTOM, "OpenShift rolls out a DeploymentConfig itself",
              "oc rollout latest dc/{}"),
    OwnerRule("TaskRun", "tekton.dev", ENDS, "a TaskRun ends by itself", NEXT_RUN),
    OwnerRule("PipelineRun", "tekton.dev", ENDS, "a PipelineRun ends by itself", NEXT_RUN),
    OwnerRule("Workflow", "argoproj.io", ENDS, "a Workflow ends by itself", NEXT_RUN),
    OwnerRule("CronWorkflow", "argoproj.io", ENDS, "a run of a CronWorkflow is in progress", NEXT_RUN),
    OwnerRule("SparkApplication", "sparkoperator.k8s.io", ENDS, "its pods end with the Spark application",
              "wait until the application ends, or submit it again"),
    OwnerRule("ScheduledSparkApplication", "sparkoperator.k8s.io", ENDS, "a run of the Spark application is in "
              "progress", NEXT_RUN),
    OwnerRule("EphemeralRunner", "actions.github.com", ENDS, "a runner ends with its job", NEXT_RUN),
    OwnerRule("EphemeralRunnerSet", "actions.github.com", ENDS, "a runner ends with its job", NEXT_RUN),
    OwnerRule("AutoscalingRunnerSet", "actions.github.com", ENDS, "a runner ends with its job", NEXT_RUN),
    OwnerRule("GameServer", "agones.dev", ENDS, "a game server ends with its game", NEXT_RUN),
    OwnerRule("GameServerSet", "agones.dev", ENDS, "a game server ends with its game", NEXT_RUN),
    OwnerRule("Fleet", "agones.dev", ENDS, "a game server ends with its game", NEXT_RUN),
    OwnerRule("CloneSet", "apps.kruise.io", CUSTOM, "OpenKruise rolls out a CloneSet itself",
              "kubectl kruise rollout restart cloneset/{}"),
    OwnerRule("StrimziPodSet", "core.strimzi.io", CUSTOM, "the operator of Strimzi rolls its pods",
              "kubectl annotate strimzipodset {} strimzi.io/manual-rolling-update=true"),
    OwnerRule("Kafka", "kafka.strimzi.io", CUSTOM, "the operator of Strimzi rolls its pods",
              "kubectl annotate strimzipodset -l strimzi.io/cluster={} strimzi.io/manual-rolling-update=true"),
    OwnerRule("VirtualMachineInstance", "kubevirt.io", CUSTOM, "KubeVirt replaces the pod of a virtual machine itself",
              "virtctl restart {}"),
    OwnerRule("VirtualMachine", "kubevirt.io", CUSTOM, "KubeVirt replaces the pod of a virtual machine itself",
              "virtctl restart {}"),
    OwnerRule("Cluster", "postgresql.cnpg.io", CUSTOM, "CloudNativePG restarts the instances of a Cluster itself",
              "kubectl cnpg restart {}"),
)  # fmt: skip
_BY_KIND = {(rule.kind, rule.group): rule for rule in RULES}


def rule_of(kind: str, api_version: str) -> OwnerRule:
    """Return the rule of an owner; an unknown owner is restarted by its own controller."""
    group = api_version.rpartition("/")[0]
    if not api_version:
        return next((rule for rule in RULES if rule.kind == kind), _unknown(kind, kind))
    full = f"{kind}.{group}" if group else kind
    return _BY_KIND.get((kind, group), _unknown(kind, full))


def _unknown(kind: str, full: str) -> OwnerRule:
    return OwnerRule(kind, "", CUSTOM, f"its owner is a {kind}", f"restart it through the controller of {full}")
