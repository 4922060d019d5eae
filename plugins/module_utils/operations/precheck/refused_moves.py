# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the API server by dry runs whether it would move the namespaces of an upgrade."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import NamespaceMove
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import SELECTING_LABELS
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.namespace_patches import ask_moves
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import missing_permissions

PATCH = Permission("patch", "", "namespaces", "move namespaces")


def with_refused_moves(client: Client, snapshot: Snapshot, moves: Sequence[NamespaceMove]) -> Snapshot:
    """Return the snapshot with the moves that the API server would refuse, and the reasons.

    Only the moves are sent on which a webhook or policy may act, so that most clusters are not asked at all.

    Raises:
        ClusterError: the API server cannot be reached.
    """
    asked = [move for move in moves if _may_be_refused(snapshot, move)]
    if not asked:
        return snapshot
    inputs = snapshot.precheck_inputs
    if missing_permissions(client, [PATCH], snapshot.mesh.namespace):
        unread = {**inputs.unread, "namespace_moves": f"this user may not {PATCH}"}
        return dataclasses.replace(snapshot, precheck_inputs=dataclasses.replace(inputs, unread=unread))
    refused = ask_moves(client, asked)
    return dataclasses.replace(snapshot, precheck_inputs=dataclasses.replace(inputs, namespace_moves=refused))


def _may_be_refused(snapshot: Snapshot, move: NamespaceMove) -> bool:
    before = snapshot.namespaces[move.namespace].labels
    others = {key: value for key, value in before.items() if key not in SELECTING_LABELS}
    return snapshot.admission.may_act_on_change(move.namespace, before, {**others, **move.after})
