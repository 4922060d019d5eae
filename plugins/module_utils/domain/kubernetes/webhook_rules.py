# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluates the rules of webhooks and admission policies for the creation of a pod, and reads what a webhook calls.

Source: kubernetes/apiserver pkg/admission/plugin/webhook/predicates/rules/rules.go.
"""

from __future__ import annotations

import typing as t
from collections.abc import Collection, Iterable, Mapping

#: The forms of a rule's scope that include objects in a namespace, and those of the cluster, of which namespaces are
#: one; the API server fills in ``*``.
POD_SCOPES = frozenset({None, "*", "Namespaced"})
NAMESPACE_SCOPES = frozenset({None, "*", "Cluster"})


def match_pod_creation(rules: Iterable[Mapping[str, t.Any]] | None) -> bool:
    """Whether any rule matches the creation of a pod."""
    return _match(rules, "CREATE", "pods", POD_SCOPES)


def match_namespace_update(rules: Iterable[Mapping[str, t.Any]] | None) -> bool:
    """Whether any rule matches a change of a namespace, such as of its labels."""
    return _match(rules, "UPDATE", "namespaces", NAMESPACE_SCOPES)


def _match(
    rules: Iterable[Mapping[str, t.Any]] | None, operation: str, resource: str, scopes: Collection[str | None]
) -> bool:
    # The forms that include the objects themselves, not only their subresources.
    forms = {resource, "*", f"{resource}/*", "*/*"}
    return any(
        _includes(rule, "operations", operation)
        and _includes(rule, "apiGroups", "")
        and _includes(rule, "apiVersions", "v1")
        and forms & set(rule.get("resources") or ())
        and rule.get("scope") in scopes
        for rule in rules or ()
    )


def _includes(rule: Mapping[str, t.Any], field: str, value: str) -> bool:
    items: Collection[str] = rule.get(field) or ()
    return value in items or "*" in items


def called_service(hook: Mapping[str, t.Any]) -> tuple[str, str] | None:
    """Return (namespace, name) of the Service that a webhook calls, or None if it calls a URL."""
    service = (hook.get("clientConfig") or {}).get("service")
    return (str(service["namespace"]), str(service["name"])) if service else None


def has_ca_bundle(hook: Mapping[str, t.Any]) -> bool:
    """Return whether a webhook has a certificate by which the API server verifies what it calls."""
    return bool((hook.get("clientConfig") or {}).get("caBundle"))
