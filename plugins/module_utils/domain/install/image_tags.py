# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry the image tag of a running revision over to a new one."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.derived_tags import (
    derived_tag,
    is_derivable,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version


def carried_tag(source: Revision, target: Version) -> str | None:
    """Return the image tag for the target that keeps the source's image variant, or None for the plain one.

    Raises:
        SafetyError: the source runs a custom tag, so the tag of the target cannot be derived.
    """
    problem = underivable_tag(source, target)
    if problem:
        raise SafetyError(f"{problem}; set parameter tag (variable istio_tag of the playbooks).")
    tag = derived_tag(_tag(source), target)
    return None if tag == str(target) else tag


def underivable_tag(source: Revision, target: Version) -> str:
    """Return why the image tag for a target cannot be derived from that of the source, or an empty string."""
    tag = _tag(source)
    if is_derivable(tag, target):
        return ""
    return (
        f"Revision {source.name} runs the custom image tag {tag!r}, so the tag for {target} cannot be derived from it"
    )


def _tag(source: Revision) -> str:
    return source.config.tag if source.config else ""
