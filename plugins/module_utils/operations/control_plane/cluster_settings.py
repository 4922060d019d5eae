# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the settings that an installation would lose because only objects of the cluster hold them.

In place, each object that changes is compared with the API server's answer to a dry run. For a new revision, each
rendered object is compared with that of the source revision.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
from collections.abc import Callable, Iterator

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import RESOURCES, object_path
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, labels_of, name_of, ref_of
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.cluster_settings import (
    ClusterSetting,
    find_edits,
    without_given,
    without_revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.component_settings import (
    find_component_settings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.config_texts import (
    Templates,
    find_text_settings,
    read_templates,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.shared_components import (
    OWNER,
    changed_user_fields,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    COMPONENT_LABEL,
    DEFAULT,
    Mesh,
    Revision,
    suffix,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import SHARED_COMPONENTS
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer import Installer
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import Installation
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

CRD = "CustomResourceDefinition"


def find_cluster_settings(
    task: TaskContext,
    options: InstallOptions,
    mesh: Mesh,
    installation: Installation,
    source: str | None,
    installer: Installer,
) -> list[ClusterSetting]:
    """Return the settings that would get lost, except those that the user gives a value; writes nothing."""
    installed, origin = mesh.revisions.get(options.revision), mesh.revisions.get(source or "")
    running = installed or origin
    lost: dict[str, ClusterSetting] = {}
    changes = (change for change in installation.changes if change.live and is_compared(change.after))
    pairs = [(change.live, change.after) for change in changes]
    if installed is None and origin is not None:
        pairs += _objects_of_source(task, installation, options.revision, origin.name)
    templates = functools.cache(lambda: _rendered_templates(installer, mesh, running) if running else None)
    for live, after in pairs:
        for setting in _compare(live, after, options, running, templates):
            lost.setdefault(setting.name, setting)
    for setting in _of_shared_components(installation):
        lost.setdefault(setting.name, setting)
    return without_given(lost.values(), options.values, options.components)


def is_compared(obj: Json) -> bool:
    """Return whether the settings of an object are compared; the stored values are carried over instead."""
    return obj["kind"] != CRD and not name_of(obj).startswith("values")


def _objects_of_source(
    task: TaskContext, installation: Installation, target: str, source: str
) -> list[tuple[Json, Json]]:
    """Return each object of the source revision with the rendered one that takes its place."""

    def pair(rendered: Json) -> tuple[Json, Json] | None:
        kind, name = rendered["kind"], name_of(rendered)
        former = f"{name}{suffix(source)}" if target == DEFAULT else name.replace(suffix(target), suffix(source))
        namespace = rendered["metadata"].get("namespace", "") if RESOURCES[kind].namespaced else ""
        try:
            return task.client.get(object_path(kind, namespace, former), doing=f"Reading {kind} {former}"), rendered
        except NotFoundError:
            return None

    own_objects = [
        obj
        for obj in installation.rendered
        if is_compared(obj) and (target == DEFAULT or suffix(target) in name_of(obj))
    ]
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        return [both for both in pool.map(pair, own_objects) if both]


def _rendered_templates(installer: Installer, mesh: Mesh, running: Revision) -> Templates:
    """Return Istio's own templates of the running version, None if they cannot be rendered here."""
    objects = installer.objects_of(mesh, running)
    try:
        return read_templates(objects or (), f"istio-sidecar-injector{suffix(running.name)}", load_yaml)
    except ValueError:
        return None


def _compare(
    live: Json, after: Json, options: InstallOptions, origin: Revision | None, templates: Callable[[], Templates]
) -> Iterator[ClusterSetting]:
    """Yield the settings of one object that get lost."""
    if origin is None or labels_of(live).get(COMPONENT_LABEL) in SHARED_COMPONENTS:
        return
    ref, values = ref_of(live), origin.merged_values
    before, then = without_revision(live, origin.name), without_revision(after, options.revision)
    edits = [*find_edits(before, then)]
    components = [*find_component_settings(before, then, values)]
    yield from (_named(f"{ref} {edit.name}", edit) for edit in edits)
    for setting in components:
        if not any(edit.name.startswith(setting.name) or setting.name.startswith(edit.name) for edit in edits):
            yield _named(f"{ref} {setting.name}", setting)
    if live.get("kind") == "ConfigMap":
        same_version = origin.version == str(options.version)
        rendered = None if same_version else templates
        yield from find_text_settings(before, then, values, load_yaml, rendered_templates=rendered)


def _named(name: str, setting: ClusterSetting) -> ClusterSetting:
    return dataclasses.replace(setting, name=name)


def _of_shared_components(installation: Installation) -> Iterator[ClusterSetting]:
    """Yield the fields of shared components that users set, and that their own revision would reset.

    A takeover from another revision has its own refusal.
    """
    for change in installation.changes:
        shared = bool(change.live) and labels_of(change.live).get(COMPONENT_LABEL) in SHARED_COMPONENTS
        if shared and OWNER not in change.fields:
            for path, (old, new) in changed_user_fields(change).items():
                yield ClusterSetting(f"{change.place} {path}", old, new)
