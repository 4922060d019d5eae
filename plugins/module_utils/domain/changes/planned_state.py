# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Overlays the steps that a run has planned but not executed over a snapshot.

Check mode uses it to plan from a state that earlier tasks would have made, and a restart to plan label changes of pods.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    NamespaceMove,
    plan_tag_undo,
    plan_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    DEFAULT_VALIDATOR,
    INJECT_LABEL,
    INJECTION_LABEL,
    REVISION_LABEL,
    SELECTING_LABELS,
    InjectionConfig,
    Injector,
    Mesh,
    Revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import TARGET, Undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.derived_tags import derived_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import has_wanted_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version


@dataclasses.dataclass(frozen=True)
class PlannedSteps:
    """The steps that earlier tasks of a run would have done.

    The revision was installed if ``version`` is set, with images of ``tag`` if that is set. ``namespaces``,
    ``workloads`` and ``tags`` were moved to it; with ``restored`` the namespaces got back their labels from before run
    ``run_id``, as ``restored_tags`` did. ``restarted`` lists namespaces whose stale workloads were restarted, None for
    all that were moved.
    """

    revision: str | None = None
    version: str | None = None
    tag: str | None = None
    namespaces: frozenset[str] = frozenset()
    workloads: frozenset[ObjectRef] = frozenset()
    tags: tuple[str, ...] = ()
    restarted: frozenset[str] | None = None
    #: Shared objects that would belong to the revision.
    taken_over: frozenset[ObjectRef] = frozenset()
    restored: bool = False
    restored_tags: tuple[str, ...] = ()
    run_id: str | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any] | None) -> PlannedSteps | None:
        """Return the typed option ``planned``, or None if it is not set."""
        if not params:
            return None
        restarted = params.get("restarted")
        return cls(
            revision=params.get("revision"),
            version=params.get("version"),
            tag=params.get("tag"),
            namespaces=frozenset(params.get("namespaces") or ()),
            workloads=frozenset(map(parse_ref, params.get("workloads") or ())),
            tags=tuple(params.get("tags") or ()),
            restarted=None if restarted is None else frozenset(restarted),
            taken_over=frozenset(map(parse_ref, params.get("taken_over") or ())),
            restored=bool(params.get("restored")),
            restored_tags=tuple(params.get("restored_tags") or ()),
            run_id=params.get("run_id"),
        )


def with_revision(mesh: Mesh, revision: str, version: str, tag: str | None = None) -> Mesh:
    """Return the mesh as it would be with a revision installed and ready.

    Args:
        tag: the tag of its images; None to derive it from the version and the tag of the running revision.
    """
    present = mesh.revisions.get(revision)
    if present and present.rolled_out and present.config and present.deployment:
        planned = tag or _planned_tag(present, version)
        config = (
            present.config
            if has_wanted_tag(present.config.tag, planned)
            else dataclasses.replace(present.config, tag=planned)
        )
        return dataclasses.replace(
            mesh, revisions={**mesh.revisions, revision: dataclasses.replace(present, config=config)}
        )
    origin = next((plane for plane in mesh.revisions.values() if plane.config), None)
    template = (origin.config if origin else None) or InjectionConfig()
    tag = tag or _planned_tag(origin, version)
    image = f"{template.hub}/pilot:{tag}"
    installed = Revision(
        name=revision,
        namespace=mesh.namespace,
        deployment=f"istiod-{revision}",
        image=image,
        replicas=1,
        ready=1,
        rolled_out=True,
        config=dataclasses.replace(template, tag=tag),
    )
    service = (mesh.namespace, f"istiod-{revision}")
    injector = Injector(f"istio-sidecar-injector-{revision}", revision, "", _webhooks(revision, service))
    others = [i for i in mesh.injectors if i.tag or i.revision != revision]
    return dataclasses.replace(
        mesh,
        revisions={**mesh.revisions, revision: installed},
        injectors=tuple(sorted([*others, injector], key=lambda i: i.name)),
        services=mesh.services | {service},
    )


def _planned_tag(origin: Revision | None, version: str) -> str:
    """Return the tag of the images of a version that is installed with the settings of a revision."""
    target = parse_version(version)
    return derived_tag(origin.config.tag, target) if origin and origin.config and target else version


def _webhooks(name: str, service: tuple[str, str]) -> tuple[dict[str, t.Any], ...]:
    """Return the webhooks that Istio's chart renders for a revision, reduced to selection (mutatingwebhook.yaml)."""

    def require(key: str, operator: str, *values: str) -> dict[str, t.Any]:
        return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}

    shared = {
        "clientConfig": {"service": {"namespace": service[0], "name": service[1]}, "caBundle": "planned"},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}],
        "failurePolicy": "Fail",
    }
    by_namespace = {
        "namespaceSelector": {
            "matchExpressions": [require(REVISION_LABEL, "In", name), require(INJECTION_LABEL, "DoesNotExist")]
        },
        "objectSelector": {"matchExpressions": [require(INJECT_LABEL, "NotIn", "false")]},
    }
    by_object = {
        "namespaceSelector": {
            "matchExpressions": [require(REVISION_LABEL, "DoesNotExist"), require(INJECTION_LABEL, "DoesNotExist")]
        },
        "objectSelector": {
            "matchExpressions": [require(INJECT_LABEL, "NotIn", "false"), require(REVISION_LABEL, "In", name)]
        },
    }
    return (
        {"name": "rev.namespace.sidecar-injector.istio.io", **shared, **by_namespace},
        {"name": "rev.object.sidecar-injector.istio.io", **shared, **by_object},
    )


def with_tags(mesh: Mesh, tags: Iterable[str], revision: str) -> Mesh:
    """Return the mesh as it would be with tags moved to a revision."""
    moved = set(tags)
    own = next((i for i in mesh.injectors if i.revision == revision and not i.tag), None)
    mesh = dataclasses.replace(
        mesh, injectors=tuple(_led_to(i, revision, own) if i.tag in moved else i for i in mesh.injectors)
    )
    services = {tag: revision if tag in moved else target for tag, target in mesh.tag_services.items()}
    validator = {DEFAULT_VALIDATOR: revision} if DEFAULT in moved else {}
    return dataclasses.replace(mesh, tag_services=services, validators={**mesh.validators, **validator})


def _led_to(injector: Injector, revision: str, own: Injector | None) -> Injector:
    """Return the injector of a tag with webhooks that call what the webhook of a revision calls."""
    called = own.webhooks[0].get("clientConfig") if own and own.webhooks else None
    hooks = tuple({**hook, "clientConfig": called} if called else hook for hook in injector.webhooks)
    return dataclasses.replace(injector, revision=revision, webhooks=hooks)


def relabelled(labels: Mapping[str, str], revision: str | None) -> dict[str, str]:
    """Return the labels of a pod that selects another revision or tag, or with None no revision."""
    others = {key: value for key, value in labels.items() if key != REVISION_LABEL}
    return others if revision is None else {**others, REVISION_LABEL: revision}


def with_labels(snapshot: Snapshot, labels: Mapping[ObjectRef, str | None]) -> Snapshot:
    """Return the snapshot as it would be with these revision labels of pods.

    Pods whose proxy is not the one that the new label selects are stale then.
    """
    changed = {
        ref: dataclasses.replace(workload, template_labels=relabelled(workload.template_labels, labels[ref]))
        for ref, workload in snapshot.workloads.items()
        if ref in labels
    }
    pods = (
        dataclasses.replace(pod, labels=relabelled(pod.labels, labels[owner.ref]))
        if (owner := snapshot.workload_of(pod)) and owner.ref in labels
        else pod
        for pod in snapshot.pods
    )
    return dataclasses.replace(snapshot, workloads={**snapshot.workloads, **changed}, pods=tuple(pods))


def apply_planned_steps(snapshot: Snapshot, steps: PlannedSteps | None) -> Snapshot:
    """Return the snapshot as earlier steps of a run would leave it; for check mode, where these wrote nothing."""
    if steps is None:
        return snapshot
    mesh = snapshot.mesh
    if steps.revision and steps.version:
        mesh = with_revision(mesh, steps.revision, steps.version, steps.tag)
    if steps.revision:
        mesh = with_tags(mesh, steps.tags, steps.revision)
    for tag in steps.restored_tags:
        back = plan_tag_undo(mesh, tag, steps.run_id)
        if isinstance(back, Undo):
            mesh = with_tags(mesh, [tag], back.state[TARGET])
    namespaces = {
        name: _moved_namespace(mesh, namespace, steps) if name in steps.namespaces else namespace
        for name, namespace in snapshot.namespaces.items()
    }
    labels = {ref: steps.revision for ref in snapshot.workloads if ref in steps.workloads}
    return dataclasses.replace(with_labels(snapshot, labels), mesh=mesh, namespaces=namespaces)


def _moved_namespace(mesh: Mesh, namespace: Namespace, steps: PlannedSteps) -> Namespace:
    """Return a namespace as it would be once it is moved or restored."""
    others = {key: value for key, value in namespace.labels.items() if key not in SELECTING_LABELS}
    if steps.restored:
        back = plan_undo(mesh, namespace, steps.run_id)
        return (
            dataclasses.replace(namespace, labels={**others, **back.after})
            if isinstance(back, NamespaceMove)
            else namespace
        )
    if not steps.revision:
        return namespace
    return dataclasses.replace(namespace, labels={**others, REVISION_LABEL: steps.revision})
