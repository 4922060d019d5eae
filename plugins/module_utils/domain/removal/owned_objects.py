# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which objects of a cluster belong to one revision, and so go with it.

Istioctl's uninstall takes those with a component label (istio/istio operator/pkg/uninstall/prune.go). It leaves what
``tag set`` makes, although it leads to a control plane that is gone, and kinds that it does not know.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    ObjectRef,
    labels_of,
    name_of,
    parse_ref,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import (
    NOBODY,
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

#: Components that a revision's uninstall takes along although the whole mesh uses them.
SHARED_COMPONENTS = ("IngressGateways", "EgressGateways", "Cni", "Ztunnel")
COMPONENTS = ("Pilot", *SHARED_COMPONENTS)
WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


@dataclasses.dataclass(frozen=True)
class Belonging:
    """One object that carries the label of a revision and is Istio's own."""

    kind: str
    namespace: str
    name: str
    component: str = ""
    tag: str = ""
    resource_version: str = ""
    deleting: bool = False
    manager: Manager = NOBODY
    #: Namespace of the mesh that it belongs to, empty where nothing says so.
    home: str = ""

    @property
    def shared(self) -> bool:
        """Whether the whole mesh uses it."""
        return self.component in SHARED_COMPONENTS

    def __str__(self) -> str:
        return str(ObjectRef(self.namespace, self.kind, self.name))


def read_belonging(kind: str, obj: Mapping[str, t.Any]) -> Belonging | None:
    """Return what an object with the label of a revision is to it, or None for an object of a user."""
    labels, meta = labels_of(obj), obj["metadata"]
    component = labels.get(COMPONENT_LABEL, "")
    hooks = obj.get("webhooks") or ()
    own = kind in WEBHOOKS and all(str(hook.get("name", "")).endswith("istio.io") for hook in hooks)
    if component not in COMPONENTS and labels.get("app") != "istiod" and not own:
        return None
    tag = DEFAULT if name_of(obj) == DEFAULT_VALIDATOR else labels.get(TAG_LABEL, "")
    version = str(meta.get("resourceVersion") or "")
    place = (kind, meta.get("namespace", ""), name_of(obj))
    return Belonging(*place, component, tag, version, "deletionTimestamp" in meta, manager_of(obj), home_of(obj))


def divided(
    found: Iterable[Belonging], namespace: str, others: frozenset[str] = frozenset()
) -> tuple[list[Belonging], list[Belonging]]:
    """Return what belongs to the mesh of a namespace, and what belongs to another one: names may be the same.

    ``others`` are the namespaces of other meshes, as far as they are known.
    """
    found = list(found)
    # what is not shared stands beside its own istiod
    beside = {one.namespace for one in found if one.namespace and not (one.home or one.shared)}
    others = (others | {one.home for one in found if one.home} | beside) - {namespace}

    def is_ours(one: Belonging) -> bool:
        if one.home or not others:
            return one.home in ("", namespace)
        if one.namespace:
            return one.namespace == namespace or (one.shared and one.namespace not in others)
        # as Istio's charts name what belongs to the whole cluster
        return one.name.endswith(f"-{namespace}")

    return [one for one in found if is_ours(one)], [one for one in found if not is_ours(one)]


def without_moved(found: Iterable[Belonging], plan: Mapping[str, t.Any] | None) -> list[Belonging]:
    """Return what still belongs to a revision after the steps of a plan; for check mode, where they wrote nothing."""
    tags = set((plan or {}).get("tags") or ())
    taken = set(map(parse_ref, (plan or {}).get("taken_over") or ()))
    return [one for one in found if one.tag not in tags and ObjectRef(one.namespace, one.kind, one.name) not in taken]
