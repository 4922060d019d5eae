# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the objects that serve or limit istiod in its namespace: endpoints, autoscalers, quotas."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import labels_of, name_of, place_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner, controller_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import (
    ResourceRequests,
    read_quantity,
)

#: Scopes of a quota that include istiod's pods, which have no deadline and request resources.
_SCOPES = {"NotTerminating", "NotBestEffort"}


@dataclasses.dataclass(frozen=True)
class Endpoints:
    """One EndpointSlice: the Service that it belongs to, and how many of its endpoints are ready."""

    service: tuple[str, str]
    ready: int


def read_endpoints(obj: Mapping[str, t.Any]) -> Endpoints:
    """Return the facts of a raw EndpointSlice; an endpoint without the condition counts as ready."""
    namespace, dummy = place_of(obj)
    conditions = [endpoint.get("conditions") or {} for endpoint in obj.get("endpoints") or ()]
    ready = sum(condition.get("ready") is not False for condition in conditions)
    return Endpoints((namespace, labels_of(obj).get("kubernetes.io/service-name", "")), ready)


@dataclasses.dataclass(frozen=True)
class Autoscaler:
    """A HorizontalPodAutoscaler: its Deployment, limits, current replicas, and the reason why it cannot scale."""

    name: str
    deployment: str
    lowest: int
    highest: int
    current: int
    wants_more: bool
    stuck: str
    #: Its controller, such as a ScaledObject of KEDA.
    owner: Owner | None = None


def read_autoscaler(obj: Mapping[str, t.Any]) -> Autoscaler:
    """Return the facts of a raw HorizontalPodAutoscaler (Kubernetes API reference, autoscaling/v2)."""
    spec, status = obj["spec"], obj.get("status") or {}
    conditions = {condition.get("type"): condition for condition in status.get("conditions") or ()}
    limited = conditions.get("ScalingLimited") or {}
    stuck = (conditions.get(kind) or {} for kind in ("AbleToScale", "ScalingActive"))
    target = spec.get("scaleTargetRef") or {}
    return Autoscaler(
        name=name_of(obj),
        deployment=str(target.get("name") or "") if target.get("kind") == "Deployment" else "",
        lowest=int(spec.get("minReplicas") or 1),
        highest=int(spec.get("maxReplicas") or 0),
        current=int(status.get("currentReplicas") or 0),
        wants_more=limited.get("status") == "True" and limited.get("reason") == "TooManyReplicas",
        owner=controller_of(obj),
        stuck=next((str(failed.get("reason") or "unknown") for failed in stuck if failed.get("status") == "False"), ""),
    )


@dataclasses.dataclass(frozen=True)
class Quota:
    """A ResourceQuota that counts istiod's pods: its hard limits and its usage, as text."""

    name: str
    hard: Mapping[str, str]
    used: Mapping[str, str]

    def lacking(self, copies: int, requests: ResourceRequests, limits: ResourceRequests) -> list[str]:
        """Return those of its resources that do not suffice for more pods, with their usage."""
        per_pod = {
            "pods": 1.0,
            "count/pods": 1.0,
            "cpu": requests.cpu,
            "requests.cpu": requests.cpu,
            "memory": requests.memory,
            "requests.memory": requests.memory,
            "limits.cpu": limits.cpu,
            "limits.memory": limits.memory,
        }
        used = {key: read_quantity(self.used.get(key, 0)) for key in self.hard}
        return [
            f"{key} ({self.used.get(key, 0)} of {hard} are taken)"
            for key, hard in sorted(self.hard.items())
            if key in per_pod and per_pod[key] and used[key] + copies * per_pod[key] > read_quantity(hard)
        ]


def read_quota(obj: Mapping[str, t.Any]) -> Quota:
    """Return the facts of a raw ResourceQuota; one that does not count istiod's pods has no limits."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    chosen = spec.get("scopeSelector") or set(spec.get("scopes") or ()) - _SCOPES
    hard = {} if chosen else status.get("hard") or spec.get("hard") or {}
    return Quota(
        name_of(obj),
        {key: str(value) for key, value in hard.items()},
        {key: str(value) for key, value in (status.get("used") or {}).items()},
    )
