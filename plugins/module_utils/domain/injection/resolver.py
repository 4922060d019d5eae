# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The injection resolver: predicts which revision injects a pod that is created now, and why.

It evaluates the selectors of the installed webhooks with the API server's semantics, then istiod's own policy, so it is
correct for any installer, tag, deactivated webhook or custom selector.
Source of the policy: istio/istio pkg/kube/inject/inject.go (injectRequired), initializer.go (IgnoredNamespaces).
"""

from __future__ import annotations

import dataclasses
import enum
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import Labels, matches
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    INJECT_LABEL,
    INJECTION_LABEL,
    REVISION_LABEL,
    InjectionConfig,
    Injector,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    is_full_image,
    without_variant,
)

IGNORED_NAMESPACES = frozenset({"kube-system", "kube-public", "kube-node-lease", "local-path-storage"})
PROXY_IMAGE = "sidecar.istio.io/proxyImage"
PROXY_IMAGE_TYPE = "sidecar.istio.io/proxyImageType"


class InjectionReason(enum.Enum):
    """Why a pod gets a proxy or gets none. Decisions compare these values, never the sentence beside them."""

    SELECTED = enum.auto()
    #: The webhook cannot answer, and its failurePolicy is Fail: the API server rejects the pod.
    REJECTED = enum.auto()
    #: The webhook cannot answer, and its failurePolicy is Ignore.
    WEBHOOK_BROKEN = enum.auto()
    DANGLING_LABEL = enum.auto()
    NO_ACTIVE_DEFAULT = enum.auto()
    #: A label of the namespace, or a label or annotation of the pod, disables injection.
    OPTED_OUT = enum.auto()
    NOT_SELECTED = enum.auto()
    HOST_NETWORK = enum.auto()
    SYSTEM_NAMESPACE = enum.auto()
    #: The settings of the injector exclude the pod.
    POLICY = enum.auto()
    #: Another mesh of the cluster injects the pod.
    OTHER_MESH = enum.auto()


#: A reason and the sentence that explains it to people.
Reason = tuple[InjectionReason, str]


@dataclasses.dataclass(frozen=True)
class InjectionResult:
    """The revision that injects a pod created now, and why.

    Without a proxy of this mesh, None stands for the revision. If the API server would reject the pod, ``rejected`` is
    the cause, else it is empty.
    """

    revision: str | None
    code: InjectionReason
    reason: str
    injector: str = ""
    rejected: str = ""
    #: Namespace of another mesh that injects it.
    other_mesh: str = ""


@dataclasses.dataclass(frozen=True)
class PodShape:
    """The facts of a pod that injection depends on."""

    labels: Labels
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    host_network: bool = False


def called_hooks(injector: Injector, namespace_labels: Labels, pod_labels: Labels) -> list[Mapping[str, t.Any]]:
    """Return the webhooks of an injector that the API server calls for a pod created now."""
    return [
        hook
        for hook in injector.webhooks
        if _on_pod_creation(hook)
        and matches(hook.get("namespaceSelector"), namespace_labels)
        and matches(hook.get("objectSelector"), pod_labels)
    ]


def overlapping_injectors(mesh: Mesh, namespace_labels: Labels) -> list[Injector]:
    """Return the injectors of several revisions that are called for one pod of a namespace; the last one wins."""
    for pod_labels in ({}, {INJECT_LABEL: "true"}):
        callers = [injector for injector in mesh.all_injectors if called_hooks(injector, namespace_labels, pod_labels)]
        if len({(mesh.is_foreign(injector) and injector.home, injector.revision) for injector in callers}) > 1:
            return callers
    return []


def _on_pod_creation(hook: Mapping[str, t.Any]) -> bool:
    return any(
        {"CREATE", "*"} & set(rule.get("operations") or ()) and {"pods", "*", "*/*"} & set(rule.get("resources") or ())
        for rule in hook.get("rules") or ()
    )


def _any_selects(selectors: tuple[t.Any, ...], labels: Labels) -> bool:
    """Whether any selector matches; Istio ignores empty selectors here, unlike the API server."""
    return any(
        matches(selector, labels)
        for selector in selectors
        if selector.get("matchLabels") or selector.get("matchExpressions")
    )


def policy_refusal(config: InjectionConfig, namespace: str, pod: PodShape) -> Reason | None:
    """Return why istiod does not inject a pod that a webhook sent to it, or None if it does."""
    if pod.host_network:
        return InjectionReason.HOST_NETWORK, "the pod uses the host network"
    if namespace in IGNORED_NAMESPACES:
        return InjectionReason.SYSTEM_NAMESPACE, f"namespace {namespace} is a system namespace"
    inject = pod.labels.get(INJECT_LABEL, pod.annotations.get(INJECT_LABEL, ""))
    if inject == "true":
        return None
    if inject == "false":
        return InjectionReason.OPTED_OUT, f"the pod opts out by {INJECT_LABEL}=false"
    if _any_selects(config.never, pod.labels):
        return InjectionReason.POLICY, "a neverInjectSelector of the injector matches"
    if config.policy == "enabled" or _any_selects(config.always, pod.labels):
        return None
    return InjectionReason.POLICY, f"the injector's policy is {config.policy}"


def resolve(mesh: Mesh, namespace: str, namespace_labels: Labels, pod: PodShape) -> InjectionResult:
    """Predict what the API server and istiod do with a pod that is created now in a namespace."""
    labels = {"kubernetes.io/metadata.name": namespace, **namespace_labels}
    answering: list[Injector] = []
    code, reason = _no_selection(mesh, labels, pod.labels)
    for injector in mesh.all_injectors:
        hooks = called_hooks(injector, labels, pod.labels)
        silence = _cannot_answer(mesh, injector) if hooks else ""
        if silence and any(hook.get("failurePolicy") != "Ignore" for hook in hooks):
            return InjectionResult(None, InjectionReason.REJECTED, "the pod is rejected", injector.name, silence)
        if silence:
            code, reason = InjectionReason.WEBHOOK_BROKEN, f"{silence}, and its failurePolicy is Ignore"
        elif hooks:
            answering.append(injector)
    if not answering:
        return InjectionResult(None, code, reason)
    # The API server calls webhook configurations in the order of their names; the last injection replaces the others.
    for last in reversed(answering):
        refusal = policy_refusal(_config(mesh, last), namespace, pod)
        if refusal is None and mesh.is_foreign(last):
            reason = f"the mesh of namespace {last.home} injects it: {_selection(last, labels, pod.labels)}"
            return InjectionResult(None, InjectionReason.OTHER_MESH, reason, last.name, other_mesh=last.home)
        if refusal is None:
            return InjectionResult(
                last.revision, InjectionReason.SELECTED, _selection(last, labels, pod.labels), last.name
            )
        code, reason = refusal
    return InjectionResult(None, code, reason, answering[0].name)


def _config(mesh: Mesh, injector: Injector) -> InjectionConfig:
    revision = None if mesh.is_foreign(injector) else mesh.revisions.get(injector.revision)
    return revision.config if revision and revision.config else InjectionConfig()


def _cannot_answer(mesh: Mesh, injector: Injector) -> str:
    """Return why a call of the injector must fail as far as API objects show, or an empty string.

    The control planes of other meshes are not read, so their injectors count as answering.
    """
    if mesh.is_foreign(injector):
        return ""
    if injector.service is not None and injector.service not in mesh.services:
        return f"Service {'/'.join(injector.service)} of webhook {injector.name} is gone"
    if injector.service is not None and not injector.has_ca_bundle:
        return f"webhook {injector.name} has no caBundle: istiod of revision {injector.revision} never came up"
    control_plane = mesh.revisions.get(injector.revision)
    if control_plane and control_plane.deployment and control_plane.ready == 0:
        return f"no istiod of revision {injector.revision} is ready"
    if injector.service in mesh.local_services and not (control_plane and control_plane.deployment):
        return f"no istiod of revision {injector.revision} is installed"
    return ""


def _selection(injector: Injector, namespace: Labels, pod: Labels) -> str:
    """Return in words by which label an injector selects a pod."""
    owner = f"tag {injector.tag}" if injector.tag else f"revision {injector.revision}"
    if INJECTION_LABEL in namespace:
        return f"the namespace has label {INJECTION_LABEL}={namespace[INJECTION_LABEL]}, which {owner} owns"
    if REVISION_LABEL in namespace:
        return f"the namespace has label {REVISION_LABEL}={namespace[REVISION_LABEL]}, which {owner} owns"
    if REVISION_LABEL in pod:
        return f"the pod has label {REVISION_LABEL}={pod[REVISION_LABEL]}, which {owner} owns"
    return (
        f"{owner} selects it by {INJECT_LABEL}"
        if pod.get(INJECT_LABEL) == "true"
        else f"{owner} injects namespaces by default"
    )


def _no_selection(mesh: Mesh, namespace: Labels, pod: Labels) -> Reason:
    """Return why no injector selects a pod."""
    if INJECTION_LABEL in namespace and namespace[INJECTION_LABEL] != "enabled":
        return (
            InjectionReason.OPTED_OUT,
            f"the namespace has label {INJECTION_LABEL}={namespace[INJECTION_LABEL]}, and only 'enabled' injects",
        )
    if pod.get(INJECT_LABEL) == "false":
        return InjectionReason.OPTED_OUT, f"the pod opts out by {INJECT_LABEL}=false"
    if INJECTION_LABEL in namespace and not mesh.other_mesh_owning(DEFAULT):
        return (
            InjectionReason.NO_ACTIVE_DEFAULT,
            f"the namespace has label {INJECTION_LABEL}=enabled, but no default tag or injector is active",
        )
    for where, labels in (("namespace", namespace), ("pod", pod)):
        if REVISION_LABEL in labels and not _is_owned(mesh, labels[REVISION_LABEL]):
            return (
                InjectionReason.DANGLING_LABEL,
                f"the {where} has label {REVISION_LABEL}={labels[REVISION_LABEL]}, which no injector "
                "owns (dangling label)",
            )
    return InjectionReason.NOT_SELECTED, "no injector selects it"


def dangling_name(mesh: Mesh, namespace_labels: Labels) -> str | None:
    """Return the name in a namespace's label that no injector owns (its pods start without a proxy), or None."""
    if INJECTION_LABEL in namespace_labels:
        active = mesh.default_revision is not None or mesh.other_mesh_owning(DEFAULT) is not None
        return None if namespace_labels[INJECTION_LABEL] != "enabled" or active else f"{INJECTION_LABEL}=enabled"
    name = namespace_labels.get(REVISION_LABEL)
    return name if name is not None and not _is_owned(mesh, name) else None


def _is_owned(mesh: Mesh, name: str) -> bool:
    return mesh.injector(name) is not None or mesh.other_mesh_owning(name) is not None


def expected_image(config: InjectionConfig, annotations: Mapping[str, str]) -> str:
    """Return the proxy image that istiod would inject (istio/istio pkg/kube/inject/inject.go, ProxyImage, imageURL)."""
    if annotations.get(PROXY_IMAGE):
        return annotations[PROXY_IMAGE]
    if is_full_image(config.image):
        return config.image
    tag, kind = config.tag, annotations.get(PROXY_IMAGE_TYPE, config.variant)
    if kind:
        tag = without_variant(tag)
        tag = tag if kind == "default" else f"{tag}-{kind}"
    return f"{config.hub}/{config.image}:{tag}"
