# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer of the API server to a dry run of a pod: the proxy that the pod would get, or its refusal."""

from __future__ import annotations

import dataclasses

from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    InjectionReason,
    InjectionResult,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The revision that the resolver expects, and the image that this revision injects; empty if unknown."""

    revision: str | None
    image: str
    #: Whether conditions decide that only the API server can evaluate.
    must_ask: bool = False


@dataclasses.dataclass(frozen=True)
class Answer:
    """The answer to one dry run, and what the resolver expected then.

    With a refusal, the other fields say nothing.
    """

    prediction: Prediction
    revision: str | None = None
    image: str = ""
    #: Namespace of the istiod that injected it, empty if unknown.
    home: str = ""
    refusal: Refusal | None = None

    @classmethod
    def of_pod(cls, prediction: Prediction, pod: Pod) -> Answer:
        """Return the answer that a pod of a dry run is."""
        return cls(prediction, pod.revision, pod.proxy_image, pod.home)

    def injection(self, mesh: Mesh, resolved: InjectionResult) -> InjectionResult:
        """Return the injection that the answer shows; that of the resolver if both name the same revision."""
        if self.home in mesh.other_mesh_namespaces:
            reason = f"a dry run shows that the mesh of namespace {self.home} injects it"
            return InjectionResult(None, InjectionReason.OTHER_MESH, reason, other_mesh=self.home)
        if self.revision == resolved.revision:
            return dataclasses.replace(resolved, must_ask=False)
        shown_by = f"injected by revision {self.revision}" if self.revision else "without a proxy"
        code = InjectionReason.SELECTED if self.revision else InjectionReason.ADMISSION
        return InjectionResult(self.revision, code, f"a dry run of it comes back {shown_by}", resolved.injector)
