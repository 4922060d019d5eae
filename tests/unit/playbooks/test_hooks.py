# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tasks of the user around a wave: S13, what no_log hides stays hidden; and their restarts have their own options."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from unit.playbooks.playing import ROOT, load, play

SECRET = "hunter2-in-a-hook"
FAIL: dict[str, t.Any] = {"name": "Ask", "ansible.builtin.fail": {"msg": f"refused: {SECRET}"}}
HOOKS: dict[str, tuple[list[dict[str, t.Any]], bool]] = {
    "task": ([{**FAIL, "no_log": True}], True),
    "block": ([{"name": "Several", "no_log": True, "block": [FAIL]}], True),
    "loop": ([{**FAIL, "loop": [1, 2], "no_log": True}], True),
    "nothing to hide": ([FAIL], False),
}


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_that_fails_shows_its_message_unless_it_is_hidden(tmp_path: Path, name: str) -> None:
    tasks, hidden = HOOKS[name]
    hook = tmp_path / "hook.yml"
    hook.write_text(json.dumps(tasks), encoding="utf-8")
    variables = {
        "data_plane_hooks": {"after_wave": str(hook)},
        "data_plane_wave": ["shop"],
        "data_plane_on_failure": "hold",
    }
    gate = {"name": "Gate", "ansible.builtin.include_tasks": str(ROOT / "roles/data_plane/tasks/after_wave.yml")}
    messages = play(tmp_path, {"a": {}}, [{"name": "Wave", "vars": variables, "tasks": [gate]}])["a"]
    message = messages[-1]
    assert message.startswith("The tasks after the wave shop failed, everything is held as it is: ")
    assert (SECRET in message, "hidden by no_log" in message) == (not hidden, hidden)


def blocks_with_hooks(tasks: list[dict[str, t.Any]], around: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    """Yield the innermost block around each include of a file of the user."""
    for task in tasks:
        if "data_plane_hooks." in str(task.get("ansible.builtin.include_tasks", "")):
            yield around
        for part in ("block", "rescue", "always"):
            yield from blocks_with_hooks(task.get(part, []), task)


def test_no_file_of_the_user_gets_the_restart_options_of_the_role() -> None:
    files = sorted((ROOT / "roles" / "data_plane" / "tasks").glob("*.yml"))
    blocks = [block for path in files for block in blocks_with_hooks(load(path), {})]
    assert len(blocks) == 2
    assert all(block["module_defaults"] == {"meshops.istio.rollout_restart": {}} for block in blocks)


def test_a_restart_in_a_hook_keeps_the_defaults_of_the_module(tmp_path: Path) -> None:
    """The options around the hook are wrong here, so that the module would refuse them."""
    hook = tmp_path / "hook.yml"
    options = {"host": "https://127.0.0.1:1", "api_key": "none", "namespaces": []}
    passed = {"name": "Pass", "ansible.builtin.debug": {"msg": "passed"}}
    hook.write_text(json.dumps([{"name": "Restart", "meshops.istio.rollout_restart": options}, passed]), "utf-8")
    gate = {"name": "Gate", "ansible.builtin.include_tasks": str(ROOT / "roles/data_plane/tasks/after_wave.yml")}
    defaults = {"meshops.istio.rollout_restart": {"batch_size": "half"}}
    variables = {
        "data_plane_hooks": {"after_wave": str(hook)},
        "data_plane_wave": ["shop"],
        "data_plane_on_failure": "hold",
    }
    tasks = [{"name": "Within the options of the role", "module_defaults": defaults, "block": [gate]}]
    messages = play(tmp_path, {"a": {}}, [{"name": "Wave", "vars": variables, "tasks": tasks}])["a"]
    assert messages[-1] == "passed"
