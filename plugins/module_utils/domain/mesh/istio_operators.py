# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognizes the in-cluster operator of Istio, which puts back the control plane that an IstioOperator describes.

Istio removed this operator in 1.24, but its Deployment and its resources stay in clusters. Sources: istio/istio
release-1.23 manifests/charts/istio-operator (names and labels of the Deployment), and
operator/pkg/controller/istiocontrolplane (finalizer; annotation of resources that istioctl only keeps as a record).
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, annotations_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_list, as_map, as_text, shown

ISTIO_OPERATORS = "/apis/install.istio.io/v1alpha1/istiooperators"
OPERATOR_NAME = "istio-operator"
IGNORED = "install.istio.io/ignoreReconcile"


@dataclasses.dataclass(frozen=True)
class IstioOperator:
    """A resource IstioOperator: the namespace of its control plane, the image tag that it asks for, and its state.

    ``ignored`` is whether the operator leaves it alone, and ``finalizers`` what keeps it from being deleted.
    """

    ref: ObjectRef
    control_plane: str
    tag: str = ""
    ignored: bool = False
    finalizers: tuple[str, ...] = ()


def read_istio_operator(obj: Mapping[str, t.Any]) -> IstioOperator:
    """Return the facts of a raw IstioOperator, whose spec has an open schema."""
    metadata, spec = obj["metadata"], as_map(obj.get("spec"))
    values = as_map(as_map(spec.get("values")).get("global"))
    namespace = str(metadata.get("namespace") or "")
    return IstioOperator(
        ref=ObjectRef(namespace, "IstioOperator", name_of(obj)),
        control_plane=as_text(values.get("istioNamespace")) or as_text(spec.get("namespace")) or namespace,
        tag=shown(spec.get("tag") or ""),
        ignored=annotations_of(obj).get(IGNORED) == "true",
        finalizers=tuple(map(str, as_list(metadata.get("finalizers")))),
    )


def is_operator_deployment(name: str, template_labels: Mapping[str, t.Any]) -> bool:
    """Return whether a Deployment with this name and these labels of its pods is an in-cluster operator."""
    named = name == OPERATOR_NAME or name.startswith(f"{OPERATOR_NAME}-")
    return named or template_labels.get("name") == OPERATOR_NAME


def of_control_plane(operators: Iterable[IstioOperator], namespace: str) -> list[IstioOperator]:
    """Return the resources that describe the control plane of a namespace."""
    return [operator for operator in operators if operator.control_plane == namespace]
