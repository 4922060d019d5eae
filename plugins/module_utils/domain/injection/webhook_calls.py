# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which injection webhooks the API server calls for a pod that is created, and which of their injections remains.

Sources: kubernetes/apiserver pkg/admission/plugin/webhook/predicates/rules/rules.go (rules), generic/webhook.go
(selectors, matchConditions), mutating/dispatcher.go and reinvocationcontext.go (order and reinvocation).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import Labels, matches
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.webhook_rules import (
    called_service,
    has_ca_bundle,
    match_pod_creation,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Injector, Mesh


@dataclasses.dataclass(frozen=True)
class WebhookCall:
    """A webhook that the API server calls for a pod, and the injector that it is part of."""

    injector: Injector
    hook: Json

    @property
    def conditional(self) -> bool:
        """Whether matchConditions, which only the API server can evaluate, may prevent the call."""
        return bool(self.hook.get("matchConditions"))

    @property
    def rejects_without_answer(self) -> bool:
        """Whether the API server rejects the pod if the webhook does not answer."""
        return bool(self.hook.get("failurePolicy") != "Ignore")

    @property
    def repeated(self) -> bool:
        """Whether the API server calls the webhook again after a later one has changed the pod."""
        return bool(self.hook.get("reinvocationPolicy") == "IfNeeded")

    @property
    def service(self) -> tuple[str, str] | None:
        """(namespace, name) of the Service that it calls, or None if it calls a URL."""
        return called_service(self.hook)

    @property
    def has_ca_bundle(self) -> bool:
        """Whether istiod has filled in its certificate."""
        return has_ca_bundle(self.hook)


def webhook_calls(mesh: Mesh, namespace_labels: Labels, pod_labels: Labels) -> list[WebhookCall]:
    """Return the calls for a pod created now, in the order of the API server: by the names of the configurations."""
    return [
        WebhookCall(injector, hook)
        for injector in mesh.all_injectors
        for hook in injector.webhooks
        if matches(hook.get("namespaceSelector"), namespace_labels)
        and matches(hook.get("objectSelector"), pod_labels)
        and match_pod_creation(hook.get("rules"))
    ]


def remaining_injection(injecting: Sequence[WebhookCall]) -> WebhookCall:
    """Return the call whose injection remains, of those that inject a pod; each replaces the injection before it.

    Those with reinvocationPolicy IfNeeded are called again after the last change, in the same order.
    """
    return next((call for call in reversed(injecting) if call.repeated), injecting[-1])
