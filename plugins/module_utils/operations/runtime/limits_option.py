# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``limits``: lists of namespaces that bound a run; these namespaces must exist."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import Spec
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.own_namespaces import require_own_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import LIMIT_VARIABLES
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

LIMITS_SPEC: Spec = {
    "limits": {
        "type": "dict",
        "options": {
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "waves": {"type": "list", "elements": "list", "default": []},
            "exclude": {"type": "list", "elements": "str", "default": []},
        },
    }
}


def require_known_limits(task: TaskContext, snapshot: Snapshot) -> None:
    """Refuse limits that name namespaces which the cluster does not have, or which belong to another mesh.

    Raises:
        ParameterError: with the nearest names.
        SafetyError: it names the other mesh.
    """
    limits = task.limits
    limits.require_known(snapshot.namespaces, task.client.connection.label)
    for key, names in (("namespaces", limits.namespaces), ("waves", [name for wave in limits.waves for name in wave])):
        require_own_namespaces(snapshot, names, f"limits.{key} (variable {LIMIT_VARIABLES[key]})")
