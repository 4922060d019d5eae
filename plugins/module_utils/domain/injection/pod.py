# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads pods: their owner, and the image and revision of their proxy.

Source: istio/istio istioctl/pkg/describe/describe.go (the places of a pod's revision).
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    ObjectRef,
    annotations_of,
    labels_of,
    name_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import (
    Reader,
    Unreadable,
    as_list,
    as_text,
    as_time,
    read_json_map,
    shown,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    PROXY_IMAGE,
    PROXY_IMAGE_TYPE,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import (
    NO_RESOURCES,
    ResourceRequests,
    pod_requests,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL, REVISION_LABEL

STATUS = "sidecar.istio.io/status"
#: Image in gateway templates that injection replaces.
PLACEHOLDER = "auto"
MANAGED_GATEWAY = "gateway.istio.io/managed"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
#: Variable of the proxy container with the address of its istiod, and the namespace in that address
#: (istio/istio manifests/charts, configmap.yaml).
PROXY_CONFIG = "PROXY_CONFIG"
DISCOVERY = re.compile(r'"discoveryAddress":\s*"[^".:]+\.([a-z0-9-]+)\.svc[.:]')
#: Fields of a pod, and of the status of its injection, with containers.
CONTAINERS = ("containers", "initContainers")
KEPT_ANNOTATIONS = (
    REVISION_LABEL,
    STATUS,
    PROXY_IMAGE,
    RESTARTED_AT,
    INJECT_LABEL,
    PROXY_IMAGE_TYPE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Owner:
    """The controller of a pod, or the workload above it."""

    kind: str
    name: str
    #: API group and version of the reference. Results and comparisons leave it out.
    api_version: str = dataclasses.field(default="", compare=False)

    @property
    def group(self) -> str:
        """The API group of its kind, empty for the core group."""
        return self.api_version.rpartition("/")[0]


def controller_of(obj: Mapping[str, t.Any]) -> Owner | None:
    """Return the controller that the owner references of an object name, or None."""
    for reference in obj["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            return Owner(reference["kind"], reference["name"], str(reference.get("apiVersion") or ""))
    return None


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """The facts of a pod that an upgrade needs; few, so that the snapshot of a large cluster stays small."""

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    host_network: bool
    phase: str
    ready: bool
    deleting: bool
    proxy_image: str
    owner: Owner | None
    node: str = ""
    requests: ResourceRequests = NO_RESOURCES
    #: Seconds from its creation until it last became ready; None while it is not ready.
    ready_after: float | None = None
    unreadable: tuple[Unreadable, ...] = ()
    #: deletionTimestamp of a pod that is being deleted, empty for all others.
    gone_at: str = ""
    #: Namespace of the istiod that its proxy connects to, empty if unknown.
    home: str = ""
    #: Whether it was injected without a proxy container: for gRPC that connects to istiod itself, or by a template of
    #: the user. Its revision is in the status of the injection, its version is unknown.
    proxyless: bool = False

    @property
    def is_meshed(self) -> bool:
        """Whether it has a proxy, or takes part in the mesh without one."""
        return bool(self.proxy_image) or self.proxyless

    @property
    def live(self) -> bool:
        """Whether the pod runs or will run; the proxy of a finished pod does not matter."""
        return self.phase not in ("Succeeded", "Failed")

    @property
    def revision(self) -> str | None:
        """Revision of the proxy: annotation, else the status of the injection, else (Istio before 1.11) the label."""
        if not self.is_meshed:
            return None
        revision = _revision_from_annotations(self.annotations, Reader(ObjectRef(self.namespace, "Pod", self.name)))
        # Annotations are foreign input: keep the text printable and on one line.
        return shown(revision) or self.labels.get(REVISION_LABEL) or "default"


def _revision_from_annotations(annotations: Mapping[str, str], read: Reader) -> str:
    """Return the revision that the annotations of a pod name, or an empty string; any user may have written them."""
    if annotations.get(REVISION_LABEL):
        return annotations[REVISION_LABEL]
    status = f"annotation {STATUS}"
    return read.text(f"revision in {status}", read.json(status, annotations.get(STATUS)).get("revision"))


def _is_proxyless(spec: Mapping[str, t.Any], annotations: Mapping[str, str]) -> bool:
    """Whether a pod was injected without a proxy container (istio/istio manifests/charts, files/grpc-simple.yaml).

    A status that lists a proxy was copied from another pod.
    """
    try:
        status = read_json_map(annotations.get(STATUS))
    except ValueError:
        return False
    listed = [name for key in CONTAINERS for name in as_list(status.get(key))]
    present = [container.get("name") for key in CONTAINERS for container in spec.get(key) or ()]
    return bool(as_text(status.get("revision"))) and "istio-proxy" not in [*listed, *present]


def _proxy(spec: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    """Return the container of the sidecar or gateway proxy, native or not.

    ztunnel has a container of the same name and is left out.
    """
    for group in CONTAINERS:
        for container in spec.get(group) or ():
            image = str(container.get("image") or "")
            ztunnel = "ztunnel" in image.rsplit("/", 1)[-1]
            # A gateway that was not injected keeps the placeholder.
            if container.get("name") == "istio-proxy" and not ztunnel and image != PLACEHOLDER:
                return t.cast("Mapping[str, t.Any]", container)
    return {}


def proxy_image(spec: Mapping[str, t.Any]) -> str:
    """Return the image of a pod's proxy, empty if it has no proxy."""
    return str(_proxy(spec).get("image") or "")


def _home(container: Mapping[str, t.Any]) -> str:
    values = (str(env.get("value") or "") for env in container.get("env") or () if env.get("name") == PROXY_CONFIG)
    address = DISCOVERY.search(next(values, ""))
    return address[1] if address else ""


def read_pod(obj: Mapping[str, t.Any], *, requests: bool = True) -> Pod:
    """Return the facts of a raw Pod.

    Args:
        obj: the Pod as the API server returns it.
        requests: whether to read its resource requests: half of the work, and only a snapshot uses them.
    """
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    ready = next((c for c in status.get("conditions") or () if c["type"] == "Ready" and c["status"] == "True"), None)
    kept = {key: value for key, value in annotations_of(obj).items() if key in KEPT_ANNOTATIONS}
    proxy = _proxy(spec)
    image = str(proxy.get("image") or "")
    unreadable: tuple[Unreadable, ...] = ()
    if image and STATUS in kept and not kept.get(REVISION_LABEL):
        read = Reader(ObjectRef(str(meta.get("namespace") or ""), "Pod", name_of(obj)))
        _revision_from_annotations(kept, read)
        unreadable = read.unreadable
        # Keep only the fact that the annotation exists, not its unreadable content.
        kept = {**kept, STATUS: ""} if unreadable else kept
    return Pod(
        namespace=meta.get("namespace", ""),
        name=name_of(obj),
        uid=meta.get("uid", ""),
        labels=labels_of(obj),
        annotations=kept,
        host_network=bool(spec.get("hostNetwork")),
        phase=status.get("phase", ""),
        ready=ready is not None,
        deleting="deletionTimestamp" in meta,
        proxy_image=image,
        owner=controller_of(obj),
        node=str(spec.get("nodeName") or ""),
        requests=pod_requests(spec) if requests else NO_RESOURCES,
        ready_after=_seconds(meta.get("creationTimestamp"), ready.get("lastTransitionTime")) if ready else None,
        unreadable=unreadable,
        gone_at=str(meta.get("deletionTimestamp") or ""),
        home=_home(proxy),
        proxyless=not image and STATUS in kept and _is_proxyless(spec, kept),
    )


def _seconds(begin: object, end: object) -> float | None:
    first, last = as_time(begin), as_time(end)
    return (last - first).total_seconds() if first and last else None
