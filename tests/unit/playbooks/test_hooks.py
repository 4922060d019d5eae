# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""S13: a message that a user's task hides by no_log stays hidden in our message."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from unit.playbooks.playing import ROOT, play

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
