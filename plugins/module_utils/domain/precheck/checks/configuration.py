# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of Istio's own configuration: which revision reads it."""

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


def _only_the_source(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    source = goal.source
    if not source or source == goal.revision or source not in snapshot.mesh.revisions:
        return
    what = "it does not apply to" if goal.stage == AFTER else "it stops to apply to"
    for one in only_for(snapshot.precheck_inputs.configuration, source):
        yield (
            str(one),
            f"Its label {REVISION_LABEL}={source} lets only istiod of revision {source} read it: {what} what moves to "
            f"{goal.revision}.",
        )


def _nobody(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
    for one, reason in unknown_to_all(snapshot.precheck_inputs.configuration, snapshot.mesh, goal.revision):
        yield str(one), f"No istiod reads it by its label {REVISION_LABEL}: {reason}."


CHECKS = (
    Check(LOST, ERROR, "configuration of one revision alone",
          "It would stop to apply to proxies that move, silently; an AuthorizationPolicy no longer denies.",
          "remove the label, so that both revisions read it; or give it the target's name once everything has moved",
          _only_the_source, ERROR, NEEDS),
    Check("MU054", WARNING, "configuration that nobody reads", "It has no effect, whatever it says.",
          "remove the label, or give it the name of a revision: tags do not count", _nobody, WARNING, NEEDS),
)  # fmt: skip
