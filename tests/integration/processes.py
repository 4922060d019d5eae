# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of a run: ansible-playbook, its workers, and what they started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path


def descendants(pid: int) -> list[int]:
    """The processes below one; ansible's workers and istioctl have sessions of their own."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(entry.name)] = int(stat.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def keepers(pids: list[int]) -> list[int]:
    """The processes that renew the locks of some ansible-playbooks; they have no parent."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        with contextlib.suppress(ValueError, IndexError, KeyError, TypeError):
            if int(json.loads(words[-2])["keeper"]["playbook"].split("/")[-2]) in pids:
                found.append(int(entry.name))
    return found


def kill(pid: int) -> None:
    """Kill a process and all of its run at one moment, as a container ends: who sees another one die tidies up."""
    family = [pid, *descendants(pid)]
    family += keepers(family)
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for one in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, number)
