# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Status, verify and the report of a run agree with each other and with the cluster, at each step of an upgrade."""

from __future__ import annotations

import re

from field.meshes import SHOP, label, web
from field.playbooks import canary, play
from integration.objects import REV
from integration.support import NEW_REVISION, REVISION, Desk, Play
from integration.workloads import namespace
from lab import Cluster

OWN_LABEL = {REV: REVISION, "sidecar.istio.io/inject": "true"}


def state(run: Play) -> tuple[str, str]:
    """Return the state of the only cluster in the report of a run, and the verdict."""
    report = run.report()
    return report["clusters"][0]["state"], report["run"]["verdict"]


def status(desk: Desk, cluster: Cluster) -> str:
    """Return the state that the playbook status shows; its report only says that the cluster was read."""
    run = play(desk, cluster, "status").require_success()
    assert state(run) == ("read", "success")
    shown = re.search(rf"\b([a-z ]+): {cluster.name} ", run.output)
    assert shown, run.output[-2000:]
    return shown[1].strip()


def codes(run: Play, cluster: Cluster) -> set[str]:
    """Return the codes of the errors and warnings of verify."""
    findings = run.of(cluster, "istio_precheck")[-1]["findings"]
    return {row["code"] for row in findings if row["severity"] != "info"}


def test_a_control_plane_alone_is_not_done(desk: Desk, based: Cluster) -> None:
    run = canary(desk, based, "--tags", "control_plane").require_success()
    assert state(run) == ("stopped", "stopped")
    assert status(desk, based) == "interrupted"
    verified = play(desk, based, "verify")
    assert {"MU122", "MU135"} <= codes(verified, based)
    assert (verified.returncode, state(verified)) == (2, ("failed", "failed"))


def test_a_gateway_that_stays_behind_is_not_done(desk: Desk, based: Cluster) -> None:
    based.apply([namespace("edge"), web("gw", "edge", labels=OWN_LABEL)])
    based.wait_ready()
    run = canary(desk, based).require_success()
    assert state(run) == ("incomplete", "incomplete")
    assert status(desk, based) == "half done"
    verified = play(desk, based, "verify").require_success()
    assert "MU122" in codes(verified, based)
    assert state(verified) == ("incomplete", "incomplete")


def test_r09_labels_that_are_put_back_are_an_error_afterwards(desk: Desk, based: Cluster) -> None:
    assert state(canary(desk, based).require_success()) == ("done", "success")
    assert status(desk, based) == "done"
    assert state(play(desk, based, "verify").require_success()) == ("verified", "success")
    label(based, SHOP, {REV: REVISION})
    assert status(desk, based) == "half done"
    verified = play(desk, based, "verify")
    assert verified.returncode == 2
    assert "MU135" in codes(verified, based)
    label(based, SHOP, {REV: NEW_REVISION})
    assert state(play(desk, based, "verify").require_success()) == ("verified", "success")
