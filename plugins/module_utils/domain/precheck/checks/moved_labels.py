# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of labels and tags that a run moves: who owns them, and whether another client has set them back."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.put_back import REMEDY, MovedBy, put_back
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def _find_put_back(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    if upgrade.revision:
        for moved in put_back(snapshot, MovedBy(revision=upgrade.revision)):
            yield moved.ref, f"{moved.reason[0].upper()}{moved.reason[1:]}."


CHECKS = (
    Check("MU116", WARNING, "moved and set back",
          "Its new pods get the proxy that it was moved away from. A restart would only follow the old label.", REMEDY,
          _find_put_back, ERROR),
)  # fmt: skip
