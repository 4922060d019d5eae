# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration that only one revision reads, as its label says; pure.

An istiod reads what has no label istio.io/rev, and what has its own revision there; a tag is no revision (istio/istio
pkg/config/model.go, LabelsInRevision). Only a Gateway of the Gateway API may name a tag (pkg/revisions/tag_watcher.go).
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Container, Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Mesh

GATEWAY_API = "gateway.networking.k8s.io"
#: API groups whose objects istiod reads.
GROUPS = (
    "extensions.istio.io",
    GATEWAY_API,
    "gateway.networking.x-k8s.io",
    "networking.istio.io",
    "security.istio.io",
    "telemetry.istio.io",
)
#: Code of the finding about what stops to apply; who allows it is not refused a move either.
LOST = "MU053"


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """An object of Istio's or the Gateway API's configuration with label istio.io/rev."""

    kind: str
    group: str
    namespace: str
    name: str
    revision: str

    @property
    def is_gateway(self) -> bool:
        """Whether it is a Gateway that an istiod keeps: it stays with whom it names, whatever else moves."""
        return self.group == GATEWAY_API and self.kind == "Gateway"

    @property
    def ref(self) -> ObjectRef:
        """The object; a Gateway of the Gateway API has its group, because Istio has a kind of that name too."""
        return ObjectRef(self.namespace, f"{self.kind}.{self.group}" if self.is_gateway else self.kind, self.name)

    def __str__(self) -> str:
        return str(self.ref)


def read_labelled(kind: str, group: str, obj: Mapping[str, t.Any]) -> Labelled:
    """Return what counts of an object with label istio.io/rev, of which the metadata is enough."""
    namespace = str(obj["metadata"].get("namespace") or "")
    return Labelled(kind, group, namespace, name_of(obj), str(labels_of(obj).get(REVISION_LABEL) or ""))


def root_of(mesh: Mesh, revision: str) -> str:
    """Return the namespace whose configuration is about all namespaces of a revision."""
    plane = mesh.revisions.get(revision)
    settings = plane.merged_values.get("meshConfig") if plane else None
    root = settings.get("rootNamespace") if isinstance(settings, Mapping) else None
    return root if isinstance(root, str) and root else mesh.namespace


def only_for(configuration: Iterable[Labelled], revision: str) -> list[Labelled]:
    """Return what only istiod of a revision reads; a Gateway is read by all, and kept by one."""
    return [one for one in configuration if one.revision == revision and not one.is_gateway]


def lost_by(configuration: Iterable[Labelled], mesh: Mesh, moved: Mapping[str, Container[str]]) -> list[Labelled]:
    """Return what stops to apply to namespaces that move away from revisions; ``moved`` maps these to the namespaces.

    Objects of the whole cluster, and of the root namespace, are about all of them.
    """
    return [
        one
        for one in configuration
        if one.revision in moved
        and not one.is_gateway
        and (one.namespace in ("", root_of(mesh, one.revision)) or one.namespace in moved[one.revision])
    ]


def unknown_to_all(configuration: Iterable[Labelled], mesh: Mesh, target: str) -> list[tuple[Labelled, str]]:
    """Return what no istiod reads, with the reason; what is there for a revision before it comes is in order."""
    known = {*mesh.revisions, *(injector.revision for injector in mesh.foreign), target}
    tags = {*mesh.tags, *(injector.tag for injector in mesh.foreign)}
    found = []
    for one in configuration:
        if one.revision in known or (one.is_gateway and one.revision in tags):
            continue
        is_tag = one.revision and one.revision in tags
        reason = f"{one.revision} is a tag, and a label of configuration names a revision"
        found.append((one, reason if is_tag else f"there is no revision {one.revision!r}"))
    return found


def refusal(lost: Sequence[Labelled], target: str) -> str:
    """Return in one sentence what stops to apply by a move, and what to do."""
    sources = ", ".join(sorted({one.revision for one in lost}))
    return (
        f"{join_limited(lost, between='; ')} would stop to apply to what moves to {target}, silently: by label "
        f"{REVISION_LABEL} only istiod of revision {sources} reads it. Remove the label, so that both revisions read "
        f"it, or give it the value {target} once everything has moved"
    )
