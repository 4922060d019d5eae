# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names the clients whose writes into the objects of a control plane are no edits: installers and controllers."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import FIELD_MANAGER
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import managers_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    CHART_VERSION_LABEL,
    OPERATOR_VERSION_LABEL,
    REVISION_LABEL,
)

#: Field managers of installers: ``istioctl install``, ``istioctl tag`` (also by the name of the command, when it
#: deactivates webhooks: istioctl/pkg/tag/generate.go), and Helm.
INSTALLERS = frozenset({"istio-operator", "istio-ci", "istioctl", "helm"})
#: Clients that write into these objects as a part of their work, and that write into those of a new revision too:
#: istiod (certificate and failurePolicy of webhooks), the controllers of Kubernetes, and the admission enforcer of AKS.
CONTROLLERS = frozenset({"pilot-discovery", "kube-controller-manager", "admissionsenforcer"})
#: Labels that every installer writes: who wrote one is the installer, whatever it is called.
INSTALLER_LABELS = (REVISION_LABEL, OPERATOR_VERSION_LABEL, CHART_VERSION_LABEL, "helm.sh/chart")


def known_writers(obj: Mapping[str, t.Any]) -> frozenset[str]:
    """Return the clients that installed an object, the controllers that write into it, and this collection."""
    paths = [("metadata", "labels", label) for label in INSTALLER_LABELS]
    writers = {manager.name for path in paths for manager in managers_of(obj, path)}
    return frozenset(writers) | INSTALLERS | CONTROLLERS | {FIELD_MANAGER}
