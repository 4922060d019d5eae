# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install by Helm: read two releases, render their upgrade, and compare it with the objects that they hold.

Helm applies the injector's ConfigMap before istiod, as istioctl does, so `in_place_swap` serves both.
Sources: helm/helm pkg/action/{upgrade,validate}.go, pkg/kube/client.go; istio/istio manifests/charts.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api_paths import NAMESPACES
from ansible_collections.meshops.istio.plugins.module_utils.client.helm import Helm, Release
from ansible_collections.meshops.istio.plugins.module_utils.client.process import json_file
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import HelmError, NotFoundError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import object_path
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    Json,
    ObjectRef,
    annotations_of,
    labels_of,
    name_of,
    ref_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.helm_releases import (
    BASE,
    ISTIOD,
    adapt_to_live,
    base_values,
    deactivated_injector,
    istiod_values,
    refuse_second_default,
    release_of,
    require_not_owned_by_others,
    with_release_metadata,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.manifest import parse_manifest
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import InstallRequest
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    DEFAULT_VALIDATOR,
    PARKED_SELECTOR,
    REVISION_LABEL,
    TAG_LABEL,
    Mesh,
    Revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    Installation,
    find_changes,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallerOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.pending_releases import (
    HelmNotes,
    wait_for_releases,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

MANAGER = "helm"
OWNERSHIP_METADATA = ("metadata.labels.", "metadata.annotations.")
RESOURCE_POLICY = "helm.sh/resource-policy"


@dataclasses.dataclass(frozen=True)
class PlannedRelease:
    """One release after the installation: its chart, values and rendered objects, and the changes that they make."""

    name: str
    chart: str
    values: Json
    release: Release | None
    rendered: list[Json]
    changes: list[ObjectChange]


@dataclasses.dataclass(frozen=True)
class HelmInstaller:
    """Installs by Helm, on one cluster; ``charts`` holds the paths of the charts, empty to remove a revision."""

    helm: Helm
    task: TaskContext
    options: InstallerOptions
    charts: Mapping[str, str]
    name: str = "Helm"

    def plan(self, mesh: Mesh, request: InstallRequest, *, crds: bool, allow_default_change: bool) -> Installation:
        """Return exactly what it would change; writes nothing. Helm never moves a tag."""
        refuse_second_default(mesh, request.revision)
        base, istiod = f"istio-{BASE}", release_of(mesh, request.revision)
        releases = self._wait_for_releases(lambda release: release.name == istiod or release.chart == BASE)
        base = next((release.name for release in releases.values() if release.chart == BASE), base)
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            jobs = [
                pool.submit(
                    self._plan_release, istiod, ISTIOD, istiod_values(request), releases.get(istiod), crds=False
                )
            ]
            if request.crds:
                current = self.helm.values(base) if base in releases else None
                values = base_values(mesh, request, current)
                jobs.insert(0, pool.submit(self._plan_release, base, BASE, values, releases.get(base), crds=crds))
            planned = [job.result() for job in jobs]
        refuse_moved_tags(planned)
        return Installation(
            rendered=[obj for release in planned for obj in release.rendered],
            changes=[change for release in planned for change in release.changes],
            default_after=mesh.tags.get(DEFAULT),
            manager=MANAGER,
            adapt=adapt_to_live,
            run_installer=functools.partial(
                self._install, [release for release in planned if release.changes], deactivated_injector(mesh)
            ),
        )

    @property
    def _notes(self) -> HelmNotes:
        return HelmNotes(self.task.client, self.helm.namespace)

    def _wait_for_releases(self, selected: Callable[[Release], bool]) -> dict[str, Release]:
        """Return the releases; another helm that works on a selected one gets the time that Helm gives itself."""
        return wait_for_releases(
            self.helm.releases,
            selected,
            self._notes,
            patience=self.options.timeout,
            ended=self.options.end_pending_releases,
            once=self.task.check_mode,
            progress=self.task.progress,
            cluster=self.helm.connection.label,
        )

    def _plan_release(
        self, name: str, chart: str, values: Json, release: Release | None, *, crds: bool
    ) -> PlannedRelease:
        upgrade = ["--is-upgrade"] if release and release.status != "pending-install" else []
        with json_file(values) as path:
            text = self.helm.render("template", name, self.charts[chart], flags=["--values", path, *upgrade])
        rendered = [
            with_release_metadata(obj, name, self.helm.namespace) for obj in parse_manifest(text, with_crds=crds)
        ]
        manifest = parse_manifest(self.helm.manifest(release), with_crds=crds) if release else []
        former = {ref_of(obj): obj for obj in manifest}

        def adapt(obj: Json, live: Json) -> Json:
            if ref_of(obj) not in former:
                require_not_owned_by_others(obj, live)
            return adapt_to_live(obj, live)

        changes = find_changes(self.task.client, rendered, adapt, MANAGER, former)
        if chart == BASE and all(map(resets_only_tag_metadata, changes)):
            changes = []
        changes += self._prunes(former, rendered)
        if release and release.status != "deployed":
            fields = {"status": (release.status, "deployed")}
            changes.append(ObjectChange("Release", self.helm.namespace, name, "update", fields))
        return PlannedRelease(name, chart, values, release, rendered, changes)

    def _prunes(self, former: Mapping[ObjectRef, Json], rendered: Iterable[Json]) -> list[ObjectChange]:
        """Return the deletions by an upgrade: objects that are no longer rendered and not marked to be kept."""
        changes = []
        for namespace, kind, name in sorted(set(former) - set(map(ref_of, rendered))):
            try:
                live = self.task.client.get(object_path(kind, namespace, name), doing=f"Comparing {kind} {name}")
            except NotFoundError:
                continue
            if annotations_of(live).get(RESOURCE_POLICY) != "keep":
                changes.append(ObjectChange(kind, namespace, name, "prune"))
        return changes

    def _install(self, planned: Iterable[PlannedRelease], deactivated: str | None, timeout: int) -> None:
        for target in planned:
            release = self._upgradable(target.release, timeout)
            flags = ["--install", "--reset-values", "--timeout", f"{timeout}s"]
            if release is None and not self._has_namespace():
                flags.append("--create-namespace")
            if self.helm.applies_server_side(release):
                flags.append("--force-conflicts")
            with json_file(target.values) as path:
                chart = self.charts[target.chart]
                limit = timeout + 60
                with self._notes.announced(target.name, self._next_revision(target.name), limit):
                    self.helm.run("upgrade", target.name, chart, flags=[*flags, "--values", path], timeout=limit)
        if deactivated:
            self._deactivate(deactivated)

    def _next_revision(self, name: str) -> int:
        """Return the revision of a release that the next helm creates."""
        release = self.helm.releases().get(name)
        return release.revision + 1 if release else 1

    def _has_namespace(self) -> bool:
        """Return whether the namespace exists: a user may lack the permission to create one."""
        try:
            self.task.client.get(f"{NAMESPACES}/{self.helm.namespace}", doing="Reading the namespace of the releases")
        except NotFoundError:
            return False
        return True

    def _upgradable(self, release: Release | None, timeout: int) -> Release | None:
        """Return the release to upgrade, None to install it; ends the pending state that a killed helm left."""
        if release and release.status == "uninstalling":
            self._remove(release, timeout)
            return None
        if release is None or not release.pending:
            return release
        records = self.helm.history(release.name)
        for revision, status in records:
            if status.startswith("pending-"):
                self._drop_record(release, revision)
        return release if any(not status.startswith("pending-") for dummy, status in records) else None

    def _drop_record(self, release: Release, revision: int) -> None:
        """Remove one record of a release: Helm has no command that ends a pending state without rolling back."""
        name = f"sh.helm.release.v1.{release.name}.v{revision}"
        self.task.progress(f"a helm that ended left release {release.name} {release.status}: removing {name}")
        path = f"{NAMESPACES}/{self.helm.namespace}/secrets/{name}"
        try:
            self.task.client.request("DELETE", path, doing=f"Removing the record {name} of a helm that ended")
        except NotFoundError as exc:
            raise HelmError(
                f"Release {release.name} is {release.status}, but its record is not in Secret {name}; end that state "
                "with helm rollback and run again."
            ) from exc

    def _deactivate(self, name: str) -> None:
        """Deactivate the webhooks again that ``tag set default`` had deactivated, so that no pod is injected twice."""
        path = object_path("MutatingWebhookConfiguration", "", name)
        live = self.task.client.get(path, doing=f"Reading {name}")
        hooks = [
            {**hook, "namespaceSelector": PARKED_SELECTOR, "objectSelector": PARKED_SELECTOR}
            for hook in live["webhooks"]
        ]
        version = {"resourceVersion": live["metadata"]["resourceVersion"]}
        self.task.client.merge(path, {"metadata": version, "webhooks": hooks}, doing=f"Deactivating {name}")

    def require_removable(self, mesh: Mesh, revision: str) -> None:
        """Refuse to remove a release with tags that were moved since: Helm deletes every object of the release.

        Raises:
            SafetyError: values revisionTags of the release name such a tag, or the helm of another client works on it.
        """
        name = release_of(mesh, revision)
        release = self._wait_for_releases(lambda candidate: candidate.name == name).get(name)
        for obj in parse_manifest(self.helm.manifest(release), with_crds=False) if release else ():
            tag = labels_of(obj).get(TAG_LABEL)
            target = mesh.tags.get(tag or "", revision)
            if release and target != revision:
                raise SafetyError(
                    f"Tag {tag} points at {target}, but release {release.name} of revision {revision} holds it, so "
                    "Helm would delete it with the release. Mark its objects to be kept (annotation "
                    f"{RESOURCE_POLICY}=keep), remove it from values revisionTags of the release, and run again."
                )

    def objects_of(self, mesh: Mesh, revision: Revision) -> list[Json] | None:
        """Return the objects in the release of a revision, None if it has no release."""
        release = self.helm.releases().get(release_of(mesh, revision.name))
        return parse_manifest(self.helm.manifest(release), with_crds=False) if release else None

    def uninstall(self, mesh: Mesh, revision: str, timeout: int) -> None:
        """Remove the release of a revision; the release of the CRDs is kept."""
        name = release_of(mesh, revision)
        release = self.helm.releases().get(name)
        if release:
            self._remove(release, timeout)

    def _remove(self, release: Release, timeout: int) -> None:
        limit = timeout + 60
        with self._notes.announced(release.name, release.revision, limit):
            self.helm.run("uninstall", release.name, flags=["--timeout", f"{timeout}s"], timeout=limit)


def resets_only_tag_metadata(change: ObjectChange) -> bool:
    """Return whether a change only resets metadata that ``tag set default`` wrote to the mesh-wide validator."""
    return change.name == DEFAULT_VALIDATOR and all(path.startswith(OWNERSHIP_METADATA) for path in change.fields)


def refuse_moved_tags(planned: Iterable[PlannedRelease]) -> None:
    """Refuse an upgrade that moves tags back that were moved since (safety rule S11).

    Raises:
        SafetyError: values revisionTags of the release name such a tag.
    """
    rev = f"metadata.labels.{REVISION_LABEL}"
    for release in planned:
        tags = {name_of(obj): labels_of(obj).get(TAG_LABEL) for obj in release.rendered}
        for change in release.changes:
            if tags.get(change.name) and rev in change.fields:
                raise SafetyError(
                    f"Release {release.name} would move tag {tags[change.name]} from {change.fields[rev][0]} to "
                    f"{change.fields[rev][1]} as a side effect; remove it from values revisionTags of the release."
                )
