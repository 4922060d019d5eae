# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan an installation: carry settings over, let the installer render them, and compare with the cluster."""

from __future__ import annotations

import dataclasses
import json

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import secrets_in
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.cluster_settings import ClusterSetting
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.image_tags import carried_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.install_diff import summarize_changes
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.pinned_images import (
    WantedImages,
    require_no_pinned_images,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import (
    InstallRequest,
    SettingsDiff,
    carried_values,
    merge,
    settings_diff,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh, suffix
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import handover
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.cluster_settings import (
    find_cluster_settings,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer import Installer
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import Installation
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: The profile that is installed unless the user names another one; it writes no profile into the values.
MINIMAL = "minimal"


@dataclasses.dataclass(frozen=True)
class InstallPlan:
    """The request to the installer, the changes that it would make, and the settings that would change.

    ``cluster_settings`` are those that would get lost, because only the cluster holds them.
    """

    request: InstallRequest
    installation: Installation
    settings: SettingsDiff
    cluster_settings: list[ClusterSetting] = dataclasses.field(default_factory=list)

    @property
    def changes(self) -> list[ObjectChange]:
        """All objects that change."""
        return self.installation.changes

    @property
    def summary(self) -> str:
        """The changes in one line."""
        return summarize_changes(self.changes)

    def with_changes(self, changes: list[ObjectChange]) -> InstallPlan:
        """Return the plan with other changes."""
        return dataclasses.replace(self, installation=dataclasses.replace(self.installation, changes=changes))


def plan_installation(
    task: TaskContext, options: InstallOptions, snapshot: Snapshot, installer: Installer, source: str | None
) -> InstallPlan:
    """Return what the installation would change in this cluster; queries the API server, writes nothing."""
    mesh = snapshot.mesh
    request = build_request(task, options, snapshot, source)
    request = dataclasses.replace(request, components=handover.requested_components(task, options, source))
    compare_crds = _crds_differ(snapshot, str(options.version))
    installation = installer.plan(mesh, request, crds=compare_crds, allow_default_change=options.allow_default_change)
    lost = find_cluster_settings(task, options, mesh, installation, source, installer)
    settings = dataclasses.replace(
        _settings_diff(mesh, installation.rendered, options.revision, source),
        cluster_only={setting.name: setting.pair for setting in lost},
    )
    return InstallPlan(request, installation, settings, lost)


def build_request(task: TaskContext, options: InstallOptions, snapshot: Snapshot, source: str | None) -> InstallRequest:
    """Return the request to the installer: the settings of the source, with the user's own values merged in.

    Raises:
        SafetyError: the settings of the source cannot be read or pin other images, or its image tag cannot be derived.
    """
    mesh = snapshot.mesh
    origin = mesh.settings_origin(options.revision, source) if options.carry_over else None
    carried: Json = {}
    tag = options.tag
    if origin:
        if not (origin.user_values or origin.merged_values):
            raise SafetyError(
                f"The settings of revision {origin.name} cannot be read (no ConfigMap values with original-values in "
                f"{mesh.namespace}); give them in parameter values with carry_over=false."
            )
        carried, tag = carried_values(origin, options.revision), tag or carried_tag(origin, options.version)
        if options.profile != MINIMAL:
            # The profile that the user names has its own.
            carried.pop("profile", None)
    require_no_pinned_images(origin, options.values, WantedImages(options.version, tag), options.components)
    values = merge(carried, options.values)
    task.hidden.update(secrets_in(values))
    return InstallRequest(
        revision=options.revision,
        version=options.version,
        namespace=mesh.namespace,
        profile=options.profile,
        values=values,
        tag=tag,
        crds=not _crds_are_newer(snapshot, options.version),
    )


def _crds_are_newer(snapshot: Snapshot, version: Version) -> bool:
    """Return whether the CRDs of the cluster are newer: CRDs are never downgraded (rule S10)."""
    return snapshot.newest_crd_version is not None and snapshot.newest_crd_version.newer_than(version)


def _crds_differ(snapshot: Snapshot, version: str) -> bool:
    """Return whether the CRDs must be compared: each has the version that wrote it as a label."""
    return set(snapshot.crd_versions.values()) != {version}


def _settings_diff(mesh: Mesh, rendered: list[Json], revision: str, source: str | None) -> SettingsDiff:
    """Compare the merged values of the origin with those that the target version renders from the same settings."""
    origin = mesh.settings_origin(revision, source)
    config_maps = {name_of(obj): obj for obj in rendered if obj["kind"] == "ConfigMap"}
    target_values = config_maps.get(f"values{suffix(revision)}")
    if origin is None or target_values is None:
        return SettingsDiff({}, {})
    return settings_diff(
        origin.merged_values, json.loads(target_values["data"]["merged-values"]), carried_values(origin, revision)
    )
