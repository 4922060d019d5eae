# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the analysis of istioctl while the modules read the cluster."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl, find_istioctl
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import BEFORE, Finding
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_findings import (
    ANALYSIS_FAILED,
    read_findings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import (
    ISTIOCTL_COMMANDS,
    missing_permissions,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext

#: Timeout of one command, because istioctl waits forever for an API server that does not answer.
SECONDS = 60
#: Command of istioctl -> its flags.
Commands = Mapping[str, tuple[str, ...]]
MissingPermissions = concurrent.futures.Future[tuple[Permission, ...]]
#: An empty revision means all revisions. Without the flag only objects of ``default`` count, so that istioctl reports
#: webhooks of other revisions as missing (istio/istio pkg/config/model.go, LabelsInRevision).
_PRECHECK: Commands = {"x precheck": ("-o", "json")}
_ANALYZE: Commands = {"analyze": ("-o", "json", "-A", "--revision=")}


def prepare_analysis(task: TaskContext, path: str, version: str, stage: str) -> IstioctlAnalysis:
    """Return the analysis by the istioctl at a path; it finds nothing if the path is empty.

    Raises:
        ParameterError: the binary does not exist, or does not have the version.
    """
    istioctl = find_istioctl(path, version, task.client.connection, task.istio_namespace) if path else None
    return IstioctlAnalysis(task, istioctl, {**_PRECHECK, **_ANALYZE} if stage == BEFORE else _ANALYZE)


class IstioctlAnalysis:
    """The commands of istioctl that run between ``start`` and ``findings``; none without a binary."""

    def __init__(self, task: TaskContext, istioctl: Istioctl | None, commands: Commands) -> None:
        self._task = task
        self._istioctl = istioctl
        self._commands = commands
        self._jobs: list[concurrent.futures.Future[list[Finding]]] = []

    def start(self) -> None:
        """Start all commands in parallel."""
        if self._istioctl:
            needed = [permission for command in self._commands for permission in ISTIOCTL_COMMANDS[command]]
            pool = concurrent.futures.ThreadPoolExecutor(1 + len(self._commands))
            missing = pool.submit(missing_permissions, self._task.client, needed, self._task.istio_namespace)
            self._jobs = [
                pool.submit(_analyze, self._istioctl, missing, *command) for command in self._commands.items()
            ]
            pool.shutdown(wait=False)

    def findings(self) -> list[Finding]:
        """Wait for the commands and return their findings; a command that failed is a finding too."""
        return [finding for job in self._jobs for finding in job.result()]


def _analyze(istioctl: Istioctl, missing: MissingPermissions, command: str, flags: tuple[str, ...]) -> list[Finding]:
    title = f"istioctl {istioctl.version} {command}"
    try:
        needed = [permission for permission in ISTIOCTL_COMMANDS[command] if permission in missing.result()]
        if needed:
            problem = f"This user may not {join_limited(needed)}, and {title} would wait for that forever."
            return [_failed(command, problem)]
        return read_findings(istioctl.run(command, flags=flags, timeout=SECONDS, check=False), title)
    except MeshError as exc:
        problem = exc.message
    except ValueError as exc:
        problem = f"The output of {title} cannot be read: {exc}."
    return [_failed(command, problem)]


def _failed(command: str, problem: str) -> Finding:
    return ANALYSIS_FAILED.finding(cluster_object("istioctl", command), problem, ANALYSIS_FAILED.severity)
