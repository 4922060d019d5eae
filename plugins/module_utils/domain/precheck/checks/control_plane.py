# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of control planes: versions, hops, readiness, names."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import (
    HELM,
    ISTIOCTL,
    NOBODY,
    Manager,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    minimum_kubernetes,
    parse_version,
    unsupported_reason,
)


def _hop(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(goal.source or "")
    # the image of an istiod that did not come up proves nothing; its installer is known
    version = (
        parse_version(source.version if source.rolled_out else source.installed_by or source.version)
        if source
        else None
    )
    if source and version and goal.version:
        problem = unsupported_reason(goal.strategy, version, goal.version)
        if problem:
            yield f"revision {source.name}", problem


def _kubernetes(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    have = parse_version(snapshot.kubernetes_version.split("+")[0])
    need = minimum_kubernetes(goal.version) if goal.version else None
    if have and need and (have.major, have.minor) < need:
        yield (
            "API server",
            f"Kubernetes {have.release} is older than {need[0]}.{need[1]}, the oldest for Istio {goal.version}.",
        )


def _no_control_plane(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    if not any(map(snapshot.mesh.runs, snapshot.mesh.revisions)):
        yield f"namespace {snapshot.mesh.namespace}", "No istiod runs on this cluster."


def _unready(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for found in snapshot.mesh.revisions.values():
        if found.deployment and not found.rolled_out:
            ready = f"{found.ready} of {found.replicas} replicas are ready, or an older generation still serves"
            yield (
                cluster_object("Deployment", found.deployment),
                f"Revision {found.name} ({found.version}) is not rolled out: {ready}.",
            )


def _name_taken(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    found = snapshot.mesh.revisions.get(goal.revision)
    running = parse_version(found.installed_by or found.version) if found and found.deployment else None
    if goal.strategy == "canary" and goal.version and running and running.release != goal.version.release:
        yield (
            f"revision {goal.revision}",
            f"Revision {goal.revision} exists with version {running}, not {goal.version}.",
        )


def _unknown_source(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(goal.source or "")
    if source and snapshot.mesh.runs(source.name) and parse_version(source.version) is None:
        why = f"Its image tag {source.version!r} names no version" if source.deployment else "It runs elsewhere"
        yield f"revision {source.name}", f"{why}, so the hop cannot be judged."


def _half_swapped(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for found in snapshot.mesh.revisions.values():
        swapped = found.config is not None and found.config.tag == found.version
        if found.deployment and found.config and found.ready and not found.rolled_out and swapped:
            yield (
                cluster_object("Deployment", found.deployment),
                f"Its newest pods are not ready, but new pods of revision {found.name} already get the proxy image tag "
                f"{found.config.tag}: the old istiod reads the new injector configuration.",
            )


def _single_istiod(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    found = snapshot.mesh.revisions.get(goal.revision)
    if goal.strategy != "in_place" or found is None or not found.deployment:
        return
    if found.replicas < 2:
        yield (
            f"Deployment {found.deployment}",
            "It has fewer than 2 replicas: pods may be rejected while it is replaced.",
        )
    workload = snapshot.workloads.get(ObjectRef(found.namespace, "Deployment", found.deployment))
    if workload and not snapshot.budgets_of(workload):
        yield f"Deployment {found.deployment}", "No PodDisruptionBudget keeps one replica while nodes are drained."


def _newer_crds(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    newest = snapshot.newest_crd_version
    if goal.version and newest and newest > goal.version:
        yield (
            "CRDs",
            f"They are of Istio {newest}; the target {goal.version} must not lower them and will leave them alone.",
        )


def _foreign_crds(snapshot: Snapshot, goal: Upgrade) -> Iterator[tuple[Manager, str]]:
    """Yield who else keeps CRDs that the installer of the run would write, and which, in words."""
    newest = snapshot.newest_crd_version
    if goal.installer not in (HELM, ISTIOCTL) or (goal.version and newest and newest > goal.version):
        return
    by_manager: dict[Manager, list[str]] = collections.defaultdict(list)
    for name, manager in sorted(snapshot.crd_managers.items()):
        if manager.kind != goal.installer:
            by_manager[manager].append(name)
    for manager, names in by_manager.items():
        yield manager, f"{len(names)} of them belong to {manager}, such as {names[0]}"


def _refused_crds(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    if goal.installer == HELM:
        for dummy, which in _foreign_crds(snapshot, goal):
            yield "CRDs", f"{which}; Helm takes over nothing that lacks the marks of its release."


def _contested_crds(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    if goal.installer == ISTIOCTL:
        for manager, which in _foreign_crds(snapshot, goal):
            if manager != NOBODY:
                yield "CRDs", f"{which}; istioctl writes them too, and their owner may write an older version back."


CHECKS = (
    Check("MU001", ERROR, "unsupported hop", "Istio tests canary upgrades of at most two minor versions.",
          "upgrade in smaller steps", _hop),
    Check("MU002", ERROR, "Kubernetes too old", "The target uses APIs that this API server lacks.",
          "upgrade Kubernetes first", _kubernetes),
    Check("MU003", ERROR, "no control plane", "There is nothing to upgrade.", "install Istio first", _no_control_plane),
    Check("MU004", ERROR, "control plane not ready", "New pods may be rejected, or get a wrong image.",
          "bring the control plane up before moving anything", _unready, ERROR),
    Check("MU005", ERROR, "revision name taken", "A revision is immutable: another version needs another name.",
          "choose a revision name that carries the version", _name_taken),
    Check("MU006", WARNING, "source version unknown", "Nobody can say whether the hop is supported.",
          "check by hand which Istio version that image is", _unknown_source),
    Check("MU007", ERROR, "control plane half swapped", "Restarts now get an image whose control plane is not there.",
          "install a version that comes up, or go back; undoing the rollout does not help", _half_swapped, ERROR),
    Check("MU008", WARNING, "one istiod for an in-place swap", "Webhooks must answer throughout.",
          "run two replicas with a PodDisruptionBudget of minAvailable 1", _single_istiod),
    Check("MU036", ERROR, "CRDs that Helm refuses", "The run stops before it installs anything.",
          "let Helm adopt them by its label and annotations, or install by who owns them", _refused_crds),
    Check("MU037", WARNING, "CRDs of another owner", "Going back to older CRDs loses fields for good.",
          "have their owner upgraded to the target too", _contested_crds),
    Check("MU031", WARNING, "CRDs newer than the target", "Lowering CRDs loses fields for good.",
          "nothing: they are left alone", _newer_crds),
)  # fmt: skip
