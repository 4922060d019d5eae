# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name the two Helm releases of a control plane, compute their values, and refuse conflicts.

Sources: helm/helm pkg/action/validate.go (ownership); istio/istio manifests/charts/{base,istio-control}.
"""

from __future__ import annotations

import copy

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, annotations_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.safe_names import RELEASE_CHARACTERS, is_release_name
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import shown
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import InstallRequest, merge
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import (
    HELM,
    ISTIOCTL,
    RELEASE_NAME_ANNOTATION,
    manager_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEACTIVATED_LABEL,
    DEFAULT,
    PARKED_SELECTOR,
    Mesh,
    suffix,
)

BASE, ISTIOD = "base", "istiod"
RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
MANAGED_BY = "app.kubernetes.io/managed-by"
#: Global values that the chart of the CRDs reads, in addition to its own.
BASE_GLOBALS = ("imagePullSecrets", "istioNamespace", "resourceScope", "enableReaderRBAC")


def release_of(mesh: Mesh, revision: str) -> str:
    """Return the name of a revision's release: the one in its objects, else the name in Istio's documentation.

    Raises:
        SafetyError: an object names an invalid release; helm would read it as an option.
    """
    injectors = [i for i in mesh.injectors if i.revision == revision and not i.tag]
    managers = [(f"MutatingWebhookConfiguration {injector.name}", injector.manager) for injector in injectors]
    if revision in mesh.revisions:
        plane = mesh.revisions[revision]
        managers.insert(0, (f"Deployment {plane.namespace}/{plane.deployment}", plane.manager))
    place, name = next(
        ((place, manager.name) for place, manager in managers if manager.kind == HELM),
        ("", f"{ISTIOD}{suffix(revision)}"),
    )
    if not is_release_name(name):
        origin = (
            f"annotation {RELEASE_NAME_ANNOTATION} of {place} is"
            if place
            else f"the release of revision {revision} would be"
        )
        raise SafetyError(
            f"Helm was not started for revision {revision}: {origin} {shown(name)!r}, which is not a valid release "
            f"name (lower case letters, digits, - and ., at most {RELEASE_CHARACTERS} characters); fix it there."
        )
    return name


def istiod_values(request: InstallRequest) -> Json:
    """Return the values of the control plane's release."""
    top: Json = {"revision": request.revision} if request.revision != DEFAULT else {}
    global_values = {"tag": request.tag} if request.tag else {}
    if request.namespace != "istio-system":
        global_values["istioNamespace"] = request.namespace
    return merge(request.values, {**top, **({"global": global_values} if global_values else {})})


def base_values(mesh: Mesh, request: InstallRequest, current: Json | None) -> Json:
    """Return the values of the release of the CRDs; ``current`` holds its present values, None if it does not exist.

    The mesh-wide validator keeps its target. A missing one is not created again, because no istiod would serve it.
    """
    requested: Json = {key: request.values[key] for key in ("base", "experimental") if key in request.values}
    global_values = {
        key: value for key, value in istiod_values(request).get("global", {}).items() if key in BASE_GLOBALS
    }
    validating = mesh.default_validator or (request.revision if current is None else "")
    changed = {**requested, **({"global": global_values} if global_values else {}), "defaultRevision": validating}
    return merge(current or {}, changed)


def with_release_metadata(rendered: Json, release: str, namespace: str) -> Json:
    """Return a rendered object with the label and the annotations that Helm adds to each."""
    obj = copy.deepcopy(rendered)
    metadata = obj["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), MANAGED_BY: "Helm"}
    added = {RELEASE_NAME_ANNOTATION: release, RELEASE_NAMESPACE: namespace}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **added}
    return obj


def require_not_owned_by_others(rendered: Json, live: Json) -> None:
    """Refuse to add an object of another owner to a release: Helm itself would refuse it half-way.

    Raises:
        SafetyError: it names the owner.
    """
    target, current = annotations_of(rendered), annotations_of(live)
    if all(current.get(key) == target[key] for key in (RELEASE_NAME_ANNOTATION, RELEASE_NAMESPACE)):
        return
    owner = manager_of(live)
    place = f" of namespace {current.get(RELEASE_NAMESPACE)}" if owner.kind == HELM else ""
    advice = "set installer=istioctl" if owner.kind == ISTIOCTL else "have its owner upgrade it"
    raise SafetyError(
        f"{rendered['kind']} {name_of(rendered)} belongs to {owner}{place}, so Helm would refuse to add it to release "
        f"{target[RELEASE_NAME_ANNOTATION]} of namespace {target[RELEASE_NAMESPACE]}: {advice}."
    )


def adapt_to_live(rendered: Json, live: Json) -> Json:
    """Return a rendered object as Helm would apply it, without undoing the changes of istiod and of ``tag set``."""
    hooks = {hook["name"]: hook for hook in live.get("webhooks") or ()}
    if not hooks:
        return rendered
    obj = copy.deepcopy(rendered)
    for hook in obj["webhooks"]:
        current = hooks.get(hook["name"], {})
        if obj["kind"] == "ValidatingWebhookConfiguration" and "failurePolicy" in current:
            hook["failurePolicy"] = current["failurePolicy"]
        if DEACTIVATED_LABEL in (current.get("namespaceSelector", {}).get("matchLabels") or {}):
            hook.update(namespaceSelector=PARKED_SELECTOR, objectSelector=PARKED_SELECTOR)
    return obj


def deactivated_injector(mesh: Mesh) -> str | None:
    """Return the injector whose webhooks ``istioctl tag set default`` has deactivated."""
    return next((injector.name for injector in mesh.injectors if injector.deactivated), None)


def refuse_second_default(mesh: Mesh, revision: str) -> None:
    """Refuse an installation that would activate a second default (safety rule S11).

    Raises:
        SafetyError: Helm would activate the webhooks again that the tag default has replaced.
    """
    target = mesh.tags.get(DEFAULT, DEFAULT)
    if revision == DEFAULT != target:
        raise SafetyError(
            f"The tag default points at {target}; installing the control plane without a revision would activate its "
            "webhooks beside it. Move the tag with istio_tag name=default revision=default first."
        )
