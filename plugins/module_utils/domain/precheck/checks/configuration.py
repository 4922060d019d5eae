# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check Istio's own configuration: which revisions read it."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import (
    LOST,
    only_for,
    unknown_to_all,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    AFTER,
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

NEEDS = ("configuration",)


def _find_configuration_of_source(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    source = upgrade.source
    if not source or source == upgrade.revision or source not in snapshot.mesh.revisions:
        return
    effect = "does not apply" if upgrade.stage == AFTER else "stops applying"
    for labelled in only_for(snapshot.precheck_inputs.configuration, source):
        yield (
            labelled.ref,
            f"Because of its label {REVISION_LABEL}={source}, only istiod of revision {source} reads it: it {effect} "
            f"to proxies that move to {upgrade.revision}.",
        )


def _find_configuration_without_reader(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for labelled, reason in unknown_to_all(snapshot.precheck_inputs.configuration, snapshot.mesh, upgrade.revision):
        yield labelled.ref, f"Because of its label {REVISION_LABEL}, no istiod reads it: {reason}."


CHECKS = (
    Check(LOST, ERROR, "configuration for one revision only",
          "It stops applying to proxies that move, without an error; an AuthorizationPolicy no longer denies.",
          "remove the label, so that both revisions read it; or set it to the target revision after the move",
          _find_configuration_of_source, ERROR, NEEDS),
    Check("MU054", WARNING, "configuration that no istiod reads", "It has no effect.",
          "remove the label, or set it to the name of a revision; istiod ignores tags there",
          _find_configuration_without_reader, WARNING, NEEDS),
)  # fmt: skip
