# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides whether a pod is stale: compares the proxy that it runs with the one that it would get now.

Source: istio/istio pkg/kube/inject (images).
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import shown
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer, Prediction
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.images import (
    is_only_other_version,
    shows_same_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY, STATUS, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    PROXY_IMAGE,
    InjectionResult,
    PodShape,
    expected_image,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    image_tag,
    parse_image,
    same_image,
)


class ProxyCondition(enum.Enum):
    """A pod's proxy compared with the one that the pod would get if it were created now."""

    CURRENT = "current"
    STALE_REVISION = "stale_revision"
    STALE_IMAGE = "stale_image"
    MISSING = "missing"
    #: A restart would take the pod out of the mesh, so this is only reported.
    WOULD_LOSE_PROXY = "would_lose_proxy"
    PINNED = "pinned"
    NOT_IN_MESH = "not_in_mesh"


#: Version of a proxy whose image does not show one.
UNKNOWN_VERSION = "unknown"
#: Conditions that a restart fixes, for every module.
STALE = frozenset({ProxyCondition.STALE_REVISION, ProxyCondition.STALE_IMAGE, ProxyCondition.MISSING})


class Basis(enum.Enum):
    """The prediction or answer that a proxy was compared with; the values are those of results."""

    #: The prediction of the resolver, where only Istio's own webhooks decide.
    RESOLVED = "resolved"
    #: The answer of the API server to a dry run.
    ASKED = "asked"
    #: A refusal, so only the revision and the version count.
    REFUSED = "not judged: refused"
    #: Nothing: the prediction is not enough, and the API server was not asked.
    UNASKED = "not judged: not asked"


@dataclasses.dataclass(frozen=True)
class ProxyStatus:
    """The condition of a pod's proxy, and the injection result and image that a new pod would get."""

    condition: ProxyCondition
    injection: InjectionResult
    expected_image: str = ""
    basis: Basis = Basis.RESOLVED

    @property
    def stale(self) -> bool:
        """Whether only a new pod would have the right proxy."""
        return self.condition in STALE


def predict(
    mesh: Mesh, namespace: str, namespace_labels: Mapping[str, str], shape: PodShape
) -> tuple[InjectionResult, Prediction]:
    """Return what the resolver expects for a pod of this shape that is created now."""
    annotations = {key: value for key, value in shape.annotations.items() if key not in (REVISION_LABEL, STATUS)}
    injection = resolve(mesh, namespace, namespace_labels, dataclasses.replace(shape, annotations=annotations))
    revision = mesh.revisions.get(injection.revision or "")
    unpinned = {key: value for key, value in annotations.items() if key != PROXY_IMAGE}
    image = expected_image(revision.config, unpinned) if revision and revision.config else ""
    return injection, Prediction(injection.revision, image, injection.must_ask)


def evaluate_proxy(
    mesh: Mesh, namespace_labels: Mapping[str, str], pod: Pod, answer: Answer | None = None
) -> ProxyStatus:
    """Compare a pod's proxy with the one that it would get now.

    Args:
        mesh: the mesh.
        namespace_labels: the labels of the pod's namespace.
        pod: the pod.
        answer: the answer of the API server to a dry run of such a pod, if there is one. It counts as long as the
            resolver expects the same as it did then.
    """
    shape = PodShape(pod.labels, pod.annotations, pod.host_network)
    injection, prediction = predict(mesh, pod.namespace, namespace_labels, shape)
    if MANAGED_GATEWAY in pod.labels:
        # istiod itself replaces these pods. They are never injected, so the webhooks do not apply to them.
        return ProxyStatus(ProxyCondition.NOT_IN_MESH, injection)
    image, basis = prediction.image, Basis.RESOLVED
    if answer is not None and answer.prediction == prediction:
        basis = Basis.REFUSED if answer.refusal else Basis.ASKED
        if basis is Basis.ASKED:
            injection, image = answer.injection(mesh, injection), answer.image
    if injection.must_ask and not (injection.revision and pod.is_meshed):
        # Without the answer of the API server, a pod without a proxy counts as one that the conditions exclude.
        unanswered = basis if basis is Basis.REFUSED else Basis.UNASKED
        return ProxyStatus(ProxyCondition.NOT_IN_MESH, injection, basis=unanswered)
    if injection.revision is None:
        # A proxy that was not injected is part of the template and comes back with the pod.
        injected = pod.is_meshed and STATUS in pod.annotations
        lost = injected and not (injection.rejected or injection.other_mesh or pod.home in mesh.other_mesh_namespaces)
        return ProxyStatus(
            ProxyCondition.WOULD_LOSE_PROXY if lost else ProxyCondition.NOT_IN_MESH, injection, basis=basis
        )
    own = prediction.image if prediction.revision == injection.revision else ""
    condition, basis = _condition(mesh, pod, injection.revision, (image, own), basis)
    return ProxyStatus(condition, injection, image, basis)


def _condition(
    mesh: Mesh, pod: Pod, revision: str, images: tuple[str, str], basis: Basis
) -> tuple[ProxyCondition, Basis]:
    """Return the condition of a pod that would be injected by a revision, and its basis.

    Args:
        images: the image that it would get, and the one that Istio itself injects; empty if unknown. A proxy with
            Istio's own image is current also if a policy would rewrite this image now, whoever asks.
    """
    image, own = images
    if not pod.is_meshed:
        return ProxyCondition.MISSING, basis
    if pod.revision != revision or pod.home in mesh.other_mesh_namespaces:
        return ProxyCondition.STALE_REVISION, basis
    if pod.proxyless or not image or same_image(pod.proxy_image, image) or (own and same_image(pod.proxy_image, own)):
        return ProxyCondition.CURRENT, basis
    if PROXY_IMAGE in pod.annotations:
        return ProxyCondition.PINNED, basis
    if basis is Basis.ASKED or is_only_other_version(pod.proxy_image, image):
        return ProxyCondition.STALE_IMAGE, basis
    # Not Istio, but something else made the name: the API server has to be asked.
    if basis is Basis.REFUSED and shows_same_version(pod.proxy_image, image):
        return ProxyCondition.CURRENT, basis
    return ProxyCondition.STALE_IMAGE, basis if basis is Basis.REFUSED else Basis.UNASKED


def proxy_version(image: str) -> str:
    """Return the version of a proxy image for reports: its tag, or the digest if it has none."""
    return shown(image_tag(image), 128) or UNKNOWN_VERSION


def counted_version(mesh: Mesh, pod: Pod, status: ProxyStatus) -> str:
    """Return the version by which a pod's proxy is counted; a digest is not a version.

    A proxy that the pod would get again now has the version that its revision injects.
    """
    tag = parse_image(pod.proxy_image).tag
    revision = mesh.revisions.get(pod.revision or "")
    if not tag and revision and revision.config and status.condition is ProxyCondition.CURRENT:
        tag = revision.config.tag or revision.version
    return shown(tag, 128) or UNKNOWN_VERSION
