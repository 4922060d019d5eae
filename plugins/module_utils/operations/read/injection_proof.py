# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks the API server by a dry run for a pod that a revision injects (safety rule S3).

The pod of the dry run stands for no workload, so a refusal by anything but Istio's injector proves nothing. Then other
namespaces are tried. Workloads prove the rest: before a restart, each namespace is asked with a template of its own.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.dry_run_pods import stand_in
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal, RefusedBy
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.images import shows_other_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    InjectionReason,
    PodShape,
    expected_image,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.parts import Namespace
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    has_wanted_tag,
    image_tag,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.admission import dry_run

#: In how many namespaces a pod is tried that policies refuse.
PLACES = 6


@dataclasses.dataclass(frozen=True)
class Proof:
    """The result of asking for an injected pod.

    ``problem`` is why a revision does not inject correctly, empty if nothing shows that. ``doubt`` is why no pod could
    be asked for, empty if a pod proves the revision.
    """

    problem: str = ""
    doubt: str = ""


@dataclasses.dataclass(frozen=True)
class StandInAnswers:
    """The answers to a pod that stands for no workload: the pod, if a namespace admits it, and the refusals before."""

    pod: Pod | None = None
    refusals: Mapping[str, Refusal] = dataclasses.field(default_factory=dict)

    @property
    def rejection(self) -> str:
        """The text with which Istio's injector rejects the pod, or the API server in every namespace; else empty."""
        refusals = list(self.refusals.values())
        if rejections := [refusal.text for refusal in refusals if refusal.by is RefusedBy.INJECTOR]:
            return rejections[0]
        invalid = next((refusal.text for refusal in refusals if refusal.by is RefusedBy.VALIDATION), "")
        return "" if self.pod or any(refusal.injected for refusal in refusals) else invalid

    def doubt(self, revision: str) -> str:
        """Return why no pod could be asked for, or an empty text."""
        if self.pod or self.rejection:
            return ""
        if not self.refusals:
            return f"the labels of every namespace lead pods to another revision than {revision}"
        place, refusal = next(iter(self.refusals.items()))
        others = f" and in {len(self.refusals) - 1} more namespaces" if len(self.refusals) > 1 else ""
        return f"a dry-run pod for it is refused in namespace {place}{others}, by {str(refusal).rstrip('.')}"


def probe_namespaces(mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str) -> list[str]:
    """Return the first namespaces in which a pod with the label of a revision leads to it."""
    injectors = {injector.name for injector in mesh.injectors if injector.revision == revision}

    def leading() -> Iterator[str]:
        preferred = [name for name in (mesh.namespace, "default") if name in namespaces]
        for name in dict.fromkeys([*preferred, *sorted(namespaces)]):
            result = resolve(mesh, name, namespaces[name].labels, PodShape({REVISION_LABEL: revision}))
            rejected = result.code is InjectionReason.REJECTED and result.injector in injectors
            if result.revision == revision or rejected:
                yield name

    return list(itertools.islice(leading(), PLACES))


def stand_in_of(mesh: Mesh, revision: str) -> Json:
    """Return a pod that a revision injects and that stands for no workload."""
    plane = mesh.revisions.get(revision)
    return stand_in({REVISION_LABEL: revision}, image=plane.image if plane else "")


def ask_for_stand_in(client: Client, places: Iterable[str], body: Json) -> StandInAnswers:
    """Ask for a pod in some namespaces, until one admits it or Istio's injector rejects it.

    Raises:
        ForbiddenError: this user may not create pods.
        ApiError: the API server failed before it called the webhook.
        ClusterError: the API server does not answer.
    """
    refusals: dict[str, Refusal] = {}
    for namespace in places:
        made = dry_run(client, namespace, body)
        if isinstance(made, Pod):
            return StandInAnswers(made, refusals)
        refusals[namespace] = made
        if made.by is RefusedBy.INJECTOR:
            break
    return StandInAnswers(None, refusals)


def ask_for_pod_of(client: Client, mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str) -> StandInAnswers:
    """Ask for a pod that a revision injects, in other namespaces too if something else refuses it.

    Raises:
        ForbiddenError: this user may not create pods.
        ApiError: the API server failed before it called the webhook.
        ClusterError: the API server does not answer.
    """
    return ask_for_stand_in(client, probe_namespaces(mesh, namespaces, revision), stand_in_of(mesh, revision))


def prove_injection(
    client: Client, mesh: Mesh, namespaces: Mapping[str, Namespace], revision: str, version: str | None = None
) -> Proof:
    """Return whether a pod shows that a revision injects correctly.

    Only the pod shows the version of a control plane outside this cluster.

    Raises:
        ForbiddenError: this user may not create pods.
        ApiError: the API server failed before it called the webhook.
        ClusterError: the API server does not answer.
    """
    answers = ask_for_pod_of(client, mesh, namespaces, revision)
    if answers.rejection:
        return Proof(f"a dry-run pod for it is rejected: {answers.rejection}")
    if answers.pod:
        return Proof(_injection_problem(mesh, revision, version, answers.pod) or "")
    return Proof(doubt=answers.doubt(revision))


def _injection_problem(mesh: Mesh, revision: str, version: str | None, pod: Pod) -> str | None:
    """Return why a pod of a dry run shows that a revision does not inject correctly, or None."""
    if not pod.proxy_image:
        return "a dry-run pod for it comes back without a proxy"
    if pod.revision != revision:
        return f"a dry-run pod for it is injected by revision {pod.revision}"
    config = mesh.revisions[revision].config
    expected = expected_image(config, {}) if config else ""
    # Mirrors, digests and types of images change the name of the image, but not the version in it.
    if expected and shows_other_version(pod.proxy_image, expected):
        return f"a dry-run pod for it gets the image {pod.proxy_image}, not {expected}"
    if version and mesh.is_remote(revision) and not has_wanted_tag(image_tag(pod.proxy_image), version):
        return f"a dry-run pod for it gets the image {pod.proxy_image}, not one of {version}"
    return None
