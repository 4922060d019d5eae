# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Retires one revision, only when nothing needs it any more (safety rule S4)."""

from __future__ import annotations

import time

from ansible_collections.meshops.istio.plugins.module_utils import _installer
from ansible_collections.meshops.istio.plugins.module_utils._blockers import (
    SHARED_COMPONENTS,
    Blocker,
    of_names,
    of_pods,
    of_shared,
    of_workloads,
)
from ansible_collections.meshops.istio.plugins.module_utils._client import Client
from ansible_collections.meshops.istio.plugins.module_utils._errors import InstallerError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils._mesh import Mesh
from ansible_collections.meshops.istio.plugins.module_utils._moves import planned
from ansible_collections.meshops.istio.plugins.module_utils._reading import fetch_mesh
from ansible_collections.meshops.istio.plugins.module_utils._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils._tool import Outcome, Run


def blockers(client: Client, snapshot: Snapshot, revision: str) -> list[Blocker]:
    """Return everything that still needs a revision."""
    selector = f"istio.io/rev={revision},operator.istio.io/component in ({','.join(SHARED_COMPONENTS)})"
    shared = [
        {**obj, "kind": kind}
        for kind, resource in (("Deployment", "deployments"), ("DaemonSet", "daemonsets"))
        for obj in client.list(
            f"/apis/apps/v1/{resource}", doing=f"Reading {resource}", metadata=True, labelSelector=selector
        )
    ]
    return [
        *of_names(snapshot, revision),
        *of_pods(snapshot, revision),
        *of_workloads(snapshot, revision),
        *of_shared(shared, revision),
    ]


def _installed(mesh: Mesh, revision: str) -> bool:
    return revision in mesh.revisions


def retire(run: Run) -> Outcome:
    """Remove the revision, or refuse with every blocker."""
    revision, params = run.params["revision"], run.params
    snapshot = run.snapshot(pods=True)
    mesh = snapshot.mesh
    if not _installed(mesh, revision):
        return Outcome(values={"revision": revision})
    view = planned(snapshot, params.get("planned")) if run.check_mode else snapshot
    found = blockers(run.client, view, revision)
    if run.check_mode and params.get("planned"):
        # the restarts before this step are only planned: what they would mend is no blocker
        mended = {str(view.workloads[key]) for key in view.stale_workloads()}
        found = [b for b in found if not (b.code == "live_proxy" and b.object in mended)]
    if found:
        listed = "; ".join(f"{b.message} ({b.remedy})" for b in found[:5])
        more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
        raise SafetyError(
            f"Revision {revision} on cluster {run.client.connection.label} is still needed and was not "
            f"removed: {listed}{more}.",
            {"blockers": [blocker.as_dict() for blocker in found]},
        )
    planes = {name: plane.version for name, plane in mesh.revisions.items() if plane.deployment}
    if not run.check_mode:
        with _installer.opened(run, mesh) as installer:
            run.progress(f"retiring revision {revision} ({planes.get(revision, 'no istiod')})")
            run.tool_wrote = True
            installer.uninstall(mesh, revision, params["timeout"])
        _wait_gone(run, installer.name, revision)
    return Outcome(
        actions=[f"retire revision {revision} ({planes.get(revision, 'no istiod')})"],
        before={"control_planes": planes},
        after={"control_planes": {name: version for name, version in planes.items() if name != revision}},
        values={"revision": revision},
    )


def _wait_gone(run: Run, installer: str, revision: str) -> None:
    """Deletion is in the foreground: the Deployment may outlive the command."""
    deadline = time.monotonic() + run.params["timeout"]
    while _installed(fetch_mesh(run.client, run.istio_namespace), revision):
        if time.monotonic() > deadline:
            raise InstallerError(f"{installer} reported success, but revision {revision} is still there.")
        time.sleep(0.5)
