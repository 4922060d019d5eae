# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration that only one revision reads because of its revision label.

An istiod reads objects without the label istio.io/rev and those with its own revision there; a tag does not count as a
revision (istio/istio pkg/config/model.go, LabelsInRevision). Only a Gateway of the Gateway API may name a tag
(pkg/revisions/tag_watcher.go).
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
#: Code of the finding about configuration that stops applying; allowing it also allows the move.
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
        """Whether it is a Gateway whose workload an istiod manages: it stays with the revision that its label names."""
        return self.group == GATEWAY_API and self.kind == "Gateway"

    @property
    def ref(self) -> ObjectRef:
        """The object; a Gateway of the Gateway API has its group, because Istio has a kind of that name too."""
        return ObjectRef(self.namespace, f"{self.kind}.{self.group}" if self.is_gateway else self.kind, self.name)

    def __str__(self) -> str:
        return str(self.ref)


def read_labelled(kind: str, group: str, obj: Mapping[str, t.Any]) -> Labelled:
    """Return the facts of an object with label istio.io/rev; its metadata is enough."""
    namespace = str(obj["metadata"].get("namespace") or "")
    return Labelled(kind, group, namespace, name_of(obj), str(labels_of(obj).get(REVISION_LABEL) or ""))


def root_of(mesh: Mesh, revision: str) -> str:
    """Return the root namespace of a revision, whose configuration applies to all its namespaces."""
    plane = mesh.revisions.get(revision)
    settings = plane.merged_values.get("meshConfig") if plane else None
    root = settings.get("rootNamespace") if isinstance(settings, Mapping) else None
    return root if isinstance(root, str) and root else mesh.namespace


def only_for(configuration: Iterable[Labelled], revision: str) -> list[Labelled]:
    """Return the configuration that only istiod of a revision reads; all read a Gateway, and one manages it."""
    return [labelled for labelled in configuration if labelled.revision == revision and not labelled.is_gateway]


def lost_by(configuration: Iterable[Labelled], mesh: Mesh, moved: Mapping[str, Container[str]]) -> list[Labelled]:
    """Return the configuration that stops applying to moved namespaces.

    Cluster-scoped objects and those of the root namespace apply to all namespaces.

    Args:
        configuration: all labelled objects.
        mesh: the mesh before the move.
        moved: revision -> the namespaces that are moved away from it.
    """
    return [
        labelled
        for labelled in configuration
        if labelled.revision in moved
        and not labelled.is_gateway
        and (
            labelled.namespace in ("", root_of(mesh, labelled.revision))
            or labelled.namespace in moved[labelled.revision]
        )
    ]


def unknown_to_all(configuration: Iterable[Labelled], mesh: Mesh, target: str) -> list[tuple[Labelled, str]]:
    """Return the configuration that no istiod reads, with the reason; that of the target revision is correct."""
    revisions = {*mesh.revisions, *(injector.revision for injector in mesh.foreign_injectors), target}
    tags = {*mesh.tags, *(injector.tag for injector in mesh.foreign_injectors)}
    unread = []
    for labelled in configuration:
        name = labelled.revision
        if name in revisions or (labelled.is_gateway and name in tags):
            continue
        is_tag = name and name in tags
        reason = f"{name} is a tag, but a label of configuration must name a revision"
        unread.append((labelled, reason if is_tag else f"there is no revision {name!r}"))
    return unread


def describe_loss(lost: Sequence[Labelled], target: str) -> str:
    """Return in one sentence which configuration stops applying by a move, and what to do."""
    sources = ", ".join(sorted({labelled.revision for labelled in lost}))
    return (
        f"{join_limited(lost, between='; ')} would silently stop applying to workloads that move to {target}: "
        f"because of label {REVISION_LABEL} only istiod of revision {sources} reads it. Remove the label, so that both "
        f"revisions read it, or give it the value {target} once everything has moved"
    )
