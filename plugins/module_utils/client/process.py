# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one command of an installer: a timeout, no prompt, errors as sentences."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.private_files import open_files, private_file
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError

if t.TYPE_CHECKING:
    from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection

#: Stands for the version in paths of binaries and charts.
VERSION_PLACEHOLDER = "{version}"
#: Files that stay open in what may write on a cluster, so that whoever holds the other end knows that it still runs.
LEFT_OPEN: list[int] = []
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def output_of(
    command: Sequence[str],
    *,
    shown: str,
    environment: Mapping[str, str],
    timeout: float,
    error: type[MeshError],
    check: bool = True,
    folder: str | None = None,
    secret: bool = False,
    writes: bool = False,
) -> str:
    """Run a command and return its standard output.

    Args:
        shown: how the command is named in an error.
        folder: where it runs, if not where this process does.
        secret: its standard output is in no error.
        writes: it may change a cluster, under the lock that this process holds.

    Raises:
        MeshError: (as ``error``) it did not start or end in time, or failed by its exit code. Without ``check``
            that counts only if it had nothing to say: some commands tell by their exit code that they found something.
    """
    try:
        # a core that runs in modules and in the controller alike has no AnsibleModule to run commands with
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder,
            start_new_session=True,
            pass_fds=[*open_files(command), *(LEFT_OPEN if writes else ())],
        )
    except (OSError, ValueError) as exc:
        # such as a zero byte in what it is given
        raise error(f"{shown} could not be started: {exc}") from exc
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as exc:
        _kill(process)
        out, err = process.communicate()
        said = last_lines(err or ("" if secret else out), 1)
        more = f" It had said: {said}" if said else ""
        raise error(f"{shown} did not end within {timeout:.0f} s and was stopped.{more}") from exc
    except KeyboardInterrupt:
        # it would go on alone
        _kill(process)
        raise
    if process.returncode != 0 and (check or not out.strip()):
        said = last_lines(err) or ("" if secret else last_lines(out))
        raise error(f"{shown} failed: {said or f'exit code {process.returncode}'}")
    return out


def _kill(process: subprocess.Popen[str]) -> None:
    """End a command with all its children, such as credential plugins."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def impersonation(connection: Connection, user: str, group: str) -> list[str]:
    """Return the flags, by their names, that make a tool act as whom the API requests act."""
    whom = [user, connection.impersonate_user] if connection.impersonate_user else []
    return whom + [part for name in connection.impersonate_groups for part in (group, name)]


def last_lines(text: str, count: int = 4) -> str:
    """Return the last lines of a tool's output without colours, as one line."""
    lines = [line.strip() for line in _COLOUR.sub("", text).splitlines()]
    lines = [line for line in lines if line and not line.startswith("- Processing resources")]
    return " | ".join(lines[-count:])


def executable(path: str) -> str | None:
    """Return the full path of an executable file, looked up on PATH if it names no folder; None if there is none."""
    path = os.path.expanduser(path)
    if os.sep not in path:
        path = shutil.which(path) or path
    return path if os.access(path, os.X_OK) and not os.path.isdir(path) else None


@contextlib.contextmanager
def json_file(document: Mapping[str, t.Any]) -> Iterator[str]:
    """Yield the path of a private file with a document (JSON is YAML), for a command that `output_of` runs."""
    with private_file(json.dumps(document).encode(), "values.yaml") as path:
        yield path
