# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters with stale workloads, and a task that restarts them."""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import PREVIOUS_LABELS
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

GATEWAY: b.Json = {"annotations": {"inject.istio.io/templates": "gateway"}}
PLANES = [*b.two_planes(), *b.namespaces(other=b.OLD)]
#: Namespace shop after its move, before any restart.
MOVED = [*PLANES, b.namespace("shop", {REV: b.NEW}, {PREVIOUS_LABELS: '{"istio.io/rev": "1-30-3"}'})]


def restart(api: FakeApi, **options: t.Any) -> b.Json:
    """The result of a restart of namespace shop."""
    return task(api, CORE, **{"namespaces": ["shop"], "batch_timeout": 1, "budget_timeout": 0, **options})


def restarted(api: FakeApi) -> list[str]:
    """Names of workloads in the order in which they were patched."""
    return [seen.path.rpartition("/")[2] for seen in api.writes() if seen.method == "PATCH"]


def of_shop(api: FakeApi) -> list[b.Json]:
    """Pods of namespace shop as they are now."""
    return [pod for pod in b.of_kind(api.objects, "Pod") if pod["metadata"]["namespace"] == "shop"]


def stays_old(api: FakeApi, reason: str = "") -> t.Callable[[b.Json], None]:
    """A rollout that does not complete until its template is as it was before."""

    def on_patch(obj: b.Json) -> None:
        if RESTARTED_AT not in obj["spec"]["template"]["metadata"]["annotations"]:
            api.roll_out(obj)
            return
        failed = {"type": "ReplicaFailure", "status": str(bool(reason)), "reason": reason, "message": "rejected"}
        generation = obj["metadata"]["generation"]
        obj["status"].update(updatedReplicas=0, conditions=[failed], observedGeneration=generation)

    return on_patch
