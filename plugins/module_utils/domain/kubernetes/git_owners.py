# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds who keeps the labels of an object and puts them back: a GitOps controller, Helm or another tool.

Sources: Argo CD documentation, "Resource Tracking"; Flux documentation, "Kustomization" and "HelmRelease" (labels of
applied objects); Helm documentation, "Adopting resources"; Rancher Fleet, annotations of its object sets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import FieldManager

ARGO_TRACKING, ARGO_INSTANCE = "argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance"
FLUX_KUSTOMIZATION, FLUX_RELEASE = "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"
HELM_RELEASE, HELM_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
FLEET_SET = "objectset.rio.cattle.io/id"
RANCHER_PROJECT = "field.cattle.io/projectId"
#: Names of field managers contain these words, in lower case.
TOOLS = {
    "argocd": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "fleet": "Rancher Fleet",
    "rancher": "Rancher",
    "terraform": "Terraform",
    "pulumi": "Pulumi",
    "kyverno": "Kyverno",
    "gatekeeper": "Gatekeeper",
    "helm": "Helm",
}
#: A person who uses kubectl does not put a label back.
KUBECTL = "kubectl"


@dataclasses.dataclass(frozen=True)
class LabelOwner:
    """The owner of the labels of an object, and by what it was recognised."""

    name: str
    mark: str

    def __str__(self) -> str:
        return f"{self.name} ({self.mark})"


def marked_owner(labels: Mapping[str, str], annotations: Mapping[str, str]) -> LabelOwner | None:
    """Return the owner that has marked an object, or None."""
    if tracking := annotations.get(ARGO_TRACKING):
        return LabelOwner(f"Argo CD application {tracking.partition(':')[0]}", f"annotation {ARGO_TRACKING}")
    if instance := labels.get(ARGO_INSTANCE):
        return LabelOwner(f"Argo CD application {instance}", f"label {ARGO_INSTANCE}")
    for group, kind in ((FLUX_KUSTOMIZATION, "Kustomization"), (FLUX_RELEASE, "HelmRelease")):
        if name := labels.get(f"{group}/name"):
            place = "/".join(filter(None, (labels.get(f"{group}/namespace"), name)))
            return LabelOwner(f"Flux {kind} {place}", f"label {group}/name")
    if fleet := annotations.get(FLEET_SET):
        return LabelOwner(f"Rancher Fleet bundle {fleet}", f"annotation {FLEET_SET}")
    if release := annotations.get(HELM_RELEASE):
        place = "/".join(filter(None, (annotations.get(HELM_NAMESPACE), release)))
        return LabelOwner(f"Helm release {place}", f"annotation {HELM_RELEASE}")
    return None


def label_owner(
    labels: Mapping[str, str], annotations: Mapping[str, str], writers: Iterable[FieldManager], own: str
) -> LabelOwner | None:
    """Return who puts back the labels of an object, by its marks or else by the writers of the labels, or None.

    Args:
        writers: the last writer of each label that matters.
        own: the field manager of this collection.
    """
    marked = marked_owner(labels, annotations)
    if marked:
        return marked
    for writer in sorted(writers, key=lambda writer: writer.name):
        mark = f"field manager {writer.name}"
        tool = next((tool for word, tool in TOOLS.items() if word in writer.name.lower()), None)
        if tool == "Rancher" and RANCHER_PROJECT in annotations:
            return LabelOwner(f"Rancher project {annotations[RANCHER_PROJECT]}", mark)
        if tool:
            return LabelOwner(tool, mark)
        if writer.operation == "Apply" and writer.name != own and not writer.name.startswith(KUBECTL):
            return LabelOwner(f"client {writer.name}", f"{mark}, by server-side apply")
    return None
