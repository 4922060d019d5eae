# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads who refused a pod from the answer of the API server.

The HTTP status does not show it: a policy may refuse with 403 or 422, a webhook with any status from 400. Only the text
does. Sources: kubernetes/kubernetes apiserver pkg/admission/plugin/webhook/errors/statuserror.go (webhooks) and
plugin/policy/validating/dispatcher.go (policies), endpoints/handlers/responsewriters/errors.go (permissions),
plugin/pkg/admission/limitranger, plugin/resourcequota/controller.go, pod-security-admission/admission/admission.go.
"""

from __future__ import annotations

import dataclasses
import enum
import re

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTOR_SUFFIX

#: A webhook that declares side effects: it is never called in a dry run, and admits or denies only real pods.
_NO_DRY_RUN = re.compile(r'admission webhook "([^"]+)" does not support dry run')
#: The name of a webhook that denied a request, or that could not be called.
_WEBHOOK = re.compile(r'(?:admission webhook|failed calling webhook) "([^"]+)"')
_POLICY = re.compile(r"(ValidatingAdmissionPolicy|MutatingAdmissionPolicy) '([^']+)'")
_POD_SECURITY = re.compile(r'violates PodSecurity "([^"]+)"')
_QUOTA = re.compile(r"(exceeded|failed) quota: ([^,: ]+)")
_LIMITS = re.compile(r"(?:maximum|minimum) \S+ usage per |max limit to request ratio per ")
_INVALID = re.compile(r'Pod "[^"]*" is invalid')
#: Admission names the pod; the authorization of a request does not know its name yet.
_ADMISSION = re.compile(r'(?:pods "[^"]*" is forbidden|namespaces "[^"]*" not found)')
#: Names of the containers that injection adds, in a text about containers.
_INJECTED = re.compile(r'"istio-(?:init|proxy|validation)"')


class RefusedBy(enum.Enum):
    """The part of a cluster that refused a pod."""

    INJECTOR = "Istio's injection webhook"
    WEBHOOK = "another webhook"
    #: This shows nothing about the pod.
    NO_DRY_RUN = "a webhook that allows no dry runs"
    POLICY = "an admission policy"
    POD_SECURITY = "Pod Security"
    #: The quota has no room now; a pod that replaces another one may be admitted.
    FULL_QUOTA = "a full quota"
    #: The quota admits no pod of this form, for example one without limits.
    QUOTA = "a quota"
    LIMIT_RANGE = "a LimitRange"
    #: The pod is not valid as the mutating webhooks and policies left it.
    VALIDATION = "the validation of the API server"
    #: Another plugin of the API server, for example because its ServiceAccount does not exist.
    ADMISSION = "the API server"
    #: This user may not create pods: that shows nothing about the pod.
    PERMISSION = "the permissions of this user"


@dataclasses.dataclass(frozen=True)
class Refusal:
    """The refusal of a dry-run pod: who refused it, the name of the webhook, policy or quota, and the server's text."""

    by: RefusedBy
    text: str
    name: str = ""
    #: Whether the refused pod had containers of Istio, so that an injector had answered before.
    injected: bool = False

    def __str__(self) -> str:
        name = f" {self.name}" if self.name else ""
        return f"{self.by.value}{name}: {self.text}"

    @property
    def ended(self) -> str:
        """The refusal as the end of a sentence."""
        return f"{str(self).rstrip('.')}."

    @property
    def lasting(self) -> bool:
        """Whether every pod of this form would be refused, as far as the answer shows."""
        return self.by not in (RefusedBy.FULL_QUOTA, RefusedBy.NO_DRY_RUN, RefusedBy.PERMISSION)


def read_refusal(status: int, text: str) -> Refusal:
    """Return who refused a pod that was to be created.

    Args:
        status: the HTTP status of the answer.
        text: its message.
    """
    injected = bool(_INJECTED.search(text))
    if match := _NO_DRY_RUN.search(text):
        return Refusal(RefusedBy.NO_DRY_RUN, text, match[1], injected)
    if match := _WEBHOOK.search(text):
        by = RefusedBy.INJECTOR if match[1].endswith(INJECTOR_SUFFIX) else RefusedBy.WEBHOOK
        return Refusal(by, text, match[1], injected)
    if match := _POLICY.search(text):
        return Refusal(RefusedBy.POLICY, text, match[2], injected)
    if match := _POD_SECURITY.search(text):
        return Refusal(RefusedBy.POD_SECURITY, text, match[1], injected)
    if match := _QUOTA.search(text):
        return Refusal(RefusedBy.FULL_QUOTA if match[1] == "exceeded" else RefusedBy.QUOTA, text, match[2], injected)
    if _LIMITS.search(text):
        return Refusal(RefusedBy.LIMIT_RANGE, text, injected=injected)
    if _INVALID.search(text):
        return Refusal(RefusedBy.VALIDATION, text, injected=injected)
    if _ADMISSION.search(text) or status != 403:
        return Refusal(RefusedBy.ADMISSION, text, injected=injected)
    return Refusal(RefusedBy.PERMISSION, text)
