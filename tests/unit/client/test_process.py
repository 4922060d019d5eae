# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The functions that the wrappers of istioctl and Helm share; their own tests show the rest."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.process import json_file, run_command
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import InstallerError


def test_a_document_is_private_and_removed() -> None:
    with json_file({"kind": "IstioOperator"}) as path:
        assert json.loads(Path(path).read_text()) == {"kind": "IstioOperator"}
        assert Path(path).stat().st_mode & 0o077 == 0
    assert not Path(path).exists()


def test_a_command_does_not_outlive_a_task_that_is_interrupted(tmp_path: Path) -> None:
    note = tmp_path / "pids"

    def interrupt() -> None:
        while not note.exists() or len(note.read_text().split()) < 2:
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def on_signal(*dummy: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, on_signal)
    try:
        threading.Thread(target=interrupt, daemon=True).start()
        command = ["/bin/sh", "-c", f"sleep 60 & echo $$ $! > {note}; wait"]
        with pytest.raises(KeyboardInterrupt):
            run_command(command, title="sleep", environment=dict(os.environ), timeout=60, error=InstallerError)
    finally:
        signal.signal(signal.SIGUSR1, before)
    deadline = time.monotonic() + 10
    while any(_runs(int(pid)) for pid in note.read_text().split()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    """Whether a process is there and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
