# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Carries out restarts: budget room, a batch, its gate, the way back (safety rule S5)."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import time
from collections.abc import Callable, Iterable

from ansible_collections.meshops.istio.plugins.module_utils._client import Client, Json
from ansible_collections.meshops.istio.plugins.module_utils._errors import (
    ConflictError,
    MeshError,
    NotFoundError,
    RolloutError,
)
from ansible_collections.meshops.istio.plugins.module_utils._proxies import judge, read_pod
from ansible_collections.meshops.istio.plugins.module_utils._reading import NAMESPACES, fetch_budgets
from ansible_collections.meshops.istio.plugins.module_utils._rollout import complete, failure, pod_failure, pod_unready
from ansible_collections.meshops.istio.plugins.module_utils._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils._tool import Run
from ansible_collections.meshops.istio.plugins.module_utils._tracker import Key, Tracker
from ansible_collections.meshops.istio.plugins.module_utils._workloads import RESTARTED_AT, Workload

PATCHES_AT_ONCE = 8
POD_CHECK_SECONDS = 3.0
EVIDENCE = 5


@dataclasses.dataclass
class Restarter:
    """The restarts of one task: what was restarted so far, and what it looked like before."""

    run: Run
    snapshot: Snapshot
    tracker: Tracker
    previous: dict[Key, str | None] = dataclasses.field(default_factory=dict)

    @property
    def client(self) -> Client:
        """The cluster."""
        return self.run.client

    def batch(self, label: str, batch: list[Workload]) -> None:
        """Restart one batch and return when its gate is passed.

        Raises:
            RolloutError: with the evidence of every workload that did not make it.
        """
        self._wait_for_room(label, batch)
        stamp = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with concurrent.futures.ThreadPoolExecutor(max_workers=PATCHES_AT_ONCE) as pool:
            list(pool.map(lambda workload: self._stamp(workload, stamp), batch))
        self._wait(label, batch, self.run.params["batch_timeout"])
        stale = self._still_stale(batch)
        if stale:
            raise RolloutError(f"{label}: the rollout completed, but {stale[0]}.", {"evidence": stale[:EVIDENCE]})

    def _stamp(self, workload: Workload, stamp: str | None, remember: bool = True) -> None:
        """Set (or with None remove) the annotation that makes a rollout; the uid guards against a namesake."""
        patch: Json = {
            "metadata": {"uid": workload.uid},
            "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: stamp}}}},
        }
        if remember:
            self.previous[workload.key] = workload.template_annotations.get(RESTARTED_AT)
        try:
            answer = self.client.merge(workload.path, patch, doing=f"Restarting {workload}")
        except (ConflictError, NotFoundError) as exc:
            raise RolloutError(f"{workload} was deleted or replaced by somebody else meanwhile; run again.") from exc
        self.tracker.put(workload.key, answer)

    def _wait_for_room(self, label: str, batch: list[Workload]) -> None:
        """Rollouts ignore PodDisruptionBudgets, so look before (Kubernetes documentation, Disruptions)."""
        deadline = time.monotonic() + self.run.params["budget_timeout"]
        said = ""
        while True:
            # the budgets of the snapshot are from before the batches so far
            budgets = fetch_budgets(self.client) if self.previous or said else self.snapshot.budgets
            tight = tight_budget(dataclasses.replace(self.snapshot, budgets=budgets), batch)
            if not tight:
                return
            if tight != said:
                self.run.progress(f"{label}: waiting for room: {tight}")
                said = tight
            if time.monotonic() > deadline:
                raise RolloutError(f"{label}: no room within {self.run.params['budget_timeout']} s: {tight}.")
            time.sleep(2.0)

    def _wait(self, label: str, batch: list[Workload], timeout: float) -> None:
        deadline, next_look, done = time.monotonic() + timeout, time.monotonic() + POD_CHECK_SECONDS, -1
        while True:
            waiting = [w for w in batch if not self._complete(w)]
            if len(batch) - len(waiting) != done:
                done = len(batch) - len(waiting)
                names = ", ".join(f"{w.namespace}/{w.name}" for w in waiting[:3]) + (
                    ", ..." if len(waiting) > 3 else ""
                )
                self.run.progress(
                    f"{label}: {done} of {len(batch)} workloads done" + (f", waiting for {names}" if names else "")
                )
            if not waiting:
                return
            evidence = [f"{w}: {why}" for w in waiting if (why := self._failed(w))]
            if not evidence and time.monotonic() >= next_look:
                evidence = self._broken_pods(waiting)
                next_look = time.monotonic() + POD_CHECK_SECONDS
            if evidence:
                raise RolloutError(f"{label} failed: {'; '.join(evidence[:EVIDENCE])}.", {"evidence": evidence})
            if time.monotonic() >= deadline:
                evidence = self._unfinished(waiting)
                text = "; ".join(evidence[:EVIDENCE])
                raise RolloutError(f"{label} did not complete within {timeout:.0f} s: {text}.", {"evidence": evidence})
            self.tracker.wait(min(0.5, max(0.05, deadline - time.monotonic())))

    def _complete(self, workload: Workload) -> bool:
        obj = self.tracker.get(workload.key)
        return obj is not None and complete(workload.kind, obj)

    def _failed(self, workload: Workload) -> str | None:
        obj = self.tracker.get(workload.key)
        return "it was deleted meanwhile" if obj is None else failure(workload.kind, obj)

    def _new_pods(self, namespaces: Iterable[str]) -> list[Json]:
        """Return the raw pods that did not exist before this task."""
        before = {pod.uid for pod in self.snapshot.pods}
        found = []
        for namespace in sorted(set(namespaces)):
            found += self.client.list(f"{NAMESPACES}/{namespace}/pods", doing=f"Reading pods of {namespace}")
        return [pod for pod in found if pod["metadata"]["uid"] not in before]

    def _belongs(self, pod: Json, workloads: Iterable[Workload]) -> Workload | None:
        owner = next((o for o in pod["metadata"].get("ownerReferences") or () if o.get("controller")), None)
        if owner is None:
            return None
        for workload in workloads:
            of_deployment = owner["kind"] == "ReplicaSet" and owner["name"].rpartition("-")[0] == workload.name
            same = owner["kind"] == workload.kind and owner["name"] == workload.name
            if pod["metadata"]["namespace"] == workload.namespace and (
                same or (workload.kind == "Deployment" and of_deployment)
            ):
                return workload
        return None

    def _pods_that(self, workloads: list[Workload], why: Callable[[Json], str | None]) -> dict[Workload, list[str]]:
        """Return what a question answers for the new pods of workloads, in words that name the pod."""
        found: dict[Workload, list[str]] = {}
        for pod in self._new_pods(w.namespace for w in workloads):
            workload, text = self._belongs(pod, workloads), why(pod)
            if workload and text:
                found.setdefault(workload, []).append(f"{workload}: pod {pod['metadata']['name']}, {text}")
        return found

    def _broken_pods(self, waiting: list[Workload]) -> list[str]:
        return [text for texts in self._pods_that(waiting, pod_failure).values() for text in texts]

    def _unfinished(self, waiting: list[Workload]) -> list[str]:
        unready = self._pods_that(waiting, pod_unready)
        return [text for w in waiting for text in unready.get(w, [f"{w} did not complete"])]

    def _still_stale(self, batch: list[Workload]) -> list[str]:
        """A rollout completes under a dangling label too, so look at what the pods really run."""
        evidence = []
        mesh, namespaces = self.snapshot.mesh, self.snapshot.namespaces
        for raw in self._new_pods(w.namespace for w in batch):
            pod = read_pod(raw)
            if pod.live and not pod.deleting and self._belongs(raw, batch):
                found = judge(mesh, namespaces[pod.namespace].labels, pod)
                if found.stale:
                    wanted = found.wanted_image or "no proxy"
                    evidence.append(
                        f"pod {pod.namespace}/{pod.name} runs {pod.proxy_image or 'no proxy'}, not {wanted}"
                    )
        return evidence

    def roll_back(self, workloads: Iterable[Workload]) -> list[str]:
        """Give the restarted workloads their template from before back and wait; return what did not come back."""
        mine = [w for w in workloads if w.key in self.previous]
        problems = []
        for workload in mine:
            try:
                self._stamp(workload, self.previous[workload.key], remember=False)
            except MeshError as exc:
                problems.append(exc.message)
        self._delete_stuck(mine)
        try:
            self._wait("roll back", [w for w in mine if self.tracker.get(w.key)], self.run.params["batch_timeout"])
        except RolloutError as exc:
            problems.append(exc.message)
        return problems

    def _delete_stuck(self, workloads: list[Workload]) -> None:
        """A StatefulSet never replaces its own broken pod (Kubernetes documentation, Forced rollback)."""
        sets = [w for w in workloads if w.kind == "StatefulSet"]
        for pod in self._new_pods(w.namespace for w in sets):
            ready = any(
                c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions") or ()
            )
            if not ready and self._belongs(pod, sets):
                meta = pod["metadata"]
                path = f"{NAMESPACES}/{meta['namespace']}/pods/{meta['name']}"
                self.client.request("DELETE", path, doing=f"Deleting the broken pod {meta['name']} of a StatefulSet")


def tight_budget(snapshot: Snapshot, batch: list[Workload]) -> str:
    """Return the first budget that has no room for what a batch takes down together, in words, or an empty string."""
    for budget in snapshot.budgets:
        down = sum(w.takes_down for w in batch if budget in snapshot.budgets_of(w))
        if down > budget.allowed:
            place = f"{budget.namespace}/{budget.name}"
            return f"budget {place} allows {budget.allowed} pods down, the batch takes down {down}"
    return ""
