# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check control planes: their readiness, their names and their CRDs."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import (
    HELM,
    ISTIOCTL,
    UNKNOWN_MANAGER,
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
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import same_build

CRDS = cluster_object("CRDs", "")


def _find_no_control_plane(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    if not any(map(snapshot.mesh.runs, snapshot.mesh.revisions)):
        yield cluster_object("namespace", snapshot.mesh.namespace), "No istiod runs in this cluster."


def _find_unready_control_planes(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for revision in snapshot.mesh.revisions.values():
        if revision.deployment and not revision.rolled_out:
            yield (
                cluster_object("Deployment", revision.deployment),
                f"Revision {revision.name} ({revision.version}) is not rolled out: {revision.ready} of "
                f"{revision.replicas} replicas are ready, or an older generation is still serving.",
            )


def _find_name_in_use(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    revision = snapshot.mesh.revisions.get(upgrade.revision)
    running = revision.installed_version if revision and revision.deployment else None
    if upgrade.strategy == "canary" and upgrade.version and running and not running.matches(upgrade.version):
        yield (
            cluster_object("revision", upgrade.revision),
            f"Revision {upgrade.revision} exists with version {running}, not {upgrade.version}.",
        )


def _find_half_replaced_istiod(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for revision in snapshot.mesh.revisions.values():
        if not revision.deployment or revision.config is None or not revision.ready or revision.rolled_out:
            continue
        if same_build(revision.config.tag, revision.version):
            yield (
                cluster_object("Deployment", revision.deployment),
                f"Its newest pods are not ready, but new pods of revision {revision.name} already get the proxy "
                f"image tag {revision.config.tag}: the previous istiod reads the new injector configuration.",
            )


def _find_rejecting_istiods(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for name, words in snapshot.precheck_inputs.rejections.items():
        revision = snapshot.mesh.revisions[name]
        tag = revision.config.tag if revision.config else ""
        yield (
            cluster_object("Deployment", revision.deployment),
            f"Its istiod {revision.version} rejects new pods of revision {name}, because it reads the injector "
            f"configuration of {tag}: {words}.",
        )


def _find_unavailable_istiod(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    revision = snapshot.mesh.revisions.get(upgrade.revision)
    if upgrade.strategy != "in_place" or revision is None or not revision.deployment:
        return
    deployment = cluster_object("Deployment", revision.deployment)
    if revision.replicas < 2:
        yield deployment, "It has fewer than 2 replicas: pods may be rejected while it is replaced."
    workload = snapshot.workloads.get(ObjectRef(revision.namespace, "Deployment", revision.deployment))
    if workload and not snapshot.budgets_of(workload):
        yield deployment, "No PodDisruptionBudget keeps one replica available while nodes are drained."


def _find_newer_crds(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    newest = snapshot.newest_crd_version
    if upgrade.version and newest and newest.newer_than(upgrade.version):
        yield (
            CRDS,
            f"Their version is Istio {newest}; the target {upgrade.version} must not downgrade them and leaves them "
            "unchanged.",
        )


def _foreign_crds(snapshot: Snapshot, upgrade: Upgrade) -> Iterator[tuple[Manager, str]]:
    """Yield each other manager of CRDs that the installer of the run would write, with a description of its CRDs."""
    newest = snapshot.newest_crd_version
    if upgrade.installer not in (HELM, ISTIOCTL) or (upgrade.version and newest and newest.newer_than(upgrade.version)):
        return
    by_manager: dict[Manager, list[str]] = collections.defaultdict(list)
    for name, manager in sorted(snapshot.crd_managers.items()):
        if manager.kind != upgrade.installer:
            by_manager[manager].append(name)
    for manager, names in by_manager.items():
        yield manager, f"{len(names)} of them belong to {manager}, for example {names[0]}"


def _find_refused_crds(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    if upgrade.installer == HELM:
        for dummy, crds in _foreign_crds(snapshot, upgrade):
            yield CRDS, f"{crds}; Helm does not adopt objects without the ownership metadata of its release."


def _find_contested_crds(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    if upgrade.installer == ISTIOCTL:
        for manager, crds in _foreign_crds(snapshot, upgrade):
            if manager != UNKNOWN_MANAGER:
                yield CRDS, f"{crds}; istioctl writes them too, and their owner may restore an older version."


CHECKS = (
    Check("MU003", ERROR, "no control plane", "There is nothing to upgrade.", "install Istio first",
          _find_no_control_plane),
    Check("MU004", ERROR, "control plane not ready", "New pods may be rejected, or get the wrong proxy image.",
          "make the control plane ready before you move any workload", _find_unready_control_planes, ERROR),
    Check("MU005", ERROR, "revision name in use", "A revision keeps its version: another version needs another name.",
          "choose a revision name that contains the version", _find_name_in_use),
    Check("MU007", ERROR, "in-place upgrade incomplete",
          "Restarted pods get a proxy version whose istiod is not running.",
          "install a version whose istiod becomes ready, or downgrade; rolling back the Deployment does not help",
          _find_half_replaced_istiod, ERROR),
    Check("MU132", ERROR, "istiod rejects new pods",
          "A client put the previous istiod back after an upgrade in place had changed the injector configuration.",
          "stop that client, then install the version of the injector configuration again, in place",
          _find_rejecting_istiods, ERROR, ("rejections",)),
    Check("MU008", WARNING, "istiod not highly available",
          "The injection webhook must stay available while istiod is replaced in place; otherwise pod creation fails.",
          "run two replicas with a PodDisruptionBudget of minAvailable 1", _find_unavailable_istiod),
    Check("MU036", ERROR, "CRDs that Helm cannot adopt", "The run fails before it installs anything.",
          "add Helm's ownership label and annotations to the CRDs, or use the installer that owns them",
          _find_refused_crds),
    Check("MU037", WARNING, "CRDs of another owner",
          "If their owner restores older CRDs, fields are lost permanently.",
          "upgrade their owner to the target version too", _find_contested_crds),
    Check("MU031", WARNING, "CRDs newer than the target", "Downgrading CRDs loses fields permanently.",
          "none needed: the CRDs are left unchanged", _find_newer_crds),
)  # fmt: skip
