# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of istio_revision, parsed once."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    Version,
    require_version,
)

Params = Mapping[str, t.Any]


@dataclasses.dataclass(frozen=True)
class InstallerOptions:
    """Which installer to use, and how to find and run it."""

    name: str
    #: Version of istioctl or of the charts; None for the version of the revision that is removed.
    version: str | None
    istioctl: str
    helm: str
    charts: str
    end_pending_releases: tuple[str, ...]
    #: Seconds.
    timeout: int

    @classmethod
    def from_params(cls, params: Params) -> InstallerOptions:
        """Return the options of a task."""
        return cls(
            name=params["installer"],
            version=params["version"],
            istioctl=params["istioctl"],
            helm=params["helm"],
            charts=params["charts"],
            end_pending_releases=tuple(params["end_pending_releases"]),
            timeout=params["timeout"],
        )


@dataclasses.dataclass(frozen=True)
class InstallOptions:
    """The options of ``state=present``."""

    revision: str
    version: Version
    strategy: str
    installer: InstallerOptions
    profile: str
    source_revision: str | None
    carry_over: bool
    values: Json
    #: Tag of the images; None to derive it from the version and the image variant of the source.
    tag: str | None
    components: Json
    adopt_shared_components: bool
    allow_setting_changes: tuple[str, ...]
    allow_default_change: bool
    #: Codes of findings that do not refuse the installation.
    allow: frozenset[str]

    @property
    def timeout(self) -> int:
        """Seconds."""
        return self.installer.timeout

    @classmethod
    def from_params(cls, params: Params) -> InstallOptions:
        """Return the options of a task."""
        return cls(
            revision=params["revision"],
            version=require_version(params["version"]),
            strategy=params["strategy"],
            installer=InstallerOptions.from_params(params),
            profile=params["profile"],
            source_revision=params["source_revision"],
            carry_over=params["carry_over"],
            values=params["values"],
            tag=params["tag"],
            components=params["components"],
            adopt_shared_components=params["adopt_shared_components"],
            allow_setting_changes=tuple(params["allow_setting_changes"]),
            allow_default_change=params["allow_default_change"],
            allow=frozenset(params["allow"]),
        )


@dataclasses.dataclass(frozen=True)
class RemovalOptions:
    """The options of ``state=absent``."""

    revision: str
    installer: InstallerOptions
    #: Codes of blockers that do not refuse the removal.
    allow_blockers: frozenset[str]

    @property
    def timeout(self) -> int:
        """Seconds."""
        return self.installer.timeout

    @classmethod
    def from_params(cls, params: Params) -> RemovalOptions:
        """Return the options of a task."""
        return cls(
            revision=params["revision"],
            installer=InstallerOptions.from_params(params),
            allow_blockers=frozenset(params["allow_blockers"]),
        )
