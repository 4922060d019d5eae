# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that AWX cuts into slices is refused by every playbook that writes.

The variables of a job are in awx_meta_vars (awx/main/models/unified_jobs.py and jobs.py).
JobTemplate.create_unified_job starts the slices by a workflow job that copies the fields of the template, including its
name.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from unit.playbooks.playing import ROOT, play, start

CASES = {
    "desk": {},
    "job": {"awx_job_id": 7, "awx_job_template_name": "Istio canary"},
    "workflow": {"awx_job_template_name": "Istio canary", "awx_workflow_job_name": "Istio upgrade"},
    "slice": {"awx_job_template_name": "Istio canary", "awx_workflow_job_name": "Istio canary"},
    "tower": {"tower_job_template_name": "Istio canary", "tower_workflow_job_name": "Istio canary"},
}
SLICES = str(ROOT / "playbooks" / "tasks" / "slices.yml")


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    passed = {"name": "Continue", "ansible.builtin.debug": {"msg": "continued"}}
    plays = [
        {
            "name": name,
            "hosts": name,
            "tasks": [{"name": "Check", "ansible.builtin.import_tasks": SLICES}, passed],
        }
        for name in CASES
    ]
    return play(tmp_path_factory.mktemp("slices"), CASES, [{**each, "ignore_errors": True} for each in plays])


@pytest.mark.parametrize("name", ["desk", "job", "workflow"])
def test_a_whole_run_continues(messages: dict[str, list[str]], name: str) -> None:
    assert messages[name] == ["continued"]


@pytest.mark.parametrize("name", ["slice", "tower"])
def test_a_slice_is_refused(messages: dict[str, list[str]], name: str) -> None:
    assert messages[name][0].startswith("Job template Istio canary cuts this run into slices")
    assert "set its job slice count to 1" in messages[name][0]


def test_a_slice_in_which_a_ring_is_empty_is_refused_as_a_slice(tmp_path: Path) -> None:
    """Ansible renders the hosts of the first play before any task."""
    inventory = tmp_path / "slice.json"
    rings = {"istio_ring_0": {"hosts": {}}, "istio_ring_1": {"hosts": {"paris": {"istio_host": "https://127.0.0.1:1"}}}}
    inventory.write_text(json.dumps({"all": {"children": rings}}), encoding="utf-8")
    names = json.dumps({**CASES["slice"], "istio_version": "1.31.0"})
    output = start(tmp_path, {}, ROOT / "playbooks" / "canary.yml", "-i", str(inventory), "-e", names)
    assert "cuts this run into slices" in output
    assert "has no cluster" not in output


def tasks_of(path: Path) -> list[str]:
    """List the task files that a playbook imports, in their order and all the way down."""
    names = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        for each in [entry, *entry.get("tasks", [])]:
            name = each.get("ansible.builtin.import_tasks") or each.get("ansible.builtin.import_playbook")
            if name:
                inner = path.parent / name
                names += [inner.name, *tasks_of(inner)]
    return names


@pytest.mark.parametrize("name", ["canary", "in_place", "downgrade", "rollback"])
def test_every_playbook_that_writes_first_refuses_slices_and_checks_the_inventory(name: str) -> None:
    other_files = {"upgrade.yml", "plan.yml", "read.yml"}
    first_files = [task for task in tasks_of(ROOT / "playbooks" / f"{name}.yml") if task not in other_files]
    assert first_files[:2] == ["slices.yml", "inventory.yml"]
