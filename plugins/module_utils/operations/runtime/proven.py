# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses to move anything to a revision that is not ready, and warns where no dry run can prove it."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.readiness import (
    require_ready,
    unproven_warning,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import is_only_planned
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


def require_proven(task: TaskContext, snapshot: Snapshot, revision: str) -> str:
    """Refuse a revision that cannot take workloads (safety rule S3); return why no dry run proves it.

    A revision that an earlier step of check mode would install cannot be asked yet.

    Raises:
        ProofError: with the reason.
        MeshError: the cluster cannot be read, or this user may not create pods.
    """
    if is_only_planned(task, revision):
        return ""
    return require_ready(task.client, snapshot.mesh, snapshot.namespaces, revision)


def warn_unproven(task: TaskContext, revision: str, doubt: str) -> None:
    """Add a warning to the result of the task if there is a reason why no dry run proves a revision."""
    warning = unproven_warning(revision, doubt)
    if doubt and warning not in task.warnings:
        task.warnings.append(warning)
