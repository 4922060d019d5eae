# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one command with a timeout and without a prompt; reports its errors as sentences."""

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

from ansible_collections.meshops.istio.plugins.module_utils.client.private_files import (
    inherited_descriptors,
    private_file,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError

if t.TYPE_CHECKING:
    from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection

#: Placeholder of the version in paths of binaries and charts.
VERSION_PLACEHOLDER = "{version}"
#: Descriptors that commands which may write to a cluster inherit, so that the keeper sees that they still run.
INHERITED_FILES: list[int] = []
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run_command(
    command: Sequence[str],
    *,
    title: str,
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
        title: the name of the command in errors.
        folder: its working directory, if not that of this process.
        secret: its standard output must not appear in an error.
        writes: it may change a cluster, under the lock that this process holds.

    Raises:
        MeshError: (as ``error``) it did not start or end in time, or its exit code is not 0. Without ``check`` such an
            exit code only counts if there is no output: some commands report findings by their exit code.
    """
    process = _start(command, title, environment, error, folder, inherited=INHERITED_FILES if writes else ())
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as exc:
        _kill(process)
        out, err = process.communicate()
        last = last_lines(err or ("" if secret else out), 1)
        more = f" Its last output was: {last}" if last else ""
        raise error(f"{title} did not end within {timeout:.0f} s and was stopped.{more}") from exc
    except KeyboardInterrupt:
        # Otherwise the child process outlives this task.
        _kill(process)
        raise
    if process.returncode != 0 and (check or not out.strip()):
        reason = last_lines(err) or ("" if secret else last_lines(out))
        raise error(f"{title} failed: {reason or f'exit code {process.returncode}'}")
    return out


def _start(
    command: Sequence[str],
    title: str,
    environment: Mapping[str, str],
    error: type[MeshError],
    folder: str | None,
    inherited: Sequence[int],
) -> subprocess.Popen[str]:
    try:
        # A core that runs both in modules and in the controller has no AnsibleModule to run commands with.
        return subprocess.Popen(  # pylint: disable=ansible-bad-function
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=folder,
            start_new_session=True,
            pass_fds=[*inherited_descriptors(command), *inherited],
        )
    except (OSError, ValueError) as exc:
        # A ValueError means, for example, a NUL byte in an argument.
        raise error(f"{title} could not be started: {exc}") from exc


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a command with all its children, such as credential plugins."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def impersonation(connection: Connection, user: str, group: str) -> list[str]:
    """Return the flags, given their names, by which a tool impersonates the same user as the API requests."""
    arguments = [user, connection.impersonate_user] if connection.impersonate_user else []
    return arguments + [part for name in connection.impersonate_groups for part in (group, name)]


def last_lines(text: str, count: int = 4) -> str:
    """Return the last lines of the output of a tool as one line, without colours."""
    lines = [line.strip() for line in _COLOUR.sub("", text).splitlines()]
    lines = [line for line in lines if line and not line.startswith("- Processing resources")]
    return " | ".join(lines[-count:])


def executable(path: str) -> str | None:
    """Return the full path of an executable file, or None; a name without a folder is looked up on PATH."""
    path = os.path.expanduser(path)
    if os.sep not in path:
        path = shutil.which(path) or path
    return path if os.access(path, os.X_OK) and not os.path.isdir(path) else None


@contextlib.contextmanager
def json_file(document: Mapping[str, t.Any]) -> Iterator[str]:
    """Yield the path of a private file with a document (JSON is YAML), for a command that `run_command` runs."""
    with private_file(json.dumps(document).encode(), "values.yaml") as path:
        yield path
