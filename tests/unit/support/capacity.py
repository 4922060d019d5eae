# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Raw objects about the capacity of an istiod: EndpointSlices, an autoscaler and a quota."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import TAG_LABEL as TAG
from unit.support.planes import OLD, SYSTEM, Json, meta


def endpoint_slice(revision: str = OLD, ready: int = 1, unready: int = 0) -> Json:
    """EndpointSlice of a revision's Service."""
    name = "istiod" if revision == "default" else f"istiod-{revision}"
    conditions = [{"ready": True}] * ready + [{"ready": False}] * unready
    return {
        "kind": "EndpointSlice",
        "metadata": meta(f"{name}-x7k2p", SYSTEM, {"kubernetes.io/service-name": name}),
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": one} for one in conditions],
    }


def endpoint_slices(objects: Iterable[Json]) -> list[Json]:
    """The EndpointSlices that the controller of Services makes: one ready endpoint where an istiod is ready."""
    objects = list(objects)
    if any(obj["kind"] == "EndpointSlice" for obj in objects):
        return []
    ready = {obj["metadata"]["labels"][REV] for obj in objects if obj["kind"] == "Deployment" and _serves(obj)}
    services = [obj for obj in objects if obj["kind"] == "Service" and obj.get("spec", {}).get("selector")]
    labels = [obj["metadata"].get("labels") or {} for obj in services]
    own = [found[REV] for found in labels if REV in found and TAG not in found]
    return [endpoint_slice(revision, ready=int(revision in ready)) for revision in own]


def _serves(obj: Json) -> bool:
    return REV in (obj["metadata"].get("labels") or {}) and bool(obj.get("status", {}).get("readyReplicas"))


def autoscaler(revision: str = OLD, *, current: int = 1, highest: int = 5, **conditions: tuple[str, str]) -> Json:
    """HorizontalPodAutoscaler of a revision's Deployment; conditions are type to (status, reason)."""
    name = "istiod" if revision == "default" else f"istiod-{revision}"
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    rows = [{"type": kind, "status": status, "reason": reason} for kind, (status, reason) in conditions.items()]
    return {
        "kind": "HorizontalPodAutoscaler",
        "metadata": meta(name, SYSTEM),
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": highest},
        "status": {"currentReplicas": current, "conditions": rows},
    }


def quota(hard: Json, used: Json, **spec: t.Any) -> Json:
    """ResourceQuota of Istio's namespace."""
    return {
        "kind": "ResourceQuota",
        "metadata": meta("limits", SYSTEM),
        "spec": {"hard": hard, **spec},
        "status": {"hard": hard, "used": used},
    }
