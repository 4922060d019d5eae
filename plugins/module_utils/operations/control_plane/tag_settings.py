# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the settings in the webhooks of a tag that get lost when istioctl sets the tag.

istioctl renders these webhooks without the settings of an administrator or of a chart, and applies them. The API server
is asked for the result by a dry run.
"""

from __future__ import annotations

from collections.abc import Collection

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import object_path
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, name_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.cluster_settings import (
    SET_THEM_AGAIN,
    ClusterSetting,
    require_accepted,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.manifest import parse_manifest
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.webhook_settings import (
    find_webhook_settings,
    has_webhook_settings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.tag_owners import (
    injector_behind,
    injects_by_default,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import is_only_planned
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

KIND = "MutatingWebhookConfiguration"
#: Field manager of ``istioctl tag set``.
MANAGER = "istio-ci"


def set_flags(mesh: Mesh, name: str, revision: str) -> list[str]:
    """Return the flags by which istioctl sets a tag, and renders it; injection by default is kept."""
    by_default = ["--auto-inject-namespaces"] if injects_by_default(mesh, name) else []
    return ["--revision", revision, "--overwrite", "--skip-confirmation", *by_default]


def require_settings_kept(
    task: TaskContext, mesh: Mesh, name: str, revision: str | None, *, allowed: Collection[str], undo: bool
) -> tuple[list[ClusterSetting], list[str]]:
    """Return the settings of webhooks that a move of a tag resets, and warnings; an undo only warns.

    Raises:
        SafetyError: there are some that option ``allow_setting_changes`` does not name.
    """
    former = injector_behind(mesh, name)
    if revision is None or former is None:
        return [], []
    # A revision that is only planned has no webhook to render from.
    lost = find_tag_settings(task, mesh, name, former.revision if is_only_planned(task, revision) else revision)
    if undo:
        return lost, [f"Moving tag {name} back resets a setting: {setting}." for setting in lost]
    require_accepted(lost, allowed, SET_THEM_AGAIN)
    return lost, []


def find_tag_settings(task: TaskContext, mesh: Mesh, name: str, revision: str) -> list[ClusterSetting]:
    """Return the settings in the webhooks behind a tag that they lose if istioctl points it at a revision.

    Writes nothing. istioctl is not run unless there are such settings.

    Raises:
        IstioctlError: istioctl does not render the tag.
    """
    former = injector_behind(mesh, name)
    if former is None:
        return []
    live = task.client.get(object_path(KIND, "", former.name), doing=f"Reading {former.name}")
    if not has_webhook_settings(live):
        return []
    ctl = task.istioctl(mesh, revision, former.revision, *mesh.revisions)
    after = rendered_tag(task.client, ctl, mesh, name, revision)
    return [*find_webhook_settings(live, after, former.revision, revision)]


def rendered_tag(client: Client, ctl: Istioctl, mesh: Mesh, name: str, revision: str) -> Json:
    """Return the webhooks of a tag as they are once istioctl has set it."""
    text = ctl.run("tag generate", name, flags=set_flags(mesh, name, revision))
    rendered = next(obj for obj in parse_manifest(text, with_crds=False) if obj["kind"] == KIND)
    path = object_path(KIND, "", name_of(rendered))
    return client.apply(path, rendered, manager=MANAGER, doing=f"Comparing {KIND} {name_of(rendered)}")
