# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whole playbooks on a cluster with two control planes, which an external installer has made: every task renders."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest

from unit.playbooks.playing import ROOT, load, start
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


def conditions(node: t.Any) -> t.Iterator[tuple[str, str]]:
    """Yield each variable of a task with each of its conditions that has several parts."""
    for task in node if isinstance(node, list) else []:
        when = task.get("when", [])
        for condition in [when] if isinstance(when, str) else when:
            if re.search(r"\b(and|or)\b", str(condition)):
                yield from ((name, condition) for name in task.get("vars", {}))
        for key in ("block", "rescue", "always", "tasks"):
            yield from conditions(task.get(key))


def test_no_condition_guards_a_variable_of_its_task() -> None:
    """ansible-core before 2.19 renders all variables of a condition; conditions of a list are evaluated one by one."""
    paths = [path for folder in ("playbooks", "roles") for path in (ROOT / folder).rglob("*.yml")]
    guarded = [
        (path.name, name)
        for path in paths
        for name, condition in conditions(load(path))
        if re.search(rf"\b(and|or)\b.*\b{name}\b", condition)
    ]
    assert guarded == [("ring.yml", "__istio_soak")], "the soak can always be read"
