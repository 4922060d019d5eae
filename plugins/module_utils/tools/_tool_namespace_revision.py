# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. The core of module namespace_revision: moves namespaces between revisions, and back."""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client._argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.client._client import Client
from ansible_collections.meshops.istio.plugins.module_utils.client._errors import (
    ConflictError,
    ParameterError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain._injection import IGNORED_NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.domain._limits import expanded
from ansible_collections.meshops.istio.plugins.module_utils.domain._mesh import INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain._moves import (
    Move,
    move,
    require_owner,
    undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.tools import _prove
from ansible_collections.meshops.istio.plugins.module_utils.tools._planned import (
    PLANNED_SPEC,
    is_planned,
    planned_snapshot,
)
from ansible_collections.meshops.istio.plugins.module_utils.tools._reading import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.tools._tool import Outcome, Run, Tool

SPEC = ArgumentSpec(
    {
        "namespaces": {"type": "list", "elements": "str", "required": True},
        "revision": {"type": "str"},
        "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
        "enroll": {"type": "bool", "default": False},
        **PLANNED_SPEC,
    },
    required_if=(("state", "present", ("revision",)),),
)


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse names that can never be right, before any request."""
    for name in params["namespaces"]:
        if name in IGNORED_NAMESPACES:
            raise ParameterError(f"Parameter namespaces: Istio never injects into the system namespace {name}.")


def moves(snapshot: Snapshot, names: list[str], target: str | None, *, enroll: bool, cluster: str = "") -> list[Move]:
    """Return the moves that bring the namespaces to a revision or tag, or (target None) back to where they were.

    Raises:
        ParameterError: a namespace does not exist.
        SafetyError: the target is owned by no injector, or a namespace is not in the mesh.
    """
    there = set(snapshot.namespaces) - IGNORED_NAMESPACES
    found = [snapshot.namespaces[name] for name in expanded("namespaces", names, there, cluster)]
    if target is None:
        return [step for step in (undo(snapshot.mesh, namespace) for namespace in found) if step]
    require_owner(snapshot.mesh, target)
    # a pattern means those that are in the mesh, where only these may be moved
    lost = [] if enroll else [n.name for n in found if snapshot.owned_name(n) is None]
    outside = [name for name in lost if name in names]
    found = [namespace for namespace in found if namespace.name not in lost]
    if outside:
        raise SafetyError(
            f"Namespaces {', '.join(outside)} are not in the mesh (no {INJECTION}=enabled, no "
            "istio.io/rev, or opted out); "
            "moving them would inject their next pods. Set enroll=true if that is meant."
        )
    return [step for step in (move(namespace, target) for namespace in found) if step]


def apply(client: Client, steps: list[Move], mesh_label: str) -> None:
    """Send one patch per namespace, side by side.

    Raises:
        SafetyError: somebody changed a namespace after it was read; the others are moved, and the next run goes on.
    """

    def send(step: Move) -> str | None:
        path = f"{NAMESPACES}/{step.namespace}"
        try:
            client.merge(path, step.patch(), doing=f"Labelling namespace {step.namespace}")
        except ConflictError:
            return step.namespace
        return None

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        lost = [name for name in pool.map(send, steps) if name]
    if lost:
        raise SafetyError(
            f"Namespaces {', '.join(lost)} on cluster {mesh_label} were changed by somebody else while "
            "they were being moved; "
            "they keep their labels. Run again."
        )


def run(run: Run) -> Outcome:
    """Move the namespaces and return what was moved."""
    params = run.params
    back = params["state"] == "restored"
    target = None if back else str(params["revision"])
    snapshot = planned_snapshot(run, pods=False)
    label = run.client.connection.label
    steps = moves(snapshot, params["namespaces"], target, enroll=params["enroll"], cluster=label)
    revision = snapshot.mesh.resolve(target) if target else None
    if steps and revision and not is_planned(run, revision):
        _prove.require(run.client, snapshot.mesh, snapshot.namespaces, revision)
    if steps and not run.check_mode:
        for step in steps:
            run.progress(str(step))
        apply(run.client, steps, label)
    return Outcome(
        actions=[str(step) for step in steps],
        before={step.namespace: step.before for step in steps},
        after={step.namespace: step.after for step in steps},
        values={"moved": [step.namespace for step in steps], "revision": revision},
    )


TOOL = Tool("namespace_revision", SPEC, run, check)
