# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describes the remedies for pods that have a proxy and would get none; no module refuses one of them."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import InjectionReason
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL, REVISION_LABEL

LEAVE = f"set label {INJECT_LABEL}=false in the pod template if it is to leave the mesh"
_REMEDIES = {
    InjectionReason.WEBHOOK_BROKEN: "start istiod first",
    InjectionReason.NO_ACTIVE_DEFAULT: (
        "set the default tag (istio_tag name=default), or label the namespace with a revision or tag that exists"
    ),
    InjectionReason.DANGLING_LABEL: "label the namespace with a revision or tag that exists",
    InjectionReason.DANGLING_POD_LABEL: (
        f"change label {REVISION_LABEL} in the pod template to a revision or tag that exists, or {LEAVE}"
    ),
    InjectionReason.NOT_SELECTED: (
        f"label the namespace with a revision or tag (namespace_revision enroll=true), or {LEAVE}"
    ),
}


def loss_remedy(why: InjectionReason, namespace: str) -> str:
    """Return how pods of a namespace keep their proxy, or leave the mesh on purpose, as a clause."""
    if why is InjectionReason.OPTED_OUT:
        return (
            f"remove what opts it out, or restart it without a proxy: rollout_restart namespaces={namespace} scope=all"
        )
    return _REMEDIES.get(why, f"fix the cause, or {LEAVE}")
