# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How istioctl installs: what it adds and prunes, and where it leaves the default.

Sources: istio/istio operator/pkg/install/install.go (getOwnerLabels), operator/pkg/uninstall/prune.go,
operator/pkg/webhook/webhook.go.
"""

from __future__ import annotations

import concurrent.futures
import copy
import dataclasses
import functools
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl
from ansible_collections.meshops.istio.plugins.module_utils.client.process import json_file
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import NotFoundError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    Json,
    ObjectRef,
    labels_of,
    name_of,
    ref_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import Wanted, operator_document
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.default_tag import has_tag_service
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    COMPONENT_LABEL,
    DEFAULT,
    DEFAULT_VALIDATOR,
    OPERATOR_VERSION_LABEL,
    OWNER_NAMESPACE_LABEL,
    PARKED,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    RESOURCES,
    Change,
    Installation,
    changes,
    object_path,
    parse_manifest,
)

MANAGER = "istio-operator"
OWNER = "install.operator.istio.io/owning-resource"
MANAGED = "operator.istio.io/managed"
NOT_PRUNED = "install.operator.istio.io/owning-resource-not-pruned"
#: What an install deletes again when it is no longer rendered.
PRUNED = (
    "Deployment", "DaemonSet", "Service", "ConfigMap", "ServiceAccount", "RoleBinding", "Role",
    "PodDisruptionBudget", "HorizontalPodAutoscaler",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class ByIstioctl:
    """The installer istioctl, on one cluster."""

    ctl: Istioctl
    client: Client
    name: str = "istioctl"

    def plan(self, mesh: Mesh, wanted: Wanted, *, crds: bool, allow_default_change: bool) -> Installation:
        """Return what it would do, exactly; writes nothing."""
        after = default_after(mesh, wanted.revision, allow_default_change)
        document = operator_document(wanted)
        with json_file(document) as path:
            text = self.ctl.render("manifest generate", flags=["-f", path])
        rendered = parse_manifest(text, with_crds=crds and wanted.crds)
        dress = functools.partial(with_ownership, wanted)
        found = changes(self.client, rendered, dress, MANAGER)
        if wanted.revision in mesh.revisions:
            found += prunes(self.client, rendered, wanted)
        if wanted.revision == DEFAULT or DEFAULT not in mesh.tags:
            found += default_changes(self.client, wanted)
        return Installation(rendered, found, after, MANAGER, dress, functools.partial(self._install, document))

    def _install(self, document: Json, timeout: int) -> None:
        flags = ("--skip-confirmation", "--readiness-timeout", f"{timeout}s")
        with json_file(document) as path:
            self.ctl.run("install", flags=["-f", path, *flags], timeout=timeout + 60)

    def uninstall(self, mesh: Mesh, revision: str, timeout: int) -> None:
        """Remove the revision's objects; without a webhook istioctl does not know it, and leaves it to the caller."""
        if any(injector.revision == revision and not injector.tag for injector in mesh.injectors):
            self.ctl.run("uninstall", flags=["--revision", revision, "--skip-confirmation"], timeout=timeout)


def with_ownership(wanted: Wanted, rendered: Json, live: Json) -> Json:
    """Return a rendered object as the installer would apply it, without undoing istiod's own work."""
    obj = copy.deepcopy(rendered)
    labels = obj["metadata"].setdefault("labels", {})
    labels.update(
        {MANAGED: "Reconcile", OPERATOR_VERSION_LABEL: str(wanted.version), OWNER_NAMESPACE_LABEL: wanted.namespace}
    )
    labels[REVISION_LABEL] = wanted.revision
    for key in (COMPONENT_LABEL, OWNER):
        if key in labels_of(live):
            labels.setdefault(key, labels_of(live)[key])
    if obj["kind"] == "ValidatingWebhookConfiguration":
        # istiod raises Ignore to Fail once it is ready, and does so again after every install
        policies = {hook["name"]: hook.get("failurePolicy") for hook in live.get("webhooks") or ()}
        for hook in obj.get("webhooks") or ():
            hook["failurePolicy"] = policies.get(hook["name"], hook.get("failurePolicy"))
    if obj["kind"] == "MutatingWebhookConfiguration" and wanted.revision == DEFAULT:
        # the installer parks the webhooks of an install without a revision behind the default tag
        for hook in obj.get("webhooks") or ():
            hook.update(namespaceSelector=PARKED, objectSelector=PARKED)
    return obj


def default_after(mesh: Mesh, revision: str, take: bool) -> str | None:
    """Return where the default leads after an install of a revision (rule S11).

    istioctl gives the default to any revision that is installed while no default tag exists.

    Raises:
        SafetyError: it would take the default of a mesh that works without one.
    """
    if revision == DEFAULT and mesh.tags.get(DEFAULT, DEFAULT) != DEFAULT and not take:
        raise SafetyError(
            f"The tag default points at {mesh.tags[DEFAULT]}; installing the control plane without a revision would "
            "take it back by the way, with the validator. Set allow_default_change=true if that is meant."
        )
    if revision == DEFAULT:
        return DEFAULT
    if DEFAULT in mesh.tags:
        return mesh.tags[DEFAULT]
    others = [name for name, found in mesh.revisions.items() if found.deployment and name != revision]
    if others and not take:
        raise SafetyError(
            f"There is no tag default, so istioctl would give the default to {revision} by the way, "
            f"although {', '.join(others)} "
            "is installed. Create the tag with istio_tag first, or set allow_default_change=true if that is meant."
        )
    return revision


def prunes(client: Client, rendered: Iterable[Json], wanted: Wanted) -> list[Change]:
    """Return what an install would delete: objects of its owner, version and revision that it no longer renders."""
    kept = set(map(ref_of, rendered))
    selector = (
        f"{MANAGED}=Reconcile,{OPERATOR_VERSION_LABEL}={wanted.version},{OWNER_NAMESPACE_LABEL}={wanted.namespace},"
        f"{REVISION_LABEL}={wanted.revision},{COMPONENT_LABEL}"
    )

    def of_kind(kind: str) -> list[Change]:
        prefix, resource, dummy = RESOURCES[kind]
        found = client.list(f"{prefix}/{resource}", doing=f"Reading {resource}", metadata=True, labelSelector=selector)
        return [
            Change(kind, ref.namespace, ref.name, "prune")
            for obj in found
            if (ref := ObjectRef(obj["metadata"].get("namespace", ""), kind, name_of(obj))) not in kept
            and labels_of(obj).get(NOT_PRUNED) != "true"
        ]

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        return [change for group in pool.map(of_kind, PRUNED) for change in group]


def default_changes(client: Client, wanted: Wanted) -> list[Change]:
    """Return which owners of the default an install rewrites that makes its revision the default (rule S11).

    It makes those that are missing, leads all of them to its revision and stamps its version on its own.
    """
    found, version, namespace = [], str(wanted.version), wanted.namespace
    place = "" if namespace == "istio-system" else f"-{namespace}"
    for kind, name in (
        ("MutatingWebhookConfiguration", f"istio-revision-tag-default{place}"),
        ("Service", "istiod-revision-tag-default"),
        ("ValidatingWebhookConfiguration", DEFAULT_VALIDATOR),
    ):
        inside = namespace if RESOURCES[kind][2] else ""
        try:
            labels = labels_of(client.get(object_path(kind, inside, name), doing=f"Comparing {kind} {name}"))
        except NotFoundError:
            if kind != "Service" or has_tag_service(wanted.version):
                found.append(Change(kind, inside, name, "create"))
            continue
        wished = {
            REVISION_LABEL: wanted.revision,
            **({OPERATOR_VERSION_LABEL: version} if OPERATOR_VERSION_LABEL in labels else {}),
        }
        fields = {f"metadata.labels.{key}": (labels.get(key), value) for key, value in wished.items()}
        differing = {path: pair for path, pair in fields.items() if pair[0] != pair[1]}
        if differing:
            found.append(Change(kind, inside, name, "update", differing))
    return found
