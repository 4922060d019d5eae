# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs parts of the shipped playbooks by ansible-playbook, on hosts that no task connects to."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import yaml

from unit.paths import ROOT

#: One result of the default output, which is JSON in one or in several lines.
RESULT = re.compile(r"^(ok|fatal): \[([\w-]+)\](?:: FAILED!)? => (\{.*?\})$", re.MULTILINE | re.DOTALL)


def load(path: Path) -> t.Any:
    """Return the content of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def start(
    folder: Path, hosts: dict[str, dict[str, t.Any]], playbook: Path, *flags: str, more: dict[str, str] | None = None
) -> str:
    """Run a playbook to its end, and return its output."""
    inventory = folder / "hosts.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}), encoding="utf-8")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "ANSIBLE_HOME": str(folder / "ansible"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        "ANSIBLE_DISPLAY_FAILED_STDERR": "false",
        "ANSIBLE_FORKS": "1",
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
        **(more or {}),
    }
    command = ["ansible-playbook", "-i", str(inventory), str(playbook), *flags]
    run = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    return run.stdout + run.stderr


def play(folder: Path, hosts: dict[str, dict[str, t.Any]], plays: list[dict[str, t.Any]]) -> dict[str, list[str]]:
    """Run plays, and return the messages of each host in their order."""
    playbook = folder / "site.yml"
    heads = [{"hosts": "all", "connection": "local", "gather_facts": False, **each} for each in plays]
    playbook.write_text(json.dumps(heads), encoding="utf-8")
    output = start(folder, hosts, playbook)
    messages: dict[str, list[str]] = {name: [] for name in hosts}
    for _state, host, result in RESULT.findall(output):
        messages[host].append(json.loads(result).get("msg", ""))
    assert any(messages.values()), output
    return messages
