# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check extensions of Envoy: EnvoyFilters and WasmPlugins."""

from __future__ import annotations

import collections
import re

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    INFO,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Extension
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

#: Limits for the length of an expression, its repetitions and the length of a version, so that a search stays fast.
LONGEST, REPEATED, SEARCHED = 100, 4, 20


def _ref(extension: Extension) -> ObjectRef:
    return ObjectRef(extension.namespace, extension.kind, extension.name)


def _find_extensions(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    names_by_kind: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for extension in snapshot.precheck_inputs.extensions:
        names_by_kind[extension.namespace, extension.kind].append(extension.name)
    for (namespace, kind), names in sorted(names_by_kind.items()):
        kinds = kind if len(names) == 1 else f"{kind}s"
        yield cluster_object("namespace", namespace), f"It has {len(names)} {kinds}: {join_limited(sorted(names))}."


def _find_patches_for_old_proxies(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    source = snapshot.mesh.revisions.get(upgrade.source or "")
    old_version = source.istio_version if source else None
    if upgrade.version is None:
        return
    old, new = str(old_version or ""), str(upgrade.version)
    for extension in snapshot.precheck_inputs.extensions:
        patterns = extension.proxy_versions
        lost = [pattern for pattern in patterns if _applies(pattern, old) and not _applies(pattern, new)]
        gained = [pattern for pattern in patterns if _applies(pattern, new) and not _applies(pattern, old)]
        # Istio's documentation advises one patch for the old version beside one for the new version.
        if lost and not gained:
            yield (
                _ref(extension),
                f"One of its patches applies only to proxies whose version matches {lost[0]!r}: proxies of "
                f"{old_version} get it, proxies of {new} will not.",
            )


def _applies(pattern: str, version: str) -> bool:
    """Return whether a patch with this proxyVersion applies to proxies of a version; istiod searches with Go's RE2.

    The patch is assumed to apply if the version is unknown, if the expression is not valid in Python, and if Python
    could need very long to search with an expression that RE2 handles quickly.
    """
    if len(pattern) > LONGEST or sum(map(pattern.count, "*+{")) > REPEATED:
        return True
    try:
        return not version or re.search(pattern, version[:SEARCHED]) is not None
    except (re.error, OverflowError, RecursionError):
        return True


def _find_patches_by_filter_name(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for extension in snapshot.precheck_inputs.extensions:
        if extension.anchors:
            yield (
                _ref(extension),
                f"Its patches refer to filters by name: {join_limited(extension.anchors)}. A proxy without a filter of "
                "that name ignores the patch without an error.",
            )


CHECKS = (
    Check("MU038", INFO, "patches that refer to Envoy filters by name",
          "If Envoy changes such a name, the patch stops working without an error.",
          "check its effect with istioctl proxy-config on a new proxy before you move the others",
          _find_patches_by_filter_name, needs=("extensions",)),
    Check("MU043", INFO, "extensions of Envoy", "They depend on Envoy internals, which change between versions.",
          "test each extension with a proxy of the target version first", _find_extensions, needs=("extensions",)),
    Check("MU044", WARNING, "patches for other proxy versions",
          "They have no effect on the new proxies, without an error.",
          "add patches whose proxyVersion matches the target version",
          _find_patches_for_old_proxies, needs=("extensions",)),
)  # fmt: skip
