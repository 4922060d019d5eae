# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide how shared gateways, CNI and ztunnel change hands between revisions.

Each installation assigns the objects that it renders to its own revision, and an uninstall deletes every object that
its revision owns (rule S12).
"""

from __future__ import annotations

import typing as t
from collections.abc import Container, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    Json,
    ObjectRef,
    labels_of,
    name_of,
    parse_ref,
    ref_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL, REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import home_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import SHARED_COMPONENTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import ROLLED

#: Components of an IstioOperator that exist several times, each with a name; each of the others exists once.
GATEWAYS = {"IngressGateways": "ingressGateways", "EgressGateways": "egressGateways"}
SINGLE = {"Cni": "cni", "Ztunnel": "ztunnel"}
OWNER = f"metadata.labels.{REVISION_LABEL}"
#: Annotation of ztunnel's objects (istio/istio manifests/charts/ztunnel).
REVISION_ANNOTATION = f"metadata.annotations.{REVISION_LABEL}"
#: Fields that users set, and that a change of revision or version alone does not touch.
SERVICE_FIELDS = ("spec.", "metadata.annotations.")
POD_FIELDS = tuple(
    f"spec.template.spec.{key}"
    for key in ("affinity", "nodeSelector", "tolerations", "topologySpreadConstraints", "priorityClassName")
)
USER_FIELDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"), SERVICE_FIELDS),
    **dict.fromkeys(ROLLED, ("spec.replicas", "spec.strategy.", "spec.updateStrategy.", *POD_FIELDS)),
    "ServiceAccount": ("metadata.annotations.",),
}


def components_of(workloads: Iterable[Json], istio_namespace: str) -> Json:
    """Return the components of an IstioOperator that keep these shared workloads."""
    components: Json = {}
    for obj in workloads:
        component, namespace = labels_of(obj)[COMPONENT_LABEL], obj["metadata"]["namespace"]
        if home_of(obj) not in ("", istio_namespace):
            continue  # It belongs to another mesh, which has a revision of the same name.
        settings = {"enabled": True, **({"namespace": namespace} if namespace != istio_namespace else {})}
        if component in SINGLE:
            components[SINGLE[component]] = settings
        else:
            components.setdefault(GATEWAYS[component], []).append({"name": name_of(obj), **settings})
    return components


def merge_components(base: Mapping[str, t.Any], over: Mapping[str, t.Any]) -> Json:
    """Return ``base`` with the user's components ``over`` merged in; gateways are matched by name."""
    result = dict(base)
    for key, value in over.items():
        added = {gateway["name"]: gateway for gateway in value} if isinstance(value, list) else {}
        if added:
            kept = {gateway["name"]: gateway for gateway in result.get(key, [])}
            result[key] = [{**kept.get(name, {}), **added.get(name, {})} for name in {**kept, **added}]
        else:
            result[key] = {**result.get(key, {}), **value} if isinstance(value, Mapping) else value
    return result


def find_takeovers(rendered: Iterable[Json], changes: Iterable[ObjectChange]) -> list[ObjectChange]:
    """Return the changes by which an installation would take shared components from another revision.

    Objects are rendered without the label of their component where the chart has none, as that of ztunnel: istioctl
    sets it when it applies them (istio/istio operator/pkg/install/install.go), so the live object has it.
    """
    shared = {ref_of(obj) for obj in rendered if _is_shared(obj)}
    return [
        change
        for change in changes
        if (change.ref in shared or _is_shared(change.live)) and change.fields.get(OWNER, (None, None))[0]
    ]


def _is_shared(obj: Json) -> bool:
    return labels_of(obj).get(COMPONENT_LABEL) in SHARED_COMPONENTS


def describe_takeover(takeovers: Iterable[ObjectChange]) -> str:
    """Return the workloads that change hands, for the action of a task, or an empty string."""
    workloads = (change for change in takeovers if change.kind in ROLLED)
    return ", ".join(f"take over {change.place} from {change.fields[OWNER][0]}" for change in workloads)


def require_safe_takeover(takeovers: list[ObjectChange], allowed: Iterable[str], *, intended: bool) -> None:
    """Refuse an unintended takeover, and one that loses settings which no Helm value holds.

    Args:
        allowed: option ``allow_setting_changes``; objects that may lose settings, as results name them.
        intended: option ``adopt_shared_components``.

    Raises:
        SafetyError: it lists the changes.
    """
    if takeovers and not intended:
        owners = ", ".join(sorted({str(change.fields[OWNER][0]) for change in takeovers}))
        workloads = ", ".join(change.place for change in takeovers if change.kind in ROLLED) or takeovers[0].place
        raise SafetyError(
            f"This installation would also take ownership of {workloads} from revision {owners}. Install with a "
            "profile without these components, and hand them over after the data plane has moved: "
            "adopt_shared_components=true (variable istio_adopt_shared_components)."
        )
    lost = _lost_settings(takeovers, set(map(parse_ref, allowed)))
    lines = [f"{ref} {path}: {old!r} -> {new!r}" for ref, fields in lost.items() for path, (old, new) in fields.items()]
    if lines:
        raise SafetyError(
            f"Taking over shared components would change more than their version: {'; '.join(lines[:5])}. Set these "
            "fields in values or components, or name the objects in allow_setting_changes to accept the change.",
            {"settings": {str(ref): sorted(fields) for ref, fields in lost.items() if fields}},
        )


def _lost_settings(
    takeovers: Iterable[ObjectChange], allowed: Container[ObjectRef]
) -> dict[ObjectRef, dict[str, tuple[t.Any, t.Any]]]:
    return {change.ref: changed_user_fields(change) for change in takeovers if change.ref not in allowed}


def changed_user_fields(change: ObjectChange) -> dict[str, tuple[t.Any, t.Any]]:
    """Return the changed fields that users set: the Helm values of the revision do not hold their old values."""
    prefixes = USER_FIELDS.get(change.kind, ())
    return {
        path: pair
        for path, pair in change.fields.items()
        if (path.startswith(prefixes) or (change.kind in ROLLED and ".resources." in path))
        and path != REVISION_ANNOTATION
    }
