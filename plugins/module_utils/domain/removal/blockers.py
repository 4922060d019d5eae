# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find everything that blocks the removal of a revision, because it still needs it (safety rule S4)."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.bound_workloads import (
    bound_workload_blockers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.configuration_blockers import (
    configuration_blockers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.connected_proxy_blockers import (
    connected_proxy_blockers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.inputs import RemovalInputs
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.name_blockers import name_blockers
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import OwnedObject
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.terminating_proxies import (
    terminating_proxy_blockers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.workload_blockers import (
    cron_job_blockers,
    pod_blockers,
    workload_blockers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import ROLLED


def find_blockers(snapshot: Snapshot, revision: str, inputs: RemovalInputs) -> list[Blocker]:
    """Return everything that depends on a revision, each with the way to resolve it."""
    blockers = [
        *name_blockers(snapshot, revision),
        *pod_blockers(snapshot, revision, inputs),
        *terminating_proxy_blockers(snapshot, revision, inputs),
        *connected_proxy_blockers(snapshot, revision, inputs),
        *workload_blockers(snapshot, revision),
        *cron_job_blockers(snapshot, revision, inputs.cron_jobs),
        *configuration_blockers(snapshot, revision, inputs.configuration),
        *shared_component_blockers(inputs.owned, revision),
        *unchecked_blockers(revision, inputs),
    ]
    blocking = {parse_ref(blocker.object) for blocker in blockers}
    return [*blockers, *bound_workload_blockers(snapshot, revision, blocking)]


def shared_component_blockers(owned: Iterable[OwnedObject], revision: str) -> list[Blocker]:
    """Return shared gateways, CNI and ztunnel that an uninstall of the revision would delete (rule S12).

    Accounts, roles and Services are listed only if their component has no workload.
    """
    shared = [obj for obj in owned if obj.shared]
    running = [obj for obj in shared if obj.kind in ROLLED]
    covered = {obj.component for obj in running}
    return [
        Blocker(
            "shared_component",
            str(obj),
            f"{obj.component} ({obj}) belongs to revision {revision} and would be deleted with it",
            "hand it over to the revision that stays: adopt_shared_components=true of istio_revision (variable "
            "istio_adopt_shared_components)",
        )
        for obj in shared
        if obj in running or obj.component not in covered
    ]


def unchecked_blockers(revision: str, inputs: RemovalInputs) -> list[Blocker]:
    """Return a blocker for everything that could not be read: an unread object may need the revision."""
    remedy = "allow this user to read it, or fix the istiod that did not answer"
    if inputs.hints:
        remedy += f"; known here: {join_limited(inputs.hints)}"
    return [
        Blocker("not_checked", subject, f"not checked which {subject} needs revision {revision}: {reason}", remedy)
        for subject, message in inputs.unread.items()
        for reason in [message.rstrip(".")]
    ]
