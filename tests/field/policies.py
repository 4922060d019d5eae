# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Admission policies of the API server in place of other products: ValidatingAdmissionPolicy, MutatingAdmissionPolicy.

A policy takes a moment to be in force, so each context manager waits until a check of the caller holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from integration.meshes import ADMISSION
from integration.objects import until
from lab import ApiError, Cluster

Json = dict[str, Any]
VERSION = ADMISSION.removeprefix("/apis/")
PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
NAMESPACES = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["namespaces"]}
SOON = 20.0


@contextlib.contextmanager
def validating(
    cluster: Cluster,
    name: str,
    expression: str,
    *,
    rule: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    reason: str | None = None,
    in_force: Callable[[], object],
) -> Iterator[None]:
    """Deny objects for which a CEL expression is false; ``where`` is the matchResources of the binding.

    Without a reason the API server answers 422; reason Forbidden makes it 403.
    """
    validation = {"expression": expression, "message": f"refused by policy {name}", "reason": reason}
    spec = {
        "matchConstraints": {"resourceRules": [dict(rule or PODS)]},
        "validations": [{key: value for key, value in validation.items() if value}],
    }
    binding = {"policyName": name, "validationActions": ["Deny"], **({"matchResources": dict(where)} if where else {})}
    with _policy(cluster, "Validating", name, spec, binding, in_force):
        yield


@contextlib.contextmanager
def mutating(
    cluster: Cluster,
    name: str,
    *mutations: Json,
    rule: Mapping[str, Any] | None = None,
    where: Mapping[str, Any] | None = None,
    conditions: Mapping[str, str] | None = None,
    reinvocation: str = "IfNeeded",
    in_force: Callable[[], object],
) -> Iterator[None]:
    """Change objects by mutations, which `apply_configuration` and `json_patch` return."""
    spec = {
        "matchConstraints": {"resourceRules": [dict(rule or PODS)]},
        "matchConditions": [{"name": key, "expression": value} for key, value in (conditions or {}).items()],
        "failurePolicy": "Fail",
        "reinvocationPolicy": reinvocation,
        "mutations": list(mutations),
    }
    binding = {"policyName": name, **({"matchResources": dict(where)} if where else {})}
    with _policy(cluster, "Mutating", name, spec, binding, in_force):
        yield


def apply_configuration(expression: str) -> Json:
    """Return a mutation by an apply configuration, such as 'Object{metadata: Object.metadata{labels: {"a": "b"}}}'."""
    return {"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}


def json_patch(expression: str) -> Json:
    """Return a mutation by a list of JSONPatch{op: "replace", path: ..., value: ...}."""
    return {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}


def rewrite_proxy_image(image: str) -> Json:
    """Return a mutation that replaces the image of the injected native sidecar by a CEL expression.

    ``image`` may refer to the present image as ``c.image``. Without a sidecar the mutation is empty, because a policy
    has to match in the first pass to be called again.
    """
    present = 'has(object.spec.initContainers) && object.spec.initContainers.exists(c, c.name == "istio-proxy")'
    container = f'Object.spec.initContainers{{name: "istio-proxy", image: {image}}}'
    picked = 'object.spec.initContainers.filter(c, c.name == "istio-proxy")'
    changed = f"Object{{spec: Object.spec{{initContainers: {picked}.map(c, {container})}}}}"
    return apply_configuration(f"{present} ? {changed} : Object{{}}")


def dry_run_is_refused(cluster: Cluster, method: str, path: str, body: Json, **options: Any) -> bool:
    """Return whether a dry run of a write is refused, to wait until a policy is in force."""
    try:
        cluster.request(method, path, body, {"dryRun": "All"}, **options)
    except ApiError:
        return True
    return False


@contextlib.contextmanager
def _policy(
    cluster: Cluster, kind: str, name: str, spec: Json, binding: Json, in_force: Callable[[], object]
) -> Iterator[None]:
    about = {"apiVersion": VERSION, "metadata": {"name": name}}
    cluster.apply(
        [
            {**about, "kind": f"{kind}AdmissionPolicy", "spec": spec},
            {**about, "kind": f"{kind}AdmissionPolicyBinding", "spec": binding},
        ]
    )
    try:
        until(in_force, f"policy {name} is not in force", timeout=SOON)
        yield
    finally:
        for suffix in ("policybindings", "policies"):
            cluster.delete(f"{ADMISSION}/{kind.lower()}admission{suffix}/{name}")
