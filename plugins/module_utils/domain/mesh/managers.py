# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the manager of an object of a control plane: istioctl, Helm, or an operator that reverts other changes.

Sources: istio/istio operator/pkg/install/install.go (labels), Helm's release annotations, the owner references of the
Sail Operator, and the add-on of AKS. The charts set managed-by=Helm on every installation, so that label proves nothing
(istio/istio #59630).
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError

ISTIOCTL, HELM, OPERATOR, UNKNOWN = "istioctl", "helm", "operator", ""
ISTIOCTL_LABEL = "operator.istio.io/managed"
RELEASE_NAME_ANNOTATION = "meta.helm.sh/release-name"
SAIL_GROUP = "sailoperator.io"
#: Labels by which a platform says that it puts an object back.
PLATFORM_LABELS = {"addonmanager.kubernetes.io/mode": "the add-on manager of the platform"}
#: Namespaces that belong to a platform's own Istio.
PLATFORM_NAMESPACES = {"aks-istio-system": "the Istio add-on of AKS"}


@dataclasses.dataclass(frozen=True)
class Manager:
    """The manager of an object: its kind, and the name of a Helm release or of an operator."""

    kind: str = UNKNOWN
    name: str = ""

    @property
    def is_operator(self) -> bool:
        """Whether it reverts the changes of other clients."""
        return self.kind == OPERATOR

    def __str__(self) -> str:
        return f"Helm release {self.name}" if self.kind == HELM else self.name or self.kind or "an unknown owner"


UNKNOWN_MANAGER = Manager()


def require_writable(manager: Manager, subject: str, advice: str) -> None:
    """Refuse to write an object whose operator reverts other changes.

    Raises:
        SafetyError: with the operator and the advice.
    """
    if manager.is_operator:
        raise SafetyError(f"{subject} belongs to {manager}, which reverts the changes of other clients: {advice}.")


def manager_of(obj: Mapping[str, t.Any]) -> Manager:
    """Return the manager of an API object; an operator that uses Helm counts as an operator."""
    metadata = obj.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for owner in metadata.get("ownerReferences") or ():
        if str(owner.get("apiVersion", "")).partition("/")[0] == SAIL_GROUP:
            return Manager(OPERATOR, f"{owner['kind']} {owner['name']} of the Sail Operator")
    for label, name in PLATFORM_LABELS.items():
        if label in labels:
            return Manager(OPERATOR, name)
    if metadata.get("namespace") in PLATFORM_NAMESPACES:
        return Manager(OPERATOR, PLATFORM_NAMESPACES[metadata["namespace"]])
    if RELEASE_NAME_ANNOTATION in annotations:
        return Manager(HELM, annotations[RELEASE_NAME_ANNOTATION])
    return Manager(ISTIOCTL) if ISTIOCTL_LABEL in labels else UNKNOWN_MANAGER
