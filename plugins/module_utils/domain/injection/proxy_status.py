# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What proxy a pod runs, and whether it is the one it would get now.

Sources: istio/istio istioctl/pkg/describe/describe.go (where a pod's revision is written), pkg/kube/inject (images).
"""

from __future__ import annotations

import dataclasses
import re
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import Reader, Unreadable, as_time, shown
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import annotations_of, labels_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    PROXY_IMAGE,
    PROXY_IMAGE_TYPE,
    PodShape,
    Verdict,
    expected_image,
    resolve,
    without_image_type,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import (
    NOTHING,
    Need,
    need_of_pod,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL, REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import image_tag

CURRENT = "current"
STALE_REVISION = "stale_revision"
STALE_IMAGE = "stale_image"
MISSING = "missing"
EXTRA = "extra"
PINNED = "pinned"
OUTSIDE = "outside"
#: What a restart mends, for every module. EXTRA is only reported: a restart would take the pod out of the mesh.
STALE = frozenset({STALE_REVISION, STALE_IMAGE, MISSING})

STATUS = "sidecar.istio.io/status"
#: Image that injection replaces in templates of gateways.
PLACEHOLDER = "auto"
MANAGED_GATEWAY = "gateway.istio.io/managed"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
#: Where a proxy looks for its istiod, and in which namespace that is (istio/istio manifests/charts, configmap.yaml).
PROXY_CONFIG = "PROXY_CONFIG"
DISCOVERY = re.compile(r'"discoveryAddress":\s*"[^".:]+\.([a-z0-9-]+)\.svc[.:]')
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


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """What of a pod counts for an upgrade; small, so that a snapshot of a large cluster stays small."""

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
    need: Need = NOTHING
    #: Seconds from its creation until it was ready, as it last got so; None while it is not.
    ready_after: float | None = None
    unreadable: tuple[Unreadable, ...] = ()
    #: When a pod that is deleted has to be gone, as the API server says it; empty for all others.
    gone_at: str = ""
    #: Namespace of the istiod that its proxy looks for, empty where that is not told.
    home: str = ""

    @property
    def live(self) -> bool:
        """Whether the pod still runs or will run; finished pods carry no proxy that matters."""
        return self.phase not in ("Succeeded", "Failed")

    @property
    def revision(self) -> str | None:
        """Revision of the proxy: annotation, else the status of the injection, else (Istio before 1.11) the label."""
        if not self.proxy_image:
            return None
        told = _told_revision(self.annotations, Reader("pod"))
        # a name that no revision can have is told of in one line
        return shown(told) or self.labels.get(REVISION_LABEL) or "default"


def _told_revision(annotations: Mapping[str, str], read: Reader) -> str:
    """Return what the annotations of a pod say of the revision that injected it; anybody may have written them."""
    if annotations.get(REVISION_LABEL):
        return annotations[REVISION_LABEL]
    status = f"annotation {STATUS}"
    return read.text(f"revision in {status}", read.json(status, annotations.get(STATUS)).get("revision"))


def _proxy(spec: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    """Return the container of the sidecar or gateway proxy, native or not; ztunnel has a container of the same name."""
    for group in ("containers", "initContainers"):
        for container in spec.get(group) or ():
            image = str(container.get("image") or "")
            ztunnel = "ztunnel" in image.rsplit("/", 1)[-1]
            # a gateway that was not injected keeps it
            if container.get("name") == "istio-proxy" and not ztunnel and image != PLACEHOLDER:
                return t.cast("Mapping[str, t.Any]", container)
    return {}


def proxy_image(spec: Mapping[str, t.Any]) -> str:
    """Return the image of a pod's proxy, empty where it has none."""
    return str(_proxy(spec).get("image") or "")


def _home(container: Mapping[str, t.Any]) -> str:
    texts = (str(one.get("value") or "") for one in container.get("env") or () if one.get("name") == PROXY_CONFIG)
    found = DISCOVERY.search(next(texts, ""))
    return found[1] if found else ""


def read_pod(obj: Mapping[str, t.Any], *, need: bool = True) -> Pod:
    """Return the facts of a raw Pod; ``need`` is half of the work, and only a snapshot has use for it."""
    meta, spec, status = obj["metadata"], obj.get("spec") or {}, obj.get("status") or {}
    owners = [owner for owner in meta.get("ownerReferences") or () if owner.get("controller")]
    ready = next((c for c in status.get("conditions") or () if c["type"] == "Ready" and c["status"] == "True"), None)
    kept = {key: value for key, value in annotations_of(obj).items() if key in KEPT_ANNOTATIONS}
    proxy = _proxy(spec)
    image = str(proxy.get("image") or "")
    unreadable: tuple[Unreadable, ...] = ()
    if image and STATUS in kept and not kept.get(REVISION_LABEL):
        read = Reader(f"Pod {meta.get('namespace', '')}/{name_of(obj)}")
        _told_revision(kept, read)
        unreadable = read.unreadable
        # what cannot be read is not kept, but that there was something
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
        owner=Owner(owners[0]["kind"], owners[0]["name"]) if owners else None,
        node=str(spec.get("nodeName") or ""),
        need=need_of_pod(spec) if need else NOTHING,
        ready_after=_seconds(meta.get("creationTimestamp"), ready.get("lastTransitionTime")) if ready else None,
        unreadable=unreadable,
        gone_at=str(meta.get("deletionTimestamp") or ""),
        home=_home(proxy),
    )


def _seconds(begin: object, end: object) -> float | None:
    first, last = as_time(begin), as_time(end)
    return (last - first).total_seconds() if first and last else None


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A pod beside what it would be if it were created now."""

    condition: str
    verdict: Verdict
    wanted_image: str = ""

    @property
    def stale(self) -> bool:
        """Whether only a new pod would be right."""
        return self.condition in STALE


def judge(mesh: Mesh, namespace_labels: Mapping[str, str], pod: Pod) -> Judgement:
    """Return whether a pod's proxy is the one it would get now."""
    own = {key: value for key, value in pod.annotations.items() if key not in (REVISION_LABEL, STATUS)}
    verdict = resolve(mesh, pod.namespace, namespace_labels, PodShape(pod.labels, own, pod.host_network))
    if MANAGED_GATEWAY in pod.labels:
        # istiod itself rolls these; they are never injected, so the webhooks say nothing about them
        return Judgement(OUTSIDE, verdict)
    if verdict.revision is None:
        # a proxy that was not injected is of the template itself, and comes back with the pod
        injected = pod.proxy_image and STATUS in pod.annotations
        lost = injected and not (verdict.rejected or verdict.elsewhere or pod.home in mesh.others)
        return Judgement(EXTRA if lost else OUTSIDE, verdict)
    revision = mesh.revisions.get(verdict.revision)
    unpinned = {key: value for key, value in own.items() if key != PROXY_IMAGE}
    wanted = expected_image(revision.config, unpinned) if revision and revision.config else ""
    if not pod.proxy_image:
        return Judgement(MISSING, verdict, wanted)
    if pod.revision != verdict.revision or pod.home in mesh.others:
        return Judgement(STALE_REVISION, verdict, wanted)
    if wanted and without_image_type(pod.proxy_image) != without_image_type(wanted):
        return Judgement(PINNED if PROXY_IMAGE in own else STALE_IMAGE, verdict, wanted)
    return Judgement(CURRENT, verdict, wanted)


def proxy_version(image: str) -> str:
    """Return the version of a proxy image for reports."""
    return shown(image_tag(image), 128) or "unknown"
