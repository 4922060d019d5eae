# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks istioctl what it finds, while we read the cluster ourselves."""

from __future__ import annotations

import concurrent.futures
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl, find
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError, ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import BEFORE, Finding
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_findings import (
    ANALYSIS_FAILED,
    read_findings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import (
    ASKING,
    missing_permissions,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: An API server that answers to nobody lets a command wait for ever.
SECONDS = 60
Commands = Mapping[str, tuple[str, ...]]
Refused = concurrent.futures.Future[tuple[Permission, ...]]
#: What is asked. An empty revision is all of them; without the flag only objects of ``default`` count, so that webhooks
#: of other revisions are taken for missing (istio/istio pkg/config/model.go, LabelsInRevision).
_PRECHECK: Commands = {"x precheck": ("-o", "json")}
_ANALYZE: Commands = {"analyze": ("-o", "json", "-A", "--revision=")}


def require_istioctl_version(params: Mapping[str, t.Any]) -> None:
    """Refuse to guess which istioctl is to be asked.

    Raises:
        ParameterError: its version is not given.
    """
    if params["istioctl"] and not params["version"]:
        raise ParameterError("Parameter version is missing: istioctl has to be of that version.")


def prepare_analysis(task: TaskContext) -> IstioctlAnalysis:
    """Return who asks the istioctl of a task, if it names one.

    Raises:
        ParameterError: it is not of the version, or not there.
    """
    path, version = task.params["istioctl"], task.params["version"]
    istioctl = find(path, version, task.client.connection, task.istio_namespace) if path else None
    return IstioctlAnalysis(task, istioctl, {**_PRECHECK, **_ANALYZE} if task.params["stage"] == BEFORE else _ANALYZE)


class IstioctlAnalysis:
    """What istioctl says between ``start`` and ``answers``; nothing without a binary."""

    def __init__(self, task: TaskContext, istioctl: Istioctl | None, commands: Commands) -> None:
        self._run = task
        self._istioctl = istioctl
        self._commands = commands
        self._jobs: list[concurrent.futures.Future[list[Finding]]] = []

    def start(self) -> None:
        """Start all commands side by side."""
        if self._istioctl:
            wanted = [one for command in self._commands for one in ASKING[command]]
            pool = concurrent.futures.ThreadPoolExecutor(1 + len(self._commands))
            lacking = pool.submit(missing_permissions, self._run.client, wanted, self._run.istio_namespace)
            self._jobs = [pool.submit(_ask, self._istioctl, lacking, *command) for command in self._commands.items()]
            pool.shutdown(wait=False)

    def answers(self) -> list[Finding]:
        """Wait for everything that istioctl finds; what it could not be asked is a finding too."""
        return [finding for job in self._jobs for finding in job.result()]


def _ask(istioctl: Istioctl, refused: Refused, command: str, flags: tuple[str, ...]) -> list[Finding]:
    shown = f"istioctl {istioctl.version} {command}"
    try:
        lacking = [one for one in ASKING[command] if one in refused.result()]
        if lacking:
            return [
                _not_asked(command, f"This user may not {some(lacking)}, and {shown} would wait for that for ever.")
            ]
        return read_findings(istioctl.run(command, flags=flags, timeout=SECONDS, check=False), shown)
    except MeshError as exc:
        problem = exc.message
    except ValueError as exc:
        problem = f"{shown} gave no answer that can be read: {exc}."
    return [_not_asked(command, problem)]


def _not_asked(command: str, problem: str) -> Finding:
    return ANALYSIS_FAILED.found(f"istioctl {command}", problem, ANALYSIS_FAILED.severity)
