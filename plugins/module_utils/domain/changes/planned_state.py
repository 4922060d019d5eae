# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for what is not there yet, and the revision that a run starts from."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import Move, tag_undo, undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    DEFAULT_VALIDATOR,
    INJECT_LABEL,
    INJECTION_LABEL,
    REVISION_LABEL,
    InjectionConfig,
    Injector,
    Mesh,
    Revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import TARGET, Undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version


def with_revision(mesh: Mesh, revision: str, version: str) -> Mesh:
    """Return the mesh as it would be with a revision installed and proven; for plans in check mode."""
    known = mesh.revisions.get(revision)
    if known and known.rolled_out and known.config and known.deployment:
        config = known.config if known.version == version else dataclasses.replace(known.config, tag=version)
        return dataclasses.replace(
            mesh, revisions={**mesh.revisions, revision: dataclasses.replace(known, config=config)}
        )
    like = next((r.config for r in mesh.revisions.values() if r.config), None) or InjectionConfig()
    image = f"{like.hub}/pilot:{version}"
    made = Revision(
        name=revision,
        namespace=mesh.namespace,
        deployment=f"istiod-{revision}",
        image=image,
        replicas=1,
        ready=1,
        rolled_out=True,
        config=dataclasses.replace(like, tag=version),
    )
    service = (mesh.namespace, f"istiod-{revision}")
    injector = Injector(f"istio-sidecar-injector-{revision}", revision, "", _webhooks(revision, service))
    others = [i for i in mesh.injectors if i.tag or i.revision != revision]
    return dataclasses.replace(
        mesh,
        revisions={**mesh.revisions, revision: made},
        injectors=tuple(sorted([*others, injector], key=lambda i: i.name)),
        services=mesh.services | {service},
    )


def _webhooks(name: str, service: tuple[str, str]) -> tuple[dict[str, t.Any], ...]:
    """Return what Istio's chart renders for a revision (templates/mutatingwebhook.yaml), as far as selection goes."""

    def need(key: str, operator: str, *values: str) -> dict[str, t.Any]:
        return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}

    shared = {
        "clientConfig": {"service": {"namespace": service[0], "name": service[1]}, "caBundle": "planned"},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
    }
    by_namespace = {
        "namespaceSelector": {
            "matchExpressions": [need(REVISION_LABEL, "In", name), need(INJECTION_LABEL, "DoesNotExist")]
        },
        "objectSelector": {"matchExpressions": [need(INJECT_LABEL, "NotIn", "false")]},
    }
    by_object = {
        "namespaceSelector": {
            "matchExpressions": [need(REVISION_LABEL, "DoesNotExist"), need(INJECTION_LABEL, "DoesNotExist")]
        },
        "objectSelector": {
            "matchExpressions": [need(INJECT_LABEL, "NotIn", "false"), need(REVISION_LABEL, "In", name)]
        },
    }
    return (
        {"name": "rev.namespace.sidecar-injector.istio.io", **shared, **by_namespace},
        {"name": "rev.object.sidecar-injector.istio.io", **shared, **by_object},
    )


def with_tags(mesh: Mesh, tags: Iterable[str], revision: str) -> Mesh:
    """Return the mesh as it would be with tags moved to a revision."""
    moved = set(tags)
    changed = (dataclasses.replace(i, revision=revision) if i.tag in moved else i for i in mesh.injectors)
    mesh = dataclasses.replace(mesh, injectors=tuple(changed))
    services = {tag: revision if tag in moved else found for tag, found in mesh.tag_services.items()}
    own = {DEFAULT_VALIDATOR: revision} if DEFAULT in moved else {}
    return dataclasses.replace(mesh, tag_services=services, validators={**mesh.validators, **own})


def relabelled(labels: Mapping[str, str], revision: str | None) -> dict[str, str]:
    """Return the labels of a pod that asks for another revision or tag, or with None for none."""
    others = {key: value for key, value in labels.items() if key != REVISION_LABEL}
    return others if revision is None else {**others, REVISION_LABEL: revision}


def with_labels(snapshot: Snapshot, labels: Mapping[ObjectRef, str | None]) -> Snapshot:
    """Return the snapshot as it would be with these labels of pods: what does not run by them is stale then."""
    changed = {
        key: dataclasses.replace(found, template_labels=relabelled(found.template_labels, labels[key]))
        for key, found in snapshot.workloads.items()
        if key in labels
    }
    pods = (
        dataclasses.replace(pod, labels=relabelled(pod.labels, labels[owner.ref]))
        if (owner := snapshot.workload_of(pod)) and owner.ref in labels
        else pod
        for pod in snapshot.pods
    )
    return dataclasses.replace(snapshot, workloads={**snapshot.workloads, **changed}, pods=tuple(pods))


def planned(snapshot: Snapshot, plan: Mapping[str, t.Any] | None) -> Snapshot:
    """Return the snapshot as earlier steps of a run would leave it; for check mode, where they wrote nothing.

    Args:
        plan: revision and version (installed), tags (moved to the revision), namespaces (moved to it, or with
            ``restored`` back to their labels from before run ``run_id``), workloads (whose pods ask for it by
            themselves) and restored_tags (back to where they pointed before that run).
    """
    if not plan:
        return snapshot
    mesh, revision = snapshot.mesh, plan.get("revision")
    if revision and plan.get("version"):
        mesh = with_revision(mesh, revision, plan["version"])
    if revision:
        mesh = with_tags(mesh, plan.get("tags") or (), revision)
    for tag in plan.get("restored_tags") or ():
        back = tag_undo(mesh, tag, plan.get("run_id"))
        if isinstance(back, Undo):
            mesh = with_tags(mesh, [tag], back.state[TARGET])
    moved = set(plan.get("namespaces") or ())

    def after(found: Namespace) -> Namespace:
        if plan.get("restored"):
            back = undo(mesh, found, plan.get("run_id"))
            return (
                dataclasses.replace(found, labels={**_unlabelled(found), **back.after})
                if isinstance(back, Move)
                else found
            )
        return (
            dataclasses.replace(found, labels={**_unlabelled(found), REVISION_LABEL: revision}) if revision else found
        )

    namespaces = {name: after(found) if name in moved else found for name, found in snapshot.namespaces.items()}
    asking = {(one.namespace, one.kind, one.name) for one in map(parse_ref, plan.get("workloads") or ())}
    labels = {key: revision for key in snapshot.workloads if key in asking}
    return dataclasses.replace(with_labels(snapshot, labels), mesh=mesh, namespaces=namespaces)


def _unlabelled(namespace: Namespace) -> dict[str, str]:
    return {key: value for key, value in namespace.labels.items() if key not in (INJECTION_LABEL, REVISION_LABEL)}


def pick_source(snapshot: Snapshot, target: str, wanted: str | None) -> str | None:
    """Return the revision that a canary towards ``target`` starts from; None where there is no other.

    It is the one other revision that namespaces follow; where none does any more, the default or the only other one;
    where only the target runs, what a removal that was killed has left of another one.

    Raises:
        SafetyError: namespaces follow several, or the wanted one does not exist.
    """
    mesh = snapshot.mesh
    others = sorted(name for name in mesh.revisions if name != target and mesh.runs(name))
    # a removal that was killed may have left only what no reading of the mesh shows, such as a validator
    left = {*mesh.revisions, mesh.previous_default or target} - {target} if mesh.runs(target) else set()
    if wanted:
        if wanted not in {*mesh.revisions, *left}:
            known = ", ".join(others) or "none"
            raise SafetyError(f"There is no revision {wanted} to start from; installed are: {known}.")
        return wanted
    followed = [name for name in others if snapshot.namespaces_selecting(name)]
    if len(followed) > 1:
        raise SafetyError(
            f"Namespaces follow several revisions ({', '.join(followed)}); give parameter source_revision "
            "(variable istio_source_revision of the playbook) to say which of them is upgraded."
        )
    if followed:
        return followed[0]
    if mesh.default_revision in others:
        return mesh.default_revision
    found = others or sorted(left)
    return found[0] if len(found) == 1 else None


def source_of(snapshot: Snapshot, strategy: str, revision: str, version: Version, wanted: str | None) -> str | None:
    """Return the revision whose version and settings a run starts from, by strategy.

    Raises:
        SafetyError: there is nothing to replace in place, or the source cannot be told.
    """
    present = snapshot.mesh.revisions.get(revision)
    if strategy == "in_place" and not snapshot.mesh.runs(revision):
        known = ", ".join(snapshot.mesh.revisions) or "none"
        raise SafetyError(f"There is no revision {revision} to upgrade in place; installed are: {known}.")
    older = strategy == "downgrade" and present is not None and parse_version(present.version) != version
    return revision if strategy == "in_place" or older else pick_source(snapshot, revision, wanted)
