# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs istioctl, for the whole collection: with a named cluster, a timeout and no prompt.

Sources: istio/istio istioctl/cmd/sysexits.go, operator/cmd/mesh. Output and exit codes are not trusted: callers verify
the result by reading the API afterwards.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection, kubeconfig_file
from ansible_collections.meshops.istio.plugins.module_utils.client.process import (
    VERSION_PLACEHOLDER,
    executable,
    impersonation,
    run_command,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import IstioctlError, ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import parse_json_answer
from ansible_collections.meshops.istio.plugins.module_utils.common.safe_names import arguments

#: Environment variables that could point istioctl at another cluster or file.
_REDIRECTING = ("KUBECONFIG", "ISTIOCONFIG")


@dataclasses.dataclass(frozen=True)
class Istioctl:
    """One istioctl binary for one cluster."""

    binary: str
    version: str
    connection: Connection
    istio_namespace: str

    def run(
        self, command: str, *values: str, flags: Sequence[str] = (), timeout: float = 60, check: bool = True
    ) -> str:
        """Run one command against the cluster and return its standard output.

        Args:
            command: the subcommand; ``values`` are the names of its objects.

        Raises:
            IstioctlError: it did not end in time or failed; without ``check`` a failure with output is an answer.
        """
        with kubeconfig_file(self.connection) as (path, context):
            target = ["--kubeconfig", path, "--context", context, "-i", self.istio_namespace]
            target += impersonation(self.connection, "--as", "--as-group")
            return self._finish(command, values, [*flags, *target], timeout, check)

    def render(self, command: str, *, flags: Sequence[str] = (), timeout: float = 60) -> str:
        """Run one command that needs no cluster and return its standard output."""
        return self._finish(command, (), flags, timeout, check=True)

    def _finish(self, command: str, values: Sequence[str], flags: Sequence[str], timeout: float, check: bool) -> str:
        command_arguments = arguments(f"istioctl {command}", values, flags, IstioctlError)[1:]
        title = f"istioctl {self.version} {' '.join([command, *values])} on cluster {self.connection.label}"
        environment = {k: v for k, v in os.environ.items() if k not in _REDIRECTING and not k.startswith("ISTIOCTL_")}
        return run_command(
            [self.binary, *command_arguments],
            title=title,
            environment=environment,
            timeout=timeout,
            error=IstioctlError,
            check=check,
            writes=True,
        )


def find_istioctl(template: str, version: str, connection: Connection, istio_namespace: str) -> Istioctl:
    """Return the istioctl of a version, after checking that the binary has this version: it installs its own version.

    Args:
        template: path of the binary, with ``{version}`` as a placeholder for the version.

    Raises:
        ParameterError: there is no such file, or it has another version.
    """
    wanted_path = template.replace(VERSION_PLACEHOLDER, version)
    path = executable(wanted_path)
    if path is None:
        raise ParameterError(
            f"Parameter istioctl: there is no executable file {wanted_path}; give the path of istioctl {version}, "
            f"with {VERSION_PLACEHOLDER} as a placeholder for the version."
        )
    istioctl = Istioctl(path, version, connection, istio_namespace)
    answer = istioctl.render("version", flags=["--remote=false", "-o", "json"], timeout=20)
    try:
        actual = str(parse_json_answer(answer.encode())["clientVersion"]["version"])
    except (ValueError, KeyError, TypeError) as exc:
        raise ParameterError(f"Parameter istioctl: {path} does not answer like istioctl.") from exc
    if actual != version:
        raise ParameterError(
            f"Parameter istioctl: {path} is version {actual}, but version is {version}; the binary's version is what "
            "would be installed. If only the images have another tag, such as that of a vendor, set version to the "
            "version of the binary, and parameter tag (variable istio_tag) to the tag."
        )
    return istioctl
