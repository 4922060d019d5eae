# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Retires one revision, only when nothing needs it any more (safety rule S4)."""

from __future__ import annotations

import concurrent.futures
import time
import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client._client import Client
from ansible_collections.meshops.istio.plugins.module_utils.client._errors import (
    ConflictError,
    InstallerError,
    NotFoundError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain import _belongings, _blockers
from ansible_collections.meshops.istio.plugins.module_utils.domain._belongings import WEBHOOKS, Belonging
from ansible_collections.meshops.istio.plugins.module_utils.domain._blockers import Blocker
from ansible_collections.meshops.istio.plugins.module_utils.domain._managers import HELM
from ansible_collections.meshops.istio.plugins.module_utils.domain._mesh import REV, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain._moves import planned
from ansible_collections.meshops.istio.plugins.module_utils.domain._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain._words import some
from ansible_collections.meshops.istio.plugins.module_utils.tools import _external, _installer
from ansible_collections.meshops.istio.plugins.module_utils.tools._manifest import RESOURCES, object_path
from ansible_collections.meshops.istio.plugins.module_utils.tools._tool import Outcome, Run

CRON_JOBS = "/apis/batch/v1/cronjobs"
KINDS = (*WEBHOOKS, *(kind for kind in RESOURCES if kind not in (*WEBHOOKS, "CustomResourceDefinition")))
#: Seconds between looks at what is on its way out.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0


def belongings(run: Run, kinds: Iterable[str] = KINDS) -> list[Belonging]:
    """Return every object of the revision, webhooks first: they reject what they select once their istiod is gone.

    Gateways and CNI of Helm are releases of their own, which stay.
    """
    client, revision = run.client, run.params["revision"]
    stays = run.params["installer"] == HELM

    def of_kind(kind: str) -> list[Belonging]:
        prefix, resource, dummy = RESOURCES[kind]
        try:
            found = client.list(
                f"{prefix}/{resource}",
                doing=f"Reading {resource} of revision {revision}",
                metadata=kind not in WEBHOOKS,
                labelSelector=f"{REV}={revision}",
            )
        except NotFoundError:
            return []  # an API that this cluster does not serve
        return [one for obj in found if (one := _belongings.read_belonging(kind, obj)) and not (stays and one.shared)]

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        return [one for group in pool.map(of_kind, kinds) for one in group]


def blockers(client: Client, snapshot: Snapshot, revision: str, owned: list[Belonging]) -> list[Blocker]:
    """Return everything that still needs a revision."""
    shared = {(one.namespace, one.kind, one.name) for one in owned if one.shared}
    return [
        *_blockers.of_names(snapshot, revision),
        *_blockers.of_pods(snapshot, revision, shared),
        *_blockers.of_workloads(snapshot, revision),
        *_blockers.of_cron_jobs(snapshot, revision, client.list(CRON_JOBS, doing="Reading CronJobs")),
        *_blockers.of_shared(owned, revision),
    ]


def _found(run: Run, snapshot: Snapshot, owned: list[Belonging]) -> list[Blocker]:
    """Return the blockers as they are; in check mode as the steps before this one would leave them."""
    revision, plan = run.params["revision"], run.params.get("planned")
    if not (run.check_mode and plan):
        return blockers(run.client, snapshot, revision, owned)
    view = planned(snapshot, plan)
    # the restarts before this step are only planned: what they would mend is no blocker
    mended = {str(view.workloads[key]) for key in view.stale_workloads(plan["restarted"])}
    found = blockers(run.client, view, revision, owned)
    left = (blocker for blocker in found if blocker.object not in plan["taken_over"])
    return [blocker for blocker in left if not (blocker.code == "live_proxy" and blocker.object in mended)]


def retire(run: Run) -> Outcome:
    """Remove the revision and what would dangle after it, or refuse with every blocker."""
    revision, allowed = run.params["revision"], run.params["allow_blockers"]
    snapshot = run.snapshot(pods=True)
    mesh = snapshot.mesh
    owned = belongings(run)
    if run.check_mode:
        owned = _belongings.without_moved(owned, run.params.get("planned"))
    if not owned:
        return Outcome(values={"revision": revision, "overridden": []})
    found = _found(run, snapshot, owned)
    refusing = [blocker for blocker in found if blocker.code not in allowed]
    if refusing:
        listed = some([f"{b.message} ({b.remedy})" for b in refusing], between="; ")
        raise SafetyError(
            f"Revision {revision} on cluster {run.client.connection.label} is still needed and was not removed: "
            f"{listed}. If it has to go all the same, name the codes in allow_blockers (variable "
            f"istio_allow_blockers): {', '.join(dict.fromkeys(b.code for b in refusing))}.",
            {"blockers": [blocker.as_dict() for blocker in refusing]},
        )
    if run.params["installer"] == _external.EXTERNAL:
        return _external.may_go(run, snapshot, revision)
    for one in owned:
        _external.require_own(run, one.manager, str(one))
    _installer.require_removable(run, mesh, revision)
    if not run.check_mode:
        _carry_out(run, mesh, owned)
    planes = {name: plane.version for name, plane in mesh.revisions.items() if plane.deployment}
    gone = f"retire revision {revision} ({planes[revision]})" if revision in planes else ""
    return Outcome(
        actions=[
            gone or f"remove what is left of revision {revision}",
            *(f"remove {one} of tag {one.tag}" for one in owned if one.tag),
        ],
        before={"control_planes": planes, "objects": {str(one): "present" for one in owned}},
        after={
            "control_planes": {name: version for name, version in planes.items() if name != revision},
            "objects": {},
        },
        values={"revision": revision, "overridden": [blocker.as_dict() for blocker in found]},
        warnings=_blockers.overridden(found, revision),
    )


def _carry_out(run: Run, mesh: Mesh, owned: list[Belonging]) -> None:
    """Remove tags first, then what the installer takes, then what it leaves."""
    revision, timeout = run.params["revision"], run.params["timeout"]
    run.progress(f"retiring revision {revision}: {len(owned)} objects")
    _delete(run.client, [one for one in owned if one.tag and one.kind in WEBHOOKS])
    if revision in mesh.revisions:
        with _installer.opened(run, mesh) as installer:
            run.about_to_write()
            installer.uninstall(mesh, revision, timeout)
    deadline, pause = time.monotonic() + timeout, FIRST_PAUSE
    left = belongings(run)
    while left:
        if time.monotonic() > deadline:
            names = some(left, between="; ")
            raise InstallerError(f"Revision {revision} is not gone after {timeout} s; still there: {names}. Run again.")
        _delete(run.client, [one for one in left if not one.deleting])
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        left = belongings(run, dict.fromkeys(one.kind for one in left))


def _delete(client: Client, doomed: list[Belonging]) -> None:
    """Delete objects as they were read; one that somebody has just changed is looked at again."""
    for one in doomed:
        body: dict[str, t.Any] = {"preconditions": {"resourceVersion": one.resource_version}}
        try:
            client.request("DELETE", object_path(one.kind, one.namespace, one.name), doing=f"Deleting {one}", body=body)
        except (NotFoundError, ConflictError):
            continue
