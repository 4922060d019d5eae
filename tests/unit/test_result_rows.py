# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documentation of each module names exactly the return values that its code has types for."""

from __future__ import annotations

import importlib
import typing as t

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_rows import NamespaceRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ChangeRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import SettingsRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.control_planes import (
    ControlPlaneRow,
    DefaultRow,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import FindingRow, Waived
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import BlockerRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.batching import BatchRow, BudgetRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import MovableWorkloads
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import LockRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.undo_plan import UndoRow
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import UnrestartableRow
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.external import RemovableValues
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.install import InstallValues
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.remove_revision import (
    RemovalValues,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import namespace_revision
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import (
    InfoValues,
    UnreadableRow,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_precheck import PrecheckValues
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_run_record import RunRecordResult
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_tag import (
    NotRestoredRow,
    TagValues,
    WorkloadRow,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.evidence import EvidenceRow
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.restart_errors import (
    FailureDetails,
    NamespaceFailureDetails,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.result import (
    RestartValues,
    StillUnavailableRow,
)

MODULES = "ansible_collections.meshops.istio.plugins.modules"
#: Return values that the runtime adds to those of every module.
COMMON = {"actions", "changed", "cluster", "failure", "requests"}
#: (module, path of a return value, empty for all of them) -> the type of its rows.
ROWS: dict[tuple[str, str], type] = {
    ("istio_info", ""): InfoValues,
    ("istio_info", "control_planes"): ControlPlaneRow,
    ("istio_info", "default"): DefaultRow,
    ("istio_info", "namespaces"): NamespaceRow,
    ("istio_info", "lock"): LockRow,
    ("istio_info", "undo"): UndoRow,
    ("istio_info", "unreadable"): UnreadableRow,
    ("istio_info", "unrestartable"): UnrestartableRow,
    ("istio_precheck", ""): PrecheckValues,
    ("istio_precheck", "findings"): FindingRow,
    ("istio_precheck", "findings.waived"): Waived,
    ("istio_precheck", "unrestartable"): UnrestartableRow,
    ("istio_revision", "changes"): ChangeRow,
    ("istio_revision", "failure.blockers"): BlockerRow,
    ("istio_revision", "settings"): SettingsRow,
    ("istio_run_record", ""): RunRecordResult,
    ("istio_tag", ""): TagValues,
    ("istio_tag", "not_restored"): NotRestoredRow,
    ("istio_tag", "workloads"): WorkloadRow,
    ("namespace_revision", ""): namespace_revision.NamespaceMoveValues,
    ("namespace_revision", "not_restored"): namespace_revision.NotRestoredRow,
    ("rollout_restart", ""): RestartValues,
    ("rollout_restart", "failure.evidence"): EvidenceRow,
    ("rollout_restart", "movable_workloads"): MovableWorkloads,
    ("rollout_restart", "plan"): BatchRow,
    ("rollout_restart", "plan.budgets"): BudgetRow,
    ("rollout_restart", "still_unavailable"): StillUnavailableRow,
    ("rollout_restart", "unrestartable"): UnrestartableRow,
}


def documented(module: str, path: str) -> set[str]:
    """Return the keys that the RETURN documentation of a module lists below a path."""
    rows: dict[str, t.Any] = yaml.safe_load(importlib.import_module(f"{MODULES}.{module}").RETURN)
    if not path:
        return set(rows) - COMMON
    for name in path.split("."):
        rows = rows[name]["contains"]
    return set(rows)


@pytest.mark.parametrize(("module", "path"), ROWS)
def test_a_module_documents_exactly_the_keys_of_its_rows(module: str, path: str) -> None:
    assert documented(module, path) == set(t.get_type_hints(ROWS[module, path])) - (set() if path else COMMON)


def test_istio_revision_documents_exactly_the_keys_of_its_states() -> None:
    keys = {key for values in (InstallValues, RemovalValues, RemovableValues) for key in t.get_type_hints(values)}
    assert documented("istio_revision", "") == keys


def test_rollout_restart_documents_exactly_the_keys_of_its_failures() -> None:
    of_every_module, of_refusals = {"kind", "status", "reason"}, {"namespace"}
    of_namespaces = {*t.get_type_hints(NamespaceFailureDetails)}
    keys = {*t.get_type_hints(FailureDetails), *of_every_module, *of_refusals, *of_namespaces}
    assert documented("rollout_restart", "failure") == keys
