# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the namespaces without labels that are injected all the same: injection by default.

It is turned on by the Helm value sidecarInjectorWebhook.enableNamespacesByDefault, or by the flag
--auto-inject-namespaces of ``istioctl tag set``.
"""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import SELECTING_LABELS
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def default_injection(snapshot: Snapshot, namespace: str) -> str | None:
    """Return the revision that injects unlabelled pods of a namespace without labels, or None.

    The namespace of istiod is not one of them: it gets no label, so that its pods follow the default.
    """
    labels = snapshot.namespaces[namespace].labels
    if namespace == snapshot.mesh.namespace or not set(SELECTING_LABELS).isdisjoint(labels):
        return None
    return snapshot.injection_of(namespace).revision
