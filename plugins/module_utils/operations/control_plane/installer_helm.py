# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Helm installs: two releases, what each holds now, and what an upgrade makes of them.

Helm applies the injector's ConfigMap before istiod, as istioctl does, so the same order is kept for both (``_swap``).
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
    base_values,
    dress,
    istiod_values,
    parked,
    refuse_second_default,
    release_of,
    require_free,
    stamped,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import Wanted
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    DEFAULT,
    DEFAULT_VALIDATOR,
    PARKED,
    REVISION_LABEL,
    TAG_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    Change,
    Installation,
    changes,
    object_path,
    parse_manifest,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.pending_releases import (
    OurHelm,
    wait,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

MANAGER = "helm"
MARKS = ("metadata.labels.", "metadata.annotations.")
POLICY = "helm.sh/resource-policy"


@dataclasses.dataclass(frozen=True)
class Part:
    """One release as it is to be: its chart, its values, what they render, and what that changes."""

    name: str
    chart: str
    values: Json
    release: Release | None
    rendered: list[Json]
    changes: list[Change]


@dataclasses.dataclass(frozen=True)
class ByHelm:
    """The installer Helm, on one cluster; ``charts`` are the paths of the charts, none to remove a revision."""

    helm: Helm
    task: TaskContext
    charts: Mapping[str, str]
    name: str = "Helm"

    def plan(self, mesh: Mesh, wanted: Wanted, *, crds: bool, allow_default_change: bool) -> Installation:
        """Return what it would do, exactly; writes nothing. Helm never moves a tag."""
        refuse_second_default(mesh, wanted.revision)
        base, istiod = f"istio-{BASE}", release_of(mesh, wanted.revision)
        releases = self._settled(lambda found: found.name == istiod or found.chart == BASE)
        base = next((found.name for found in releases.values() if found.chart == BASE), base)
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            jobs = [pool.submit(self._part, istiod, ISTIOD, istiod_values(wanted), releases.get(istiod), crds=False)]
            if wanted.crds:
                own = self.helm.values(base) if base in releases else None
                values = base_values(mesh, wanted, own)
                jobs.insert(0, pool.submit(self._part, base, BASE, values, releases.get(base), crds=crds))
            parts = [job.result() for job in jobs]
        refuse_moved_tags(parts)
        return Installation(
            rendered=[obj for part in parts for obj in part.rendered],
            changes=[change for part in parts for change in part.changes],
            default_after=mesh.tags.get(DEFAULT),
            manager=MANAGER,
            dress=dress,
            carry_out=functools.partial(self._install, [part for part in parts if part.changes], parked(mesh)),
        )

    @property
    def _ours(self) -> OurHelm:
        return OurHelm(self.task.client, self.helm.namespace)

    def _settled(self, concerned: Callable[[Release], bool]) -> dict[str, Release]:
        """Return the releases; who works on one that is concerned is given the time that Helm gives itself."""
        return wait(
            self.helm.releases,
            concerned,
            self._ours,
            patience=int(self.task.params["timeout"]),
            broken=self.task.params["end_pending_releases"],
            once=self.task.check_mode,
            progress=self.task.progress,
            cluster=self.helm.connection.label,
        )

    def _part(self, name: str, chart: str, values: Json, release: Release | None, *, crds: bool) -> Part:
        upgrade = ["--is-upgrade"] if release and release.status != "pending-install" else []
        with json_file(values) as path:
            text = self.helm.render("template", name, self.charts[chart], flags=["--values", path, *upgrade])
        rendered = [stamped(obj, name, self.helm.namespace) for obj in parse_manifest(text, with_crds=crds)]
        held = parse_manifest(self.helm.manifest(release), with_crds=crds) if release else []
        former = {ref_of(obj): obj for obj in held}

        def examined(obj: Json, live: Json) -> Json:
            if ref_of(obj) not in former:
                require_free(obj, live)
            return dress(obj, live)

        found = changes(self.task.client, rendered, examined, MANAGER, former)
        if chart == BASE and all(map(only_marks_of_the_tag, found)):
            found = []
        found += self._prunes(former, rendered)
        if release and release.status != "deployed":
            fields = {"status": (release.status, "deployed")}
            found.append(Change("Release", self.helm.namespace, name, "update", fields))
        return Part(name, chart, values, release, rendered, found)

    def _prunes(self, former: Mapping[ObjectRef, Json], rendered: Iterable[Json]) -> list[Change]:
        """Return what an upgrade deletes: what the release holds and no longer renders, unless it is marked to stay."""
        found = []
        for namespace, kind, name in sorted(set(former) - set(map(ref_of, rendered))):
            try:
                live = self.task.client.get(object_path(kind, namespace, name), doing=f"Comparing {kind} {name}")
            except NotFoundError:
                continue
            if annotations_of(live).get(POLICY) != "keep":
                found.append(Change(kind, namespace, name, "prune"))
        return found

    def _install(self, parts: Iterable[Part], parked_injector: str | None, timeout: int) -> None:
        for part in parts:
            release = self._mended(part.release, timeout)
            flags = ["--install", "--reset-values", "--timeout", f"{timeout}s"]
            if release is None and not self._has_namespace():
                flags.append("--create-namespace")
            if self.helm.applies_server_side(release):
                flags.append("--force-conflicts")
            with json_file(part.values) as path:
                chart = self.charts[part.chart]
                limit = timeout + 60
                with self._ours.working(part.name, self._next(part.name), limit):
                    self.helm.run("upgrade", part.name, chart, flags=[*flags, "--values", path], timeout=limit)
        if parked_injector:
            self._park(parked_injector)

    def _next(self, name: str) -> int:
        """Return the revision that the next helm makes of a release."""
        found = self.helm.releases().get(name)
        return found.revision + 1 if found else 1

    def _has_namespace(self) -> bool:
        """Whether there is the namespace already: not everybody may create one."""
        try:
            self.task.client.get(f"{NAMESPACES}/{self.helm.namespace}", doing="Reading the namespace of the releases")
        except NotFoundError:
            return False
        return True

    def _mended(self, release: Release | None, timeout: int) -> Release | None:
        """Return a release that Helm upgrades, None where it installs; ends what a killed helm has left."""
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
        self.task.progress(f"release {release.name} was left {release.status} by a helm that ended: removing {name}")
        path = f"{NAMESPACES}/{self.helm.namespace}/secrets/{name}"
        try:
            self.task.client.request("DELETE", path, doing=f"Removing the record {name} of a helm that ended")
        except NotFoundError as exc:
            raise HelmError(
                f"Release {release.name} is {release.status}, but its record is no Secret {name}; end that state with "
                "helm rollback and run again."
            ) from exc

    def _park(self, name: str) -> None:
        """Deactivate the webhooks again that ``tag set default`` had deactivated, so that no pod is injected twice."""
        path = object_path("MutatingWebhookConfiguration", "", name)
        live = self.task.client.get(path, doing=f"Reading {name}")
        hooks = [{**hook, "namespaceSelector": PARKED, "objectSelector": PARKED} for hook in live["webhooks"]]
        version = {"resourceVersion": live["metadata"]["resourceVersion"]}
        self.task.client.merge(path, {"metadata": version, "webhooks": hooks}, doing=f"Deactivating {name}")

    def require_removable(self, mesh: Mesh, revision: str) -> None:
        """Refuse to remove a release with tags that were moved since: Helm deletes all that it holds.

        Raises:
            SafetyError: values revisionTags of the release name such a tag, or somebody else's helm works on it.
        """
        name = release_of(mesh, revision)
        release = self._settled(lambda found: found.name == name).get(name)
        for obj in parse_manifest(self.helm.manifest(release), with_crds=False) if release else ():
            tag = labels_of(obj).get(TAG_LABEL)
            leads = mesh.tags.get(tag or "", revision)
            if release and leads != revision:
                raise SafetyError(
                    f"Tag {tag} points at {leads}, but release {release.name} of revision {revision} holds it, so Helm "
                    f"would delete it with the release. Mark its objects to stay (annotation {POLICY}=keep), take it "
                    "out of values revisionTags of the release, and run again."
                )

    def uninstall(self, mesh: Mesh, revision: str, timeout: int) -> None:
        """Remove the release of a revision; the one of the CRDs stays."""
        name = release_of(mesh, revision)
        release = self.helm.releases().get(name)
        if release:
            self._remove(release, timeout)

    def _remove(self, release: Release, timeout: int) -> None:
        limit = timeout + 60
        with self._ours.working(release.name, release.revision, limit):
            self.helm.run("uninstall", release.name, flags=["--timeout", f"{timeout}s"], timeout=limit)


def only_marks_of_the_tag(change: Change) -> bool:
    """Whether a change only takes back marks that ``tag set default`` left on the mesh-wide validator."""
    return change.name == DEFAULT_VALIDATOR and all(path.startswith(MARKS) for path in change.fields)


def refuse_moved_tags(parts: Iterable[Part]) -> None:
    """Refuse an upgrade that takes tags back that were moved since (safety rule S11).

    Raises:
        SafetyError: values revisionTags of the release name such a tag.
    """
    rev = f"metadata.labels.{REVISION_LABEL}"
    for part in parts:
        tags = {name_of(obj): labels_of(obj).get(TAG_LABEL) for obj in part.rendered}
        for change in part.changes:
            if tags.get(change.name) and rev in change.fields:
                raise SafetyError(
                    f"Release {part.name} would move tag {tags[change.name]} from {change.fields[rev][0]} to "
                    f"{change.fields[rev][1]} by the way; take it out of values revisionTags of the release."
                )
