# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An action plugin knows whether ansible-playbook has a terminal, although a worker of ansible-core 2.19 has none."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from unit.paths import COLLECTIONS

PLUGIN = """
from ansible.plugins.action import ActionBase
from ansible_collections.meshops.istio.plugins.plugin_utils.action import WATCHED

class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        with open(self._task.args["note"], "w") as file:
            file.write(f"{WATCHED}")
        return {}
"""


@pytest.mark.parametrize("terminal", [True, False], ids=["a terminal", "a log"])
def test_the_terminal_is_that_of_the_run(tmp_path: Path, terminal: bool) -> None:
    (tmp_path / "probe.py").write_text(PLUGIN, encoding="utf-8")
    note, playbook = tmp_path / "note", tmp_path / "site.yml"
    task = {"name": "Probe", "probe": {"note": str(note)}}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    playbook.write_text(json.dumps([play]), encoding="utf-8")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_ACTION_PLUGINS": str(tmp_path),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
    }
    controller_end, process_end = pty.openpty()
    with (tmp_path / "log").open("wb") as log:
        output = process_end if terminal else log
        process = subprocess.Popen(
            ["ansible-playbook", str(playbook)], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        assert process.wait(60) == 0
    for handle in (controller_end, process_end):
        os.close(handle)
    assert note.read_text(encoding="utf-8") == str(terminal)
