# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module istio_revision: install a control plane revision, or remove one."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.helm import OFFICIAL_CHARTS
from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import HELM
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import require_known_codes
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import require_known_blockers
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    MINOR_STEPS,
    require_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import install, remove_revision
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.external import EXTERNAL
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer import INSTALLERS
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import (
    InstallOptions,
    RemovalOptions,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.planned_option import PLANNED_SPEC
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)

SPEC = ArgumentSpec(
    {
        "revision": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "version": {"type": "str"},
        "strategy": {"type": "str", "choices": list(MINOR_STEPS), "default": "canary"},
        "installer": {"type": "str", "choices": [*INSTALLERS, EXTERNAL], "default": "istioctl"},
        "istioctl": {"type": "str", "default": "istioctl"},
        "helm": {"type": "str", "default": "helm"},
        "charts": {"type": "str", "default": OFFICIAL_CHARTS},
        "end_pending_releases": {"type": "list", "elements": "str", "default": []},
        "profile": {"type": "str", "default": "minimal"},
        "source_revision": {"type": "str"},
        "carry_over": {"type": "bool", "default": True},
        "values": {"type": "dict", "default": {}},
        "tag": {"type": "str"},
        "allow_setting_changes": {"type": "list", "elements": "str", "default": []},
        "adopt_shared_components": {"type": "bool", "default": False},
        "components": {"type": "dict", "default": {}},
        "allow_default_change": {"type": "bool", "default": False},
        "timeout": {"type": "int", "default": 300},
        "allow": {"type": "list", "elements": "str", "default": []},
        "allow_blockers": {"type": "list", "elements": "str", "default": []},
        **PLANNED_SPEC,
    },
    required_if=(("state", "present", ("version",)),),
)
_REVISION = re.compile(r"[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?")


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse invalid options before any request."""
    revision, version = params["revision"], params.get("version")
    if not _REVISION.fullmatch(revision):
        hint = f"; {revision.replace('.', '-')!r} would be valid" if "." in revision else ""
        raise ParameterError(
            f"Parameter revision: {revision!r} is not a valid DNS label (lower case letters, digits and -){hint}."
        )
    if revision == "default" and params["state"] == "present" and params["strategy"] == "canary":
        raise ParameterError(
            "Parameter revision: 'default' is the installation without a revision; a canary needs another name."
        )
    if version:
        require_version(version)
    for part in ("global", "pilot"):
        if (params["values"].get(part) or {}).get("tag"):
            raise ParameterError(f"Parameter values: set the image tag in parameter tag, not in {part}.tag.")
    if params["installer"] == HELM and params["profile"] != "minimal":
        raise ParameterError(
            f"Parameter profile: {params['profile']} is a profile of istioctl; the Helm charts have their own "
            "profiles, in values.profile."
        )
    require_known_codes(params["allow"])
    require_known_blockers(params["allow_blockers"])
    if params["timeout"] < 1:
        raise ParameterError(f"Parameter timeout: {params['timeout']} is not a number of seconds above 0.")


def run(task: TaskContext) -> TaskResult:
    """Install or remove the revision."""
    if task.params["state"] == "present":
        return install.install(task, InstallOptions.from_params(task.params))
    return remove_revision.remove_revision(task, RemovalOptions.from_params(task.params))


CORE = ModuleCore("istio_revision", SPEC, run, check)
