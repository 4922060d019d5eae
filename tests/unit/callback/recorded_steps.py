# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Steps of a simulated run on one cluster, and findings that refuse it."""

from __future__ import annotations

from unit.callback import results as r
from unit.callback.results import SimulatedRun

HOST = "paris-1"
ERROR = r.finding("MU010", "error", "namespace lost")
REFUSED = r.precheck(ERROR, failed=True, msg="Cluster paris-1 is not ready to be upgraded.")


def read(simulated: SimulatedRun) -> None:
    simulated.task(HOST, "istio_precheck", r.precheck())


def installed(simulated: SimulatedRun) -> None:
    read(simulated)
    simulated.task(HOST, "istio_revision", r.install())


def failed(simulated: SimulatedRun) -> None:
    installed(simulated)
    simulated.task(HOST, "rollout_restart", r.broken())
