# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests and scripted answers of the fake API server, and the paths of its kinds."""

from __future__ import annotations

import dataclasses
import json
import re
import typing as t
from collections.abc import Collection, Mapping
from email.message import Message

from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import RESOURCES
from unit.support import builders as b

KINDS = {
    **{kind: (prefix, resource) for kind, (prefix, resource, dummy) in RESOURCES.items()},
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "EnvoyFilter": ("/apis/networking.istio.io/v1alpha3", "envoyfilters"),
    "WasmPlugin": ("/apis/extensions.istio.io/v1alpha1", "wasmplugins"),
    "AuthorizationPolicy": ("/apis/security.istio.io/v1", "authorizationpolicies"),
    "VirtualService": ("/apis/networking.istio.io/v1", "virtualservices"),
    "WorkloadGroup": ("/apis/networking.istio.io/v1", "workloadgroups"),
    "WorkloadEntry": ("/apis/networking.istio.io/v1", "workloadentries"),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "Gateway": ("/apis/gateway.networking.k8s.io/v1", "gateways"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "Secret": ("/api/v1", "secrets"),
    "Event": ("/api/v1", "events"),
    "Pod": ("/api/v1", "pods"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "Job": ("/apis/batch/v1", "jobs"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "CronJob": ("/apis/batch/v1", "cronjobs"),
    "Rollout": ("/apis/argoproj.io/v1alpha1", "rollouts"),
}
BY_PATH = {place: kind for kind, place in KINDS.items()}
PATH = re.compile(r"^(/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?/([^/]+)(?:/([^/]+))?$")


#: Where the fake executables ask.
TOOLS = ("/istioctl", "/helm")


@dataclasses.dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: t.Any

    @property
    def writes(self) -> bool:
        """Whether it would change something."""
        asks = self.query.get("dryRun") == "All" or self.path in TOOLS or self.path.endswith("reviews")
        return self.method not in ("GET", "HEAD") and not asks


@dataclasses.dataclass(frozen=True)
class Answer:
    """One scripted answer; ``chunks`` are sent one by one, ``broken`` closes the connection without a word."""

    body: t.Any = None
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    chunks: tuple[bytes, ...] = ()
    broken: bool = False
    #: The answer of a pod through a port-forward.
    forwarded: bytes | None = None


def failure(status: int, message: str = "", reason: str = "", **headers: str) -> Answer:
    """An error answer with a Kubernetes Status."""
    body = {"kind": "Status", "code": status, "message": message, "reason": reason}
    return Answer(body, status, {key.replace("_", "-"): value for key, value in headers.items()})


def stream(*events: b.Json) -> Answer:
    """A watch with some events."""
    return Answer(chunks=tuple(json.dumps(event).encode() + b"\n" for event in events))


def discovery(not_served: Collection[str] = ()) -> b.Json:
    """The discovery document of an API server, with all kinds."""
    groups: dict[str, dict[str, list[b.Json]]] = {}
    for kind, (prefix, resource) in KINDS.items():
        if prefix.startswith("/apis/") and kind not in not_served:
            group, version = prefix.removeprefix("/apis/").split("/")
            row = {"resource": resource, "responseKind": {"kind": kind}, "verbs": ["get", "list"]}
            groups.setdefault(group, {}).setdefault(version, []).append(row)
    return {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "metadata": {"name": group},
                "versions": [{"version": version, "resources": rows} for version, rows in versions.items()],
            }
            for group, versions in groups.items()
        ],
    }
