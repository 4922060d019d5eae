# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of what reaches into Envoy: EnvoyFilters and WasmPlugins."""

from __future__ import annotations

import collections
import re

from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    INFO,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version

#: What of an expression, and of a version, Python searches in no time.
LONGEST, REPEATED, SEARCHED = 100, 4, 20


def _extensions(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    found: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for one in snapshot.precheck_inputs.extensions:
        found[one.namespace, one.kind].append(one.name)
    for (namespace, kind), names in sorted(found.items()):
        yield f"{kind}s in namespace {namespace}", f"{len(names)} of them: {some(sorted(names))}."


def _left_behind(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(goal.source or "")
    old = parse_version(source.version) if source else None
    if goal.version is None:
        return
    new = str(goal.version)
    for one in snapshot.precheck_inputs.extensions:
        lost = [text for text in one.proxy_versions if _applies(text, str(old or "")) and not _applies(text, new)]
        gained = [text for text in one.proxy_versions if _applies(text, new) and not _applies(text, str(old or ""))]
        # a patch for the old version beside one for the new is what the documentation advises
        if lost and not gained:
            yield (
                f"{one.kind} {one.namespace}/{one.name}",
                f"It has a patch only for proxies whose version matches {lost[0]!r}: those of {old} have it, those of "
                f"{new} will not.",
            )


def _applies(pattern: str, version: str) -> bool:
    """Whether a patch with this proxyVersion reaches proxies of a version; istiod searches with Go's RE2.

    Of a version that is not known, and by an expression that is none here, it is taken to; also by one that RE2 takes
    in its stride and Python may search with for years.
    """
    if len(pattern) > LONGEST or sum(map(pattern.count, "*+{")) > REPEATED:
        return True
    try:
        return not version or re.search(pattern, version[:SEARCHED]) is not None
    except (re.error, OverflowError, RecursionError):
        return True


def _anchored(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for one in snapshot.precheck_inputs.extensions:
        if one.anchors:
            yield (
                f"{one.kind} {one.namespace}/{one.name}",
                f"It changes or is placed beside filters by name: {some(one.anchors)}. Proxies without one of "
                "that name leave the patch out silently.",
            )


CHECKS = (
    Check("MU038", INFO, "patches that depend on names inside Envoy", "They break without an error when it changes.",
          "look for its effect in istioctl proxy-config of a new proxy before the others follow", _anchored,
          needs=("extensions",)),
    Check("MU043", INFO, "extensions of Envoy", "They reach into Envoy itself, whose inside changes between versions.",
          "try each with a proxy of the target first", _extensions, needs=("extensions",)),
    Check("MU044", WARNING, "patches for other proxy versions", "They silently do nothing for the new proxies.",
          "add patches whose proxyVersion matches the target", _left_behind, needs=("extensions",)),
)  # fmt: skip
