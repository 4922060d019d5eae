# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check whether webhooks of tags that the run moves have settings that istioctl resets."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.webhook_settings import reset_settings
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def _find_reset_settings(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for injector in snapshot.mesh.injectors:
        moves = injector.revision == upgrade.source != upgrade.revision
        of_tag = bool(injector.tag) and (injector.tag != DEFAULT or upgrade.finalize)
        settings = [*reset_settings(injector.webhooks)] if of_tag and moves else []
        if settings:
            listed = join_limited([f"{path}: {value}" for path, value in settings], between="; ")
            yield cluster_object("webhook", injector.name), f"Tag {injector.tag} is set without them: {listed}."


CHECKS = (
    Check("MU146", WARNING, "settings of a tag that istioctl resets",
          "istioctl sets a tag with the settings of its chart, so a run is refused that moves the tag.",
          "accept it by istio_allow_setting_changes, and set them again after the run", _find_reset_settings),
)  # fmt: skip
