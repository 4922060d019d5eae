# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the objects that belong to one revision, and so are removed with it.

The uninstall of istioctl deletes those with a component label (istio/istio operator/pkg/uninstall/prune.go). It leaves
the objects that ``tag set`` creates, although they point at a removed control plane, and kinds that it does not know.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import PlannedSteps
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import (
    UNKNOWN_MANAGER,
    Manager,
    manager_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    COMPONENT_LABEL,
    DEFAULT,
    DEFAULT_VALIDATOR,
    TAG_LABEL,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import home_of

#: Components that the uninstall of a revision deletes although the whole mesh uses them.
SHARED_COMPONENTS = ("IngressGateways", "EgressGateways", "Cni", "Ztunnel")
COMPONENTS = ("Pilot", *SHARED_COMPONENTS)
WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


@dataclasses.dataclass(frozen=True)
class OwnedObject:
    """One object that carries the label of a revision and is Istio's own."""

    kind: str
    namespace: str
    name: str
    component: str = ""
    tag: str = ""
    resource_version: str = ""
    deleting: bool = False
    manager: Manager = UNKNOWN_MANAGER
    #: Namespace of the mesh that it belongs to, empty if that is unknown.
    home: str = ""

    @property
    def shared(self) -> bool:
        """Whether the whole mesh uses it."""
        return self.component in SHARED_COMPONENTS

    @property
    def ref(self) -> ObjectRef:
        """The object."""
        return ObjectRef(self.namespace, self.kind, self.name)

    def __str__(self) -> str:
        return str(self.ref)


def read_owned_object(kind: str, obj: Mapping[str, t.Any]) -> OwnedObject | None:
    """Return an object with the label of a revision as its part, or None for an object of a user."""
    labels, meta = labels_of(obj), obj["metadata"]
    component = labels.get(COMPONENT_LABEL, "")
    hooks = obj.get("webhooks") or ()
    is_istio_webhook = kind in WEBHOOKS and all(str(hook.get("name", "")).endswith("istio.io") for hook in hooks)
    if component not in COMPONENTS and labels.get("app") != "istiod" and not is_istio_webhook:
        return None
    tag = DEFAULT if name_of(obj) == DEFAULT_VALIDATOR else labels.get(TAG_LABEL, "")
    version = str(meta.get("resourceVersion") or "")
    identity = (kind, meta.get("namespace", ""), name_of(obj))
    return OwnedObject(*identity, component, tag, version, "deletionTimestamp" in meta, manager_of(obj), home_of(obj))


def split_by_mesh(
    objects: Iterable[OwnedObject], namespace: str, others: frozenset[str] = frozenset()
) -> tuple[list[OwnedObject], list[OwnedObject]]:
    """Return the objects of the mesh of a namespace, and those of other meshes, whose revision may have the same name.

    ``others`` holds the known namespaces of other meshes.
    """
    objects = list(objects)
    # An object that is not shared is in the namespace of its istiod.
    homes = {obj.namespace for obj in objects if obj.namespace and not (obj.home or obj.shared)}
    others = (others | {obj.home for obj in objects if obj.home} | homes) - {namespace}

    def is_of_mesh(obj: OwnedObject) -> bool:
        if obj.home or not others:
            return obj.home in ("", namespace)
        if obj.namespace:
            return obj.namespace == namespace or (obj.shared and obj.namespace not in others)
        # Istio's charts end the names of cluster-scoped objects so.
        return obj.name.endswith(f"-{namespace}")

    return [obj for obj in objects if is_of_mesh(obj)], [obj for obj in objects if not is_of_mesh(obj)]


def without_planned_moves(objects: Iterable[OwnedObject], steps: PlannedSteps | None) -> list[OwnedObject]:
    """Return the objects that still belong to a revision after the planned steps, which check mode did not execute."""
    if steps is None:
        return [*objects]
    return [obj for obj in objects if obj.tag not in steps.tags and obj.ref not in steps.taken_over]
