# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. The table of checks: each is a small pure function with a stable code.

A check yields (object, message) for everything it finds; severity, title and remedy stand in its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ansible_collections.meshops.istio.plugins.module_utils import _checks_cluster
from ansible_collections.meshops.istio.plugins.module_utils._default import default_problem
from ansible_collections.meshops.istio.plugins.module_utils._errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils._finding import (
    AFTER,
    BEFORE,
    ERROR,
    INFO,
    SEVERITIES,
    WARNING,
    Check,
    Finding,
    Found,
    Goal,
)
from ansible_collections.meshops.istio.plugins.module_utils._injection import dangling_name
from ansible_collections.meshops.istio.plugins.module_utils._mesh import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils._proxies import EXTRA
from ansible_collections.meshops.istio.plugins.module_utils._snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils._versions import (
    hop_problem,
    minimum_kubernetes,
    parse,
)


def _hop(snapshot: Snapshot, goal: Goal) -> Found:
    source = snapshot.mesh.revisions.get(goal.source or "")
    # the image of an istiod that did not come up proves nothing; its installer is known
    version = parse(source.version if source.rolled_out else source.installed_by or source.version) if source else None
    if source and version and goal.version:
        problem = hop_problem(goal.strategy, version, goal.version)
        if problem:
            yield f"revision {source.name}", problem


def _unknown_source(snapshot: Snapshot, goal: Goal) -> Found:
    source = snapshot.mesh.revisions.get(goal.source or "")
    if source and snapshot.mesh.runs(source.name) and parse(source.version) is None:
        why = f"Its image tag {source.version!r} names no version" if source.deployment else "It runs elsewhere"
        yield f"revision {source.name}", f"{why}, so the hop cannot be judged."


def _half_swapped(snapshot: Snapshot, goal: Goal) -> Found:
    for found in snapshot.mesh.revisions.values():
        swapped = found.config is not None and found.config.tag == found.version
        if found.deployment and found.config and found.ready and not found.rolled_out and swapped:
            yield (
                f"Deployment {found.deployment}",
                f"Its newest pods are not ready, but new pods of revision {found.name} already get the proxy image tag "
                f"{found.config.tag}: the old istiod reads the new injector configuration.",
            )


def _single_istiod(snapshot: Snapshot, goal: Goal) -> Found:
    found = snapshot.mesh.revisions.get(goal.revision)
    if goal.strategy != "in_place" or found is None or not found.deployment:
        return
    if found.replicas < 2:
        yield (
            f"Deployment {found.deployment}",
            "It has fewer than 2 replicas: pods may be rejected while it is replaced.",
        )
    workload = snapshot.workloads.get((found.namespace, "Deployment", found.deployment))
    if workload and not snapshot.budgets_of(workload):
        yield f"Deployment {found.deployment}", "No PodDisruptionBudget keeps one replica while nodes are drained."


def _kubernetes(snapshot: Snapshot, goal: Goal) -> Found:
    have = parse(snapshot.kubernetes_version.split("+")[0])
    need = minimum_kubernetes(goal.version) if goal.version else None
    if have and need and (have.major, have.minor) < need:
        yield (
            "API server",
            f"Kubernetes {have.release} is older than {need[0]}.{need[1]}, the oldest for Istio {goal.version}.",
        )


def _no_control_plane(snapshot: Snapshot, goal: Goal) -> Found:
    if not any(map(snapshot.mesh.runs, snapshot.mesh.revisions)):
        yield f"namespace {snapshot.mesh.namespace}", "No istiod runs on this cluster."


def _unready(snapshot: Snapshot, goal: Goal) -> Found:
    for found in snapshot.mesh.revisions.values():
        if found.deployment and not found.rolled_out:
            ready = f"{found.ready} of {found.replicas} replicas are ready, or an older generation still serves"
            yield (
                f"Deployment {found.deployment}",
                f"Revision {found.name} ({found.version}) is not rolled out: {ready}.",
            )


def _name_taken(snapshot: Snapshot, goal: Goal) -> Found:
    found = snapshot.mesh.revisions.get(goal.revision)
    running = parse(found.installed_by or found.version) if found and found.deployment else None
    if goal.strategy == "canary" and goal.version and running and running.release != goal.version.release:
        yield (
            f"revision {goal.revision}",
            f"Revision {goal.revision} exists with version {running}, not {goal.version}.",
        )


def _dangling(snapshot: Snapshot, goal: Goal) -> Found:
    for namespace in snapshot.namespaces.values():
        name = dangling_name(snapshot.mesh, namespace.labels)
        if name is not None:
            yield f"namespace {namespace.name}", f"Its label asks for {name!r}, which no injector owns."


def _orphans(snapshot: Snapshot, goal: Goal) -> Found:
    for injector in snapshot.mesh.orphans():
        service = "/".join(injector.service or ())
        yield f"webhook {injector.name}", f"It calls Service {service}, which does not exist."


def _orphan_validators(snapshot: Snapshot, goal: Goal) -> Found:
    for name, service in snapshot.mesh.orphan_validators.items():
        yield f"validator {name}", f"It calls Service {service}, which does not exist."


def _default_split(snapshot: Snapshot, goal: Goal) -> Found:
    problem = default_problem(snapshot.mesh)
    if problem:
        yield "tag default", f"The owners of the default disagree: {problem}."


def _parked_default(snapshot: Snapshot, goal: Goal) -> Found:
    for injector in snapshot.mesh.injectors:
        if injector.deactivated and DEFAULT not in snapshot.mesh.tags:
            yield f"webhook {injector.name}", "It is parked behind tag default, but there is no tag default."


def _stale(snapshot: Snapshot, goal: Goal) -> Found:
    yield from _stale_of(snapshot, lambda revision: goal.stage == BEFORE or revision == goal.revision)


def _stale_elsewhere(snapshot: Snapshot, goal: Goal) -> Found:
    if goal.stage == AFTER:
        yield from _stale_of(snapshot, lambda revision: revision != goal.revision)


def _stale_of(snapshot: Snapshot, counts: Callable[[str | None], bool]) -> Found:
    for (namespace, kind, name), pods in sorted(snapshot.stale_workloads().items()):
        if counts(snapshot.judgement_of(pods[0]).verdict.revision):
            yield f"{kind} {namespace}/{name}", f"{len(pods)} pods do not run the proxy that they would get now."


def _extra(snapshot: Snapshot, goal: Goal) -> Found:
    for pod, judgement in snapshot.judgements:
        if judgement.condition == EXTRA:
            yield (
                f"pod {pod.namespace}/{pod.name}",
                f"It has a proxy, but would get none now: {judgement.verdict.reason}.",
            )


def _rejected(snapshot: Snapshot, goal: Goal) -> Found:
    seen = {pod.namespace: found.verdict.rejected for pod, found in snapshot.judgements if found.verdict.rejected}
    for namespace, reason in sorted(seen.items()):
        yield f"namespace {namespace}", f"New pods are rejected: {reason}."


def _unrestartable(snapshot: Snapshot, goal: Goal) -> Found:
    # before an upgrade nothing is stale yet: ask who could not follow
    for row in snapshot.stuck(everything=goal.stage != AFTER):
        yield f"{row.kind} {row.namespace}/{row.name}", f"{row.why.reason}; {row.why.remedy}."


def _newer_proxies(snapshot: Snapshot, goal: Goal) -> Found:
    for revision, versions in snapshot.proxies().items():
        control = snapshot.mesh.revisions.get(revision)
        running = parse(control.version) if control else None
        for text, count in versions.items():
            version = parse(text)
            if running and version and (version.major, version.minor) > (running.major, running.minor):
                yield f"revision {revision}", f"{count} proxies run {version}, newer than their istiod ({running})."


def _newer_crds(snapshot: Snapshot, goal: Goal) -> Found:
    newest = snapshot.newest_crds
    if goal.version and newest and newest > goal.version:
        yield (
            "CRDs",
            f"They are of Istio {newest}; the target {goal.version} must not lower them and will leave them alone.",
        )


def _no_budget_room(snapshot: Snapshot, goal: Goal) -> Found:
    for workload, budget in snapshot.tight_budgets():
        room = f"allows {budget.allowed} pods to be down, and a rollout takes down {workload.takes_down}"
        yield str(workload), f"PodDisruptionBudget {budget.name} {room}."


def _not_made(snapshot: Snapshot, goal: Goal) -> Found:
    for check in CHECKS:
        for need in sorted(set(check.needs) & set(snapshot.unread)):
            yield f"check {check.code}", f"It looks at {need}: {snapshot.unread[need]}"


#: Codes are stable: they are what users allow, waive and search for.
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
    Check("MU010", ERROR, "dangling label", "Pods of this namespace start without a proxy, silently.",
          "label the namespace with a revision or tag that exists", _dangling, ERROR),
    Check("MU011", ERROR, "orphan webhook", "Every pod that it selects is rejected.",
          "remove the tag or install the revision again", _orphans, ERROR),
    Check("MU012", WARNING, "owners of the default disagree", "Injection and validation follow different revisions.",
          "move the tag default with istio_tag", _default_split, WARNING),
    Check("MU013", ERROR, "default parked without a tag", "istio-injection=enabled injects nothing.",
          "create the tag default with istio_tag", _parked_default, ERROR),
    Check("MU015", ERROR, "orphan validator", "Every write of the Istio configuration that it checks is rejected.",
          "move the tag default with istio_tag, or remove the revision with istio_revision state=absent",
          _orphan_validators, ERROR),
    Check("MU014", ERROR, "pods rejected", "A restart there would take the workload down.",
          "mend or remove the webhook that rejects", _rejected, ERROR),
    Check("MU020", WARNING, "stale proxies", "They run a revision or an image that they would not get now.",
          "restart them with rollout_restart", _stale, ERROR),
    Check("MU024", WARNING, "stale proxies of another revision", "They are not part of this upgrade.",
          "restart them with rollout_restart", _stale_elsewhere, WARNING),
    Check("MU021", INFO, "cannot be restarted", "No rollout replaces these pods.",
          "follow the remedy of each", _unrestartable, WARNING),
    Check("MU022", WARNING, "proxy that would not come back", "A restart would take the pod out of the mesh.",
          "label the namespace again, or restart it on purpose with only=all", _extra, WARNING),
    Check("MU023", WARNING, "no room in a disruption budget", "Rollouts ignore budgets, so a restart waits for room.",
          "raise the replicas, or allow surge", _no_budget_room),
    Check("MU030", ERROR, "proxies newer than their control plane", "Istio supports no such skew.",
          "move them to a newer revision", _newer_proxies, ERROR),
    Check("MU031", WARNING, "CRDs newer than the target", "Lowering CRDs loses fields for good.",
          "nothing: they are left alone", _newer_crds),
    *_checks_cluster.CHECKS,
    Check("MU090", WARNING, "check not made", "What it looks for may be there.",
          "allow the user to read it", _not_made),
)  # fmt: skip
CODES = {check.code: check for check in CHECKS}


def _mended(snapshot: Snapshot, goal: Goal, check: Check, place: str, severity: str) -> str:
    """What a run is about to install, perhaps again after it was killed, cannot stop that run."""
    found = snapshot.mesh.revisions.get(goal.revision)
    own = found is not None and place == f"Deployment {found.deployment}"
    return WARNING if own and goal.stage == BEFORE and check.code in ("MU004", "MU007") else severity


def require_known(codes: Iterable[str]) -> None:
    """Refuse codes in parameter ``allow`` that no check has.

    Raises:
        ParameterError: with the codes that there are.
    """
    unknown = sorted(set(codes) - set(CODES))
    if unknown:
        raise ParameterError(
            f"Parameter allow: there is no finding {', '.join(unknown)}; known are {', '.join(CODES)}."
        )


def findings(snapshot: Snapshot, goal: Goal) -> list[Finding]:
    """Return everything that the checks of a stage find, worst first."""
    found = []
    for check in CHECKS:
        severity = check.after if goal.stage == AFTER else check.severity
        if severity is not None and not set(check.needs) & set(snapshot.unread):
            rows = check.find(snapshot, goal)
            found += [
                Finding(
                    check.code, _mended(snapshot, goal, check, place, severity), check.title, place, text, check.remedy
                )
                for place, text in rows
            ]
    return sorted(found, key=lambda finding: (SEVERITIES.index(finding.severity), finding.code, finding.object))
