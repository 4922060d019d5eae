# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two releases of Helm that make a control plane: names, values, marks, refusals.

Sources: helm/helm pkg/action/validate.go (ownership); istio/istio manifests/charts/{base,istio-control}.
"""

from __future__ import annotations

import copy

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import shown
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, annotations_of, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.safe_names import RELEASE_CHARACTERS, is_release_name
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import Wanted, merge
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import (
    HELM,
    ISTIOCTL,
    RELEASE,
    manager_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEACTIVATED_LABEL,
    DEFAULT,
    PARKED,
    Mesh,
    suffix,
)

BASE, ISTIOD = "base", "istiod"
RELEASE_NAMESPACE = "meta.helm.sh/release-namespace"
MANAGED_BY = "app.kubernetes.io/managed-by"
#: Values that the chart of the CRDs reads, beside those of its own.
BASE_GLOBALS = ("imagePullSecrets", "istioNamespace", "resourceScope", "enableReaderRBAC")


def release_of(mesh: Mesh, revision: str) -> str:
    """Return the name of a revision's release: what its objects say, else what Istio's documentation calls it.

    Raises:
        SafetyError: an object says what can be none; it would be taken for an option of helm.
    """
    own = [i for i in mesh.injectors if i.revision == revision and not i.tag]
    told = [(f"MutatingWebhookConfiguration {injector.name}", injector.manager) for injector in own]
    if revision in mesh.revisions:
        plane = mesh.revisions[revision]
        told.insert(0, (f"Deployment {plane.namespace}/{plane.deployment}", plane.manager))
    place, name = next(
        ((place, manager.name) for place, manager in told if manager.kind == HELM), ("", f"{ISTIOD}{suffix(revision)}")
    )
    if not is_release_name(name):
        where = f"annotation {RELEASE} of {place} says" if place else f"revision {revision} comes to"
        raise SafetyError(
            f"Helm was not asked about revision {revision}: {where} {shown(name)!r}, which is no name of a release "
            f"(lower case letters, digits, - and ., no more than {RELEASE_CHARACTERS} characters); mend it there."
        )
    return name


def istiod_values(wanted: Wanted) -> Json:
    """Return the values of the control plane's release."""
    own: Json = {"revision": wanted.revision} if wanted.revision != DEFAULT else {}
    shared = {"tag": wanted.tag} if wanted.tag else {}
    if wanted.namespace != "istio-system":
        shared["istioNamespace"] = wanted.namespace
    return merge(wanted.values, {**own, **({"global": shared} if shared else {})})


def base_values(mesh: Mesh, wanted: Wanted, own: Json | None) -> Json:
    """Return the values of the release of the CRDs; ``own`` are those that it has, None where there is none yet.

    The mesh-wide validator stays where it leads; one that is gone is not made anew, as nobody would answer for it.
    """
    given: Json = {key: wanted.values[key] for key in ("base", "experimental") if key in wanted.values}
    shared = {key: value for key, value in istiod_values(wanted).get("global", {}).items() if key in BASE_GLOBALS}
    leads = mesh.default_validator or (wanted.revision if own is None else "")
    return merge(own or {}, {**given, **({"global": shared} if shared else {}), "defaultRevision": leads})


def stamped(rendered: Json, release: str, namespace: str) -> Json:
    """Return a rendered object with the marks that Helm adds to each."""
    obj = copy.deepcopy(rendered)
    metadata = obj["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), MANAGED_BY: "Helm"}
    marks = {RELEASE: release, RELEASE_NAMESPACE: namespace}
    metadata["annotations"] = {**(metadata.get("annotations") or {}), **marks}
    return obj


def require_free(rendered: Json, live: Json) -> None:
    """Refuse an object that a release does not hold yet and that belongs to somebody else: Helm would, half-way.

    Raises:
        SafetyError: it names the owner.
    """
    mine, theirs = annotations_of(rendered), annotations_of(live)
    if all(theirs.get(key) == mine[key] for key in (RELEASE, RELEASE_NAMESPACE)):
        return
    owner = manager_of(live)
    place = f" of namespace {theirs.get(RELEASE_NAMESPACE)}" if owner.kind == HELM else ""
    advice = "set installer=istioctl" if owner.kind == ISTIOCTL else "have its owner upgrade it"
    raise SafetyError(
        f"{rendered['kind']} {name_of(rendered)} belongs to {owner}{place}, so Helm would not take it into release "
        f"{mine[RELEASE]} of namespace {mine[RELEASE_NAMESPACE]}: {advice}."
    )


def dress(rendered: Json, live: Json) -> Json:
    """Return a rendered object as Helm would apply it, without undoing the work of istiod and of ``tag set``."""
    hooks = {hook["name"]: hook for hook in live.get("webhooks") or ()}
    if not hooks:
        return rendered
    obj = copy.deepcopy(rendered)
    for hook in obj["webhooks"]:
        there = hooks.get(hook["name"], {})
        if obj["kind"] == "ValidatingWebhookConfiguration" and "failurePolicy" in there:
            hook["failurePolicy"] = there["failurePolicy"]
        if DEACTIVATED_LABEL in (there.get("namespaceSelector", {}).get("matchLabels") or {}):
            hook.update(namespaceSelector=PARKED, objectSelector=PARKED)
    return obj


def parked(mesh: Mesh) -> str | None:
    """Return the injector whose webhooks ``istioctl tag set default`` has deactivated."""
    return next((injector.name for injector in mesh.injectors if injector.deactivated), None)


def refuse_second_default(mesh: Mesh, revision: str) -> None:
    """Refuse what would make a second default (safety rule S11).

    Raises:
        SafetyError: Helm would make the webhooks active again that the tag default has replaced.
    """
    leads = mesh.tags.get(DEFAULT, DEFAULT)
    if revision == DEFAULT != leads:
        raise SafetyError(
            f"The tag default points at {leads}; installing the control plane without a revision would make its "
            "webhooks active again beside it. Move the tag with istio_tag name=default revision=default first."
        )
