# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The first tasks of a batch of clusters."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.playbooks.playing import ROOT, load, play

PLAYBOOKS = ROOT / "playbooks"


def test_a_spent_failure_budget_is_reported_once(tmp_path: Path) -> None:
    hosts = {name: {"breaks": name == "b"} for name in "abcdefgh"}
    tasks = [
        {"name": "Begin", "ansible.builtin.import_tasks": str(PLAYBOOKS / "tasks" / "ring.yml")},
        {"name": "Break", "ansible.builtin.fail": {"msg": "broken"}, "when": "breaks"},
        {"name": "Continue", "ansible.builtin.debug": {"msg": "continued"}},
    ]
    fleet = {
        "name": "Visit the fleet",
        "hosts": "{{ lookup('meshops.istio.fleet').clusters }}",
        "serial": "{{ lookup('meshops.istio.fleet').batch_sizes }}",
        "vars": {"istio_serial": "2", "istio_failure_budget": "0", "__istio_excluded": []},
        "tasks": tasks,
    }
    after = {"name": "After it", "tasks": [{"name": "Show", "ansible.builtin.debug": {"msg": "the next play"}}]}
    messages = play(tmp_path, hosts, [fleet, after])
    spent = "1 of 8 clusters failed (b), the failure budget is 0. These stay as they are: c, d, e, f, g, h."
    assert messages == {
        "a": ["continued", "the next play"],
        "b": ["broken"],
        "c": [spent, "the next play"],
        **{name: ["the next play"] for name in "defgh"},
    }


@pytest.mark.parametrize(
    ("names", "playbook", "shown"), [("a", "canary", "info"), ("ab", "canary", "warning"), ("ab", "precheck", "info")]
)
def test_only_a_single_cluster_shows_findings_without_consequences(
    tmp_path: Path, names: str, playbook: str, shown: str
) -> None:
    """The gate passes it to the role, and the role to the module."""
    (role,) = [task for task in load(PLAYBOOKS / "tasks" / "gate.yml") if "vars" in task]
    show = {"name": "Show", "ansible.builtin.debug": {"msg": role["vars"]["precheck_show"]}}
    plan = {"name": "Plan", "vars": {"__istio_playbook": playbook}, "tasks": [show]}
    assert play(tmp_path, {name: {} for name in names}, [plan]) == {name: [shown] for name in names}
    (task,) = load(ROOT / "roles" / "precheck" / "tasks" / "main.yml")[0]["block"]
    assert task["meshops.istio.istio_precheck"]["show"] == "{{ precheck_show }}"
