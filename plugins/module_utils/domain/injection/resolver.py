# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The injection resolver: predicts which revision injects a pod that is created now, and why.

It evaluates the selectors and rules of the installed webhooks with the API server's semantics, then istiod's own
policy, so it is correct for any installer, tag, deactivated webhook or custom selector. It does not evaluate
matchConditions (CEL): where they decide, the result says that the API server must be asked.
Source of the policy: istio/istio pkg/kube/inject/inject.go (injectRequired), initializer.go (IgnoredNamespaces).
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.webhook_calls import (
    WebhookCall,
    remaining_injection,
    webhook_calls,
)
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
#: Number of webhooks with matchConditions for one pod up to which all their combinations are compared.
MAX_CONDITIONAL = 4


class InjectionReason(enum.Enum):
    """Why a pod gets a proxy or gets none. Decisions compare these values, never the sentence beside them."""

    SELECTED = enum.auto()
    #: The webhook cannot answer, and its failurePolicy is Fail: the API server rejects the pod.
    REJECTED = enum.auto()
    #: The webhook cannot answer, and its failurePolicy is Ignore.
    WEBHOOK_BROKEN = enum.auto()
    #: The label of the namespace names no revision or tag, or that of the pod in a namespace without such a label.
    DANGLING_LABEL = enum.auto()
    DANGLING_POD_LABEL = enum.auto()
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
    #: The API server answers a dry run with a pod without a proxy.
    ADMISSION = enum.auto()


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
    #: Whether only the API server knows: matchConditions of a webhook decide. The rest is as if they were fulfilled.
    must_ask: bool = False

    @property
    def outcome(self) -> tuple[str | None, str, bool]:
        """The effect on the pod, without the explanation."""
        return self.revision, self.other_mesh, bool(self.rejected)


@dataclasses.dataclass(frozen=True)
class PodShape:
    """The facts of a pod that injection depends on."""

    labels: Labels
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict)
    host_network: bool = False


def overlapping_injectors(mesh: Mesh, namespace_labels: Labels) -> list[Injector]:
    """Return the injectors of several revisions that are called for one pod of a namespace; the last one remains.

    Other meshes of the cluster do not count: two meshes that own one name are one finding of their own.
    """
    for pod_labels in ({}, {INJECT_LABEL: "true"}):
        calls = [
            call for call in webhook_calls(mesh, namespace_labels, pod_labels) if not mesh.is_foreign(call.injector)
        ]
        callers = {call.injector.name: call.injector for call in calls}
        if len({injector.revision for injector in callers.values()}) > 1:
            remaining = callers.pop(remaining_injection(calls).injector.name)
            return [*callers.values(), remaining]
    return []


def _any_selects(selectors: tuple[Json, ...], labels: Labels) -> bool:
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
    calls = webhook_calls(mesh, labels, pod.labels)
    result = _resolve_calls(mesh, namespace, labels, pod, calls)
    conditional = [index for index, call in enumerate(calls) if call.conditional]
    if not conditional:
        return result

    def result_without(skipped: Collection[int]) -> InjectionResult:
        left = [call for index, call in enumerate(calls) if index not in skipped]
        return _resolve_calls(mesh, namespace, labels, pod, left)

    if len(conditional) <= MAX_CONDITIONAL:
        subsets = (skipped for size in range(1, len(conditional) + 1) for skipped in combinations(conditional, size))
        if all(result_without(skipped).outcome == result.outcome for skipped in subsets):
            return result
    webhooks = join_limited(sorted({calls[index].injector.name for index in conditional}))
    reason = f"{result.reason}; this depends on the matchConditions of {webhooks}"
    return dataclasses.replace(result, reason=reason, must_ask=True)


def _resolve_calls(
    mesh: Mesh, namespace: str, labels: Labels, pod: PodShape, calls: Sequence[WebhookCall]
) -> InjectionResult:
    """Return the result if the API server makes exactly these calls."""
    injecting: list[WebhookCall] = []
    code, reason = _no_selection(mesh, labels, pod.labels)
    name = ""
    for call in calls:
        silence = _cannot_answer(mesh, call)
        if silence and call.rejects_without_answer:
            return InjectionResult(
                None, InjectionReason.REJECTED, "the pod is rejected", call.injector.name, rejected=silence
            )
        if silence:
            broken = InjectionReason.WEBHOOK_BROKEN, f"{silence}, and its failurePolicy is Ignore"
            code, reason = (code, reason) if name else broken
            continue
        refusal = policy_refusal(_config(mesh, call), namespace, pod)
        if refusal is None:
            injecting.append(call)
        elif not name:
            name, (code, reason) = call.injector.name, refusal
    if not injecting:
        return InjectionResult(None, code, reason, name)
    last = remaining_injection(injecting)
    selection, home = _selection(last.injector, labels, pod.labels), last.injector.home
    if mesh.is_foreign(last.injector):
        reason = f"the mesh of namespace {home} injects it: {selection}"
        return InjectionResult(None, InjectionReason.OTHER_MESH, reason, last.injector.name, other_mesh=home)
    return InjectionResult(_revision_of(mesh, last), InjectionReason.SELECTED, selection, last.injector.name)


def _revision_of(mesh: Mesh, call: WebhookCall) -> str:
    """Return the revision that answers a call: a Service leads to its istiod whatever labels the webhook has."""
    service = call.service
    return mesh.service_revisions.get(service, call.injector.revision) if service else call.injector.revision


def _config(mesh: Mesh, call: WebhookCall) -> InjectionConfig:
    revision = None if mesh.is_foreign(call.injector) else mesh.revisions.get(_revision_of(mesh, call))
    return revision.config if revision and revision.config else InjectionConfig()


def _cannot_answer(mesh: Mesh, call: WebhookCall) -> str:
    """Return why a call must fail as far as API objects show, or an empty string.

    The control planes of other meshes are not read, so their injectors count as answering.
    """
    service, webhook, revision = call.service, call.injector.name, _revision_of(mesh, call)
    if mesh.is_foreign(call.injector) or service is None or service[0] != mesh.namespace:
        return ""
    if service not in mesh.services:
        return f"Service {'/'.join(service)} of webhook {webhook} is gone"
    if not call.has_ca_bundle:
        return f"webhook {webhook} has no caBundle: istiod of revision {revision} never came up"
    control_plane = mesh.revisions.get(revision)
    if control_plane and control_plane.deployment and control_plane.ready == 0:
        return f"no istiod of revision {revision} is ready"
    if service in mesh.local_services and not (control_plane and control_plane.deployment):
        return f"no istiod of revision {revision} is installed"
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
    selected = pod.get(INJECT_LABEL) == "true"
    return f"{owner} selects it by {INJECT_LABEL}" if selected else f"{owner} injects namespaces by default"


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
    for code, where, labels in (
        (InjectionReason.DANGLING_LABEL, "namespace", namespace),
        (InjectionReason.DANGLING_POD_LABEL, "pod", pod),
    ):
        if REVISION_LABEL in labels and not _is_owned(mesh, labels[REVISION_LABEL]):
            name = labels[REVISION_LABEL]
            return code, f"the {where} has label {REVISION_LABEL}={name}, which no injector owns (dangling label)"
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
