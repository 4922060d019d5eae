# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole playbooks on a cluster with two control planes, which an external installer has made: every task renders."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.playbooks.playing import ROOT, start
from unit.support import builders as b
from unit.support.fake_api import FakeApi

MESH = (*b.two_planes(), *b.namespaces(shop=b.OLD), *b.deployed(revision=b.OLD))
RETIRES = ("-e", "istio_finalize=true")


@pytest.mark.parametrize(
    ("name", "flags", "last_task"),
    [
        ("canary", ("--check", *RETIRES), "meshops.istio.finalize : Report what is left for the next run"),
        ("rollback", (), "meshops.istio.rollback : Fail with what could not be restored"),
        ("precheck", (), "Fail a cluster that does not pass"),
        ("verify", ("--check",), "Check that a proxy runs the target version"),
        ("status", (), "Publish the summary"),
    ],
)
def test_a_playbook_reaches_its_last_task(tmp_path: Path, name: str, flags: tuple[str, ...], last_task: str) -> None:
    with FakeApi(*MESH) as api:
        cluster = {"istio_host": api.url, "istio_api_key": "t", "istio_version": b.NEW_VERSION}
        variables = {**cluster, "istio_installer": "external", "istio_fail_on": "never"}
        output = start(tmp_path, {"paris": variables}, ROOT / "playbooks" / f"{name}.yml", "-c", "local", *flags)
    assert f"TASK [{last_task}] " in output
    assert " unreachable=0 " in output, output
    assert " failed=0 " in output, output
