# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Begins the restart of single workloads, unless somebody else changed them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ConflictError,
    NotFoundError,
    RolloutError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    Json,
    ObjectRef,
    annotations_of,
    labels_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.workload_moves import Choice
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import RESTARTED_AT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem, Trouble
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload, restart_patch
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.rollout_wait import Waiting

#: A workload is also written by its controllers, at any time.
TRIES = 10
#: Answers of the API server that are about one object, or who may change it, and no trouble of the server.
REFUSED = (400, 403, 422)


@dataclasses.dataclass
class Beginning:
    """What one task began."""

    client: Client
    waiting: Waiting
    #: Workloads whose pods are to ask for another revision.
    choices: Mapping[ObjectRef, Choice]
    #: The patch that takes back what was done.
    previous: dict[ObjectRef, Json] = dataclasses.field(default_factory=dict)

    def begin(self, workload: Workload, stamp: str) -> Problem | None:
        """Begin a restart; returns why it could not begin, if that is about this workload alone."""
        try:
            if self._patch(workload, stamp):
                return None
            self.waiting.gone[workload.ref] = workload
            found = None
        except RolloutError as exc:
            found = Problem(workload, Trouble("Changed", exc.message, own=True))
        except ApiError as exc:
            if exc.status not in REFUSED:
                raise
            found = Problem(workload, Trouble("Refused", exc.message.rstrip("."), own=True))
        # nothing of it is ours then
        self.previous.pop(workload.ref, None)
        return found

    def _patch(self, workload: Workload, stamp: str) -> bool:
        """Change the template of a workload, which replaces its pods; returns whether it is still there."""
        choice = self.choices.get(workload.ref)
        if choice:
            self.previous[workload.ref] = choice.back()
            return self._move(choice)
        self.previous[workload.ref] = restart_patch(workload, workload.template_annotations.get(RESTARTED_AT))
        for dummy in range(TRIES):
            try:
                answer = self.client.merge(
                    workload.path, restart_patch(workload, stamp), doing=f"Restarting {workload}"
                )
                return took(self.waiting, workload, answer)
            except (ConflictError, NotFoundError):
                # a namesake with another uid, or many writers at once
                if not same(workload, read(self.client, workload)):
                    return False
        raise RolloutError("others write it all the time, so that it could not be restarted")

    def _move(self, choice: Choice) -> bool:
        """Change what the pods of a workload ask for, unless somebody else did since it was read."""
        workload = choice.workload
        obj = self.waiting.tracker.get(workload.ref)
        moved, before = choice.patch(self.waiting.task.begin_change()), choice.back()
        for dummy in range(TRIES):
            if obj is None or not same(workload, obj):
                return False
            if _is(workload, obj, choice.after, moved):
                # our own write, whose answer was lost
                return took(self.waiting, workload, obj)
            if not _is(workload, obj, choice.before, before):
                raise RolloutError("it was changed by somebody else meanwhile")
            moved["metadata"]["resourceVersion"] = obj["metadata"]["resourceVersion"]
            try:
                answer = self.client.merge(workload.path, moved, doing=str(choice))
                return took(self.waiting, workload, answer)
            except ConflictError:
                obj = read(self.client, workload)
            except NotFoundError:
                return False
        raise RolloutError("others write it all the time, so that it could not be moved")


def took(waiting: Waiting, workload: Workload, answer: Json) -> bool:
    """Remember what our own patch made of a workload; returns that it is there."""
    waiting.stamped[workload.ref] = answer
    waiting.tracker.put(workload.ref, answer)
    return True


def read(client: Client, workload: Workload) -> Json | None:
    """Return a workload as it is now, or None if there is none of its name."""
    try:
        return client.get(workload.path, doing=f"Reading {workload}")
    except NotFoundError:
        return None


def same(workload: Workload, obj: Json | None) -> bool:
    """Whether what is there is the workload that was read, and no namesake."""
    return obj is not None and obj["metadata"].get("uid", "") == workload.uid


def _is(workload: Workload, obj: Json, label: str | None, patch: Json) -> bool:
    """Whether a workload is still the one that was read, with this label of its pods and the journal of this patch."""
    journal = {key: annotations_of(obj).get(key) for key in patch["metadata"]["annotations"]}
    own = (obj["metadata"].get("uid"), labels_of(obj["spec"]["template"]).get(REVISION_LABEL), journal)
    return own == (workload.uid, label, patch["metadata"]["annotations"])
