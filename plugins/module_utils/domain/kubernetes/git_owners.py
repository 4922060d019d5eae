# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds who keeps the labels of an object and puts them back: a GitOps controller, Helm or another tool.

Sources: Argo CD documentation, "Resource Tracking"; Flux documentation, "Kustomization" and "HelmRelease" (labels of
applied objects); Helm documentation, "Adopting resources"; Rancher Fleet, annotations of its object sets.
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import shown

ARGO_TRACKING, ARGO_INSTANCE = "argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance"
FLUX_KUSTOMIZATION, FLUX_RELEASE = "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"
HELM_RELEASE, HELM_NAMESPACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"
FLEET_SET = "objectset.rio.cattle.io/id"


def marked_owner(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """Return the owner that has marked an object, or an empty text."""
    return shown(_marked_owner(labels, annotations))


def _marked_owner(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    if tracking := annotations.get(ARGO_TRACKING):
        return f"Argo CD application {tracking.partition(':')[0]}"
    if instance := labels.get(ARGO_INSTANCE):
        return f"Argo CD application {instance}"
    for group, kind in ((FLUX_KUSTOMIZATION, "Kustomization"), (FLUX_RELEASE, "HelmRelease")):
        if name := labels.get(f"{group}/name"):
            place = "/".join(filter(None, (labels.get(f"{group}/namespace"), name)))
            return f"Flux {kind} {place}"
    if fleet := annotations.get(FLEET_SET):
        return f"Rancher Fleet bundle {fleet}"
    if release := annotations.get(HELM_RELEASE):
        place = "/".join(filter(None, (annotations.get(HELM_NAMESPACE), release)))
        return f"Helm release {place}"
    return ""
