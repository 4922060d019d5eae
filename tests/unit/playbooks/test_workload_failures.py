# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run goes on after workloads that failed by themselves, and where it does not."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import jinja2
import pytest
import yaml

from unit.paths import ROOT

TASKS = ROOT / "roles/data_plane/tasks"
RESTARTS = ("data_plane_wave_restart", "__data_plane_tag_restart", "__data_plane_percentage")


def tasks(found: t.Any) -> Iterator[dict[str, t.Any]]:
    """All tasks of a file, also those in blocks."""
    for one in found:
        yield one
        for part in ("block", "rescue", "always"):
            yield from tasks(one.get(part, ()))


def failed_when(register: str) -> str:
    """The condition under which the task with this result fails."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(TASKS.glob("*.yml"))]
    found = [one for file in files for one in tasks(file) if one.get("register") == register]
    assert len(found) == 1
    return str(found[0]["failed_when"])


@pytest.mark.parametrize("register", RESTARTS)
@pytest.mark.parametrize(
    ("result", "choice", "fails"),
    [
        ({"failed": False}, "stop", False),
        ({"failed": True}, "", True),
        ({"failed": True, "failure": {"caused_by": "revision"}}, "", True),
        ({"failed": True, "failure": {"caused_by": "cluster"}}, "hold", True),
        ({"failed": True, "failure": {"caused_by": "workloads"}}, "", False),
        ({"failed": True, "failure": {"caused_by": "workloads"}}, "rollback", False),
        ({"failed": True, "failure": {"caused_by": "workloads"}}, "stop", True),
        ({"failed": True, "failure": {"caused_by": "namespaces"}}, "stop", False),
    ],
)
def test_workloads_that_fail_by_themselves_end_a_run_only_where_they_are_to_stop_it(
    register: str, result: dict[str, t.Any], choice: str, fails: bool
) -> None:
    environment = jinja2.Environment(autoescape=False)
    environment.tests["failed"] = lambda one: one["failed"]
    decide = environment.compile_expression(failed_when(register))
    assert decide(**{register: result, "data_plane_on_workload_failure": choice}) is fails
