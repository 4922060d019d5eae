# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install by istioctl: plan the objects that it adds and prunes, and the default revision afterwards.

Sources: istio/istio operator/pkg/install/install.go (getOwnerLabels), operator/pkg/uninstall/prune.go,
operator/pkg/webhook/webhook.go.
"""

from __future__ import annotations

import concurrent.futures
import copy
import dataclasses
import functools
import typing as t
from collections.abc import Callable, Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl, find_istioctl
from ansible_collections.meshops.istio.plugins.module_utils.client.process import json_file
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    InstallerError,
    NotFoundError,
    ParameterError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import RESOURCES, object_path
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    Json,
    ObjectRef,
    labels_of,
    name_of,
    ref_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.manifest import parse_manifest
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import (
    ObjectChange,
    field_differences,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import (
    InstallRequest,
    carried_values,
    operator_document,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.webhook_settings import has_webhook_settings
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    COMPONENT_LABEL,
    DEFAULT,
    DEFAULT_VALIDATOR,
    OPERATOR_VERSION_LABEL,
    OWNER_NAMESPACE_LABEL,
    PARKED_SELECTOR,
    REVISION_LABEL,
    Mesh,
    Revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.namesakes import cluster_has_default_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.tag_owners import has_tag_service, tag_service
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    Installation,
    find_changes,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.tag_settings import (
    KIND as TAG_KIND,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.tag_settings import rendered_tag

MANAGER = "istio-operator"
OWNER = "install.operator.istio.io/owning-resource"
MANAGED = "operator.istio.io/managed"
NOT_PRUNED = "install.operator.istio.io/owning-resource-not-pruned"
#: The kinds that an installation deletes when they are no longer rendered.
PRUNED = (
    "Deployment", "DaemonSet", "Service", "ConfigMap", "ServiceAccount", "RoleBinding", "Role",
    "PodDisruptionBudget", "HorizontalPodAutoscaler",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class IstioctlInstaller:
    """Installs by istioctl, on one cluster; ``template`` is the path of the binary of each version."""

    ctl: Istioctl
    client: Client
    template: str
    name: str = "istioctl"

    def plan(self, mesh: Mesh, request: InstallRequest, *, crds: bool, allow_default_change: bool) -> Installation:
        """Return exactly what it would change; writes nothing."""
        after = default_revision_after(mesh, request.revision, allow_default_change)
        document = operator_document(request)
        rendered = parse_manifest(_render(self.ctl, document), with_crds=crds and request.crds)
        adapt = functools.partial(with_ownership, request)
        changes = find_changes(self.client, rendered, adapt, MANAGER)
        if request.revision in mesh.revisions:
            changes += find_prunes(self.client, rendered, request)
        if request.revision == DEFAULT or not cluster_has_default_tag(mesh):
            render = functools.partial(rendered_tag, self.client, self.ctl, mesh, DEFAULT, request.revision)
            changes += find_default_changes(self.client, request, render)
        return Installation(rendered, changes, after, MANAGER, adapt, functools.partial(self._install, document))

    def _install(self, document: Json, timeout: int) -> None:
        flags = ("--skip-confirmation", "--readiness-timeout", f"{timeout}s")
        with json_file(document) as path:
            self.ctl.run("install", flags=["-f", path, *flags], timeout=timeout + 60)

    def objects_of(self, mesh: Mesh, revision: Revision) -> list[Json] | None:
        """Return what the istioctl of the version of a revision renders, None without such a binary."""
        version = revision.installed_version
        if version is None:
            return None
        values = carried_values(revision, revision.name)
        request = InstallRequest(revision.name, version, mesh.namespace, "minimal", values)
        try:
            ctl = find_istioctl(self.template, version.release, self.ctl.connection, self.ctl.istio_namespace)
            return parse_manifest(_render(ctl, operator_document(request)), with_crds=False)
        except (ParameterError, InstallerError):
            # The comparison then says less, but it needs no binary of the former version.
            return None

    def uninstall(self, mesh: Mesh, revision: str, timeout: int) -> None:
        """Remove the revision's objects; without a webhook istioctl does not know it, and leaves it to the caller."""
        if any(injector.revision == revision and not injector.tag for injector in mesh.injectors):
            self.ctl.run("uninstall", flags=["--revision", revision, "--skip-confirmation"], timeout=timeout)


def _render(ctl: Istioctl, document: Json) -> str:
    with json_file(document) as path:
        return ctl.render("manifest generate", flags=["-f", path])


def with_ownership(request: InstallRequest, rendered: Json, live: Json) -> Json:
    """Return a rendered object as istioctl would apply it, without undoing the changes of istiod."""
    obj = copy.deepcopy(rendered)
    labels = obj["metadata"].setdefault("labels", {})
    labels.update(
        {MANAGED: "Reconcile", OPERATOR_VERSION_LABEL: str(request.version), OWNER_NAMESPACE_LABEL: request.namespace}
    )
    labels[REVISION_LABEL] = request.revision
    for key in (COMPONENT_LABEL, OWNER):
        if key in labels_of(live):
            labels.setdefault(key, labels_of(live)[key])
    if obj["kind"] == "ValidatingWebhookConfiguration":
        # istiod changes Ignore to Fail when it is ready, and does so again after every installation.
        policies = {hook["name"]: hook.get("failurePolicy") for hook in live.get("webhooks") or ()}
        for hook in obj.get("webhooks") or ():
            hook["failurePolicy"] = policies.get(hook["name"], hook.get("failurePolicy"))
    if obj["kind"] == "MutatingWebhookConfiguration" and request.revision == DEFAULT:
        # istioctl deactivates the webhooks of an installation without a revision: the default tag replaces them.
        for hook in obj.get("webhooks") or ():
            hook.update(namespaceSelector=PARKED_SELECTOR, objectSelector=PARKED_SELECTOR)
    return obj


def default_revision_after(mesh: Mesh, revision: str, allow_change: bool) -> str | None:
    """Return the default revision after the installation of a revision (rule S11).

    istioctl makes any revision the default that is installed while no default tag exists. One of another mesh counts
    too (istioctl/pkg/tag/util.go, PreviousInstallExists).

    Raises:
        SafetyError: the default would change as a side effect.
    """
    if revision == DEFAULT and mesh.tags.get(DEFAULT, DEFAULT) != DEFAULT and not allow_change:
        raise SafetyError(
            f"The tag default points at {mesh.tags[DEFAULT]}; installing the control plane without a revision would "
            "move it and the validator back as a side effect. Set allow_default_change=true to allow that."
        )
    if revision == DEFAULT:
        return DEFAULT
    if cluster_has_default_tag(mesh):
        return mesh.tags.get(DEFAULT)
    others = [name for name, plane in mesh.revisions.items() if plane.deployment and name != revision]
    if others and not allow_change:
        raise SafetyError(
            f"There is no tag default, so istioctl would make {revision} the default as a side effect, although "
            f"{', '.join(others)} is installed. Create the tag with istio_tag first, or set "
            "allow_default_change=true to allow that."
        )
    return revision


def find_prunes(client: Client, rendered: Iterable[Json], request: InstallRequest) -> list[ObjectChange]:
    """Return the deletions by istioctl: objects of its owner, version and revision that it no longer renders."""
    kept = set(map(ref_of, rendered))
    selector = (
        f"{MANAGED}=Reconcile,{OPERATOR_VERSION_LABEL}={request.version},{OWNER_NAMESPACE_LABEL}={request.namespace},"
        f"{REVISION_LABEL}={request.revision},{COMPONENT_LABEL}"
    )

    def prunes_of_kind(kind: str) -> list[ObjectChange]:
        prefix, resource, dummy = RESOURCES[kind]
        objects = client.list(
            f"{prefix}/{resource}", doing=f"Reading {resource}", metadata=True, labelSelector=selector
        )
        return [
            ObjectChange(kind, ref.namespace, ref.name, "prune")
            for obj in objects
            if (ref := ObjectRef(obj["metadata"].get("namespace", ""), kind, name_of(obj))) not in kept
            and labels_of(obj).get(NOT_PRUNED) != "true"
        ]

    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        return [change for group in pool.map(prunes_of_kind, PRUNED) for change in group]


def find_default_changes(
    client: Client, request: InstallRequest, render: Callable[[], Json] | None = None
) -> list[ObjectChange]:
    """Return the objects of the default that istioctl changes when its revision becomes the default (rule S11).

    It creates the missing ones, points all of them at its revision, and writes its version into those that it created.

    Args:
        render: returns the webhooks of the tag afterwards; called only if they have settings that may get lost.
    """
    changes, version, namespace = [], str(request.version), request.namespace
    name_suffix = "" if namespace == "istio-system" else f"-{namespace}"
    for kind, name in (
        (TAG_KIND, f"istio-revision-tag-default{name_suffix}"),
        ("Service", tag_service(DEFAULT)),
        ("ValidatingWebhookConfiguration", DEFAULT_VALIDATOR),
    ):
        object_namespace = namespace if RESOURCES[kind].namespaced else ""
        try:
            live = client.get(object_path(kind, object_namespace, name), doing=f"Comparing {kind} {name}")
        except NotFoundError:
            if kind != "Service" or has_tag_service(request.version):
                changes.append(ObjectChange(kind, object_namespace, name, "create"))
            continue
        labels = labels_of(live)
        expected = {
            REVISION_LABEL: request.revision,
            **({OPERATOR_VERSION_LABEL: version} if OPERATOR_VERSION_LABEL in labels else {}),
        }
        fields = {f"metadata.labels.{key}": (labels.get(key), value) for key, value in expected.items()}
        differing = {path: pair for path, pair in fields.items() if pair[0] != pair[1]}
        before, after = (live, render()) if kind == TAG_KIND and render and has_webhook_settings(live) else ({}, {})
        differing |= _webhook_differences(before, after)
        if differing:
            changes.append(ObjectChange(kind, object_namespace, name, "update", differing, before, after))
    return changes


def _webhook_differences(live: Json, after: Json) -> dict[str, tuple[t.Any, t.Any]]:
    """Return the fields of the webhooks of a tag that differ, except what they call."""
    differences = field_differences(*({"webhooks": obj.get("webhooks")} for obj in (live, after)))
    return {path: pair for path, pair in differences.items() if ".clientConfig." not in path}
