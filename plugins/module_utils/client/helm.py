# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs helm, for the whole collection: with a named cluster, a timeout and no prompt.

Sources: helm/helm pkg/cmd, pkg/action/{list,upgrade,uninstall}.go (versions 3 and 4).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import re
import tempfile
import typing as t
from collections.abc import Iterator, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection, kubeconfig_file
from ansible_collections.meshops.istio.plugins.module_utils.client.process import (
    VERSION_PLACEHOLDER,
    executable,
    impersonation,
    run_command,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import HelmError, ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import parse_json_answer
from ansible_collections.meshops.istio.plugins.module_utils.common.safe_names import arguments, is_release_name

CHARTS = ("base", "istiod")
#: The chart repository of Istio.
OFFICIAL_CHARTS = "https://istio-release.storage.googleapis.com/charts"
#: Environment variables that could point helm at another cluster or namespace.
_REDIRECTING = re.compile(r"KUBECONFIG|HELM_KUBE.*|HELM_NAMESPACE")
#: Helm 3 lists only deployed releases by default.
_ALL_STATES = tuple(f"--{s}" for s in ("deployed", "failed", "pending", "superseded", "uninstalled", "uninstalling"))
_CHART_VERSION = re.compile(r"""^version:\s*["']?([^"'\s]+)""", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class Release:
    """One release, from its newest record; ``chart`` is the name without the version."""

    name: str
    chart: str
    revision: int
    status: str
    updated: datetime.datetime

    @property
    def pending(self) -> bool:
        """Whether a helm process works on the release, or was killed while it did."""
        return self.status.startswith("pending-")


@dataclasses.dataclass(frozen=True)
class Helm:
    """One helm binary for one cluster; ``namespace`` is the namespace of the releases."""

    binary: str
    major: int
    connection: Connection
    namespace: str

    def run(self, command: str, *values: str, flags: Sequence[str] = (), timeout: float = 60) -> str:
        """Run one command against the cluster and return its standard output.

        Args:
            command: the subcommand; ``values`` are the names and paths of its objects.

        Raises:
            HelmError: it did not end in time, or its exit code was not 0.
        """
        with kubeconfig_file(self.connection) as (path, context):
            target = ["--kubeconfig", path, "--kube-context", context, "--namespace", self.namespace]
            target += impersonation(self.connection, "--kube-as-user", "--kube-as-group")
            return self._finish(command, values, [*flags, *target], timeout)

    def render(self, command: str, *values: str, flags: Sequence[str] = (), timeout: float = 60) -> str:
        """Run one command that needs no cluster and return its standard output."""
        return self._finish(command, values, [*flags, "--namespace", self.namespace], timeout)

    def _finish(self, command: str, values: Sequence[str], flags: Sequence[str], timeout: float) -> str:
        command_arguments = arguments(f"helm {command}", values, flags, HelmError)[1:]
        title = f"helm {' '.join([command, *values])} on cluster {self.connection.label}"
        environment = {key: value for key, value in os.environ.items() if not _REDIRECTING.fullmatch(key)}
        return run_command(
            [self.binary, *command_arguments],
            title=title,
            environment=environment,
            timeout=timeout,
            error=HelmError,
            writes=True,
        )

    def _run_json(self, command: str, *values: str, flags: Sequence[str] = ()) -> t.Any:
        """Run one command and return its JSON output.

        Raises:
            HelmError: (also) the output is not JSON.
        """
        text = self.run(command, *values, flags=[*flags, "--output", "json"])
        try:
            return parse_json_answer(text.encode())
        except ValueError as exc:
            raise HelmError(
                f"helm {command} on cluster {self.connection.label} returned an answer that cannot be read."
            ) from exc

    def releases(self) -> dict[str, Release]:
        """Return all releases of the namespace by name, also those that are not deployed.

        Names and times come from Secrets of the cluster. Entries with a name that Helm would refuse are skipped.
        """
        rows = self._run_json("list", flags=[*_ALL_STATES, "--time-format", "2006-01-02T15:04:05Z07:00"]) or ()
        return {release.name: release for release in map(_release, rows) if release}

    def history(self, name: str) -> list[tuple[int, str]]:
        """Return (revision, status) of all records of a release, oldest first."""
        rows = self._run_json("history", name) or ()
        return sorted((int(row["revision"]), str(row["status"])) for row in rows)

    def manifest(self, release: Release) -> str:
        """Return the manifest that the next upgrade compares with: the deployed or last failed one."""
        if release.status == "deployed":
            return self.run("get manifest", release.name)
        records = [record for record in self.history(release.name) if not record[1].startswith("pending-")]
        deployed = [revision for revision, status in records if status == "deployed"]
        last = deployed or [revision for revision, dummy in records]
        return self.run("get manifest", release.name, flags=["--revision", str(last[-1])]) if last else ""

    def values(self, name: str) -> dict[str, t.Any]:
        """Return the user-supplied values of a release."""
        return dict(self._run_json("get values", name) or {})

    def applies_server_side(self, release: Release | None) -> bool:
        """Return whether an upgrade or installation is a server-side apply; Helm 4 keeps the method of a release."""
        if self.major < 4 or release is None:
            return self.major >= 4
        metadata = self._run_json("get metadata", release.name)
        return bool(metadata.get("applyMethod") == "ssa")


def _release(row: dict[str, t.Any]) -> Release | None:
    if not is_release_name(row["name"]):
        return None
    chart = re.sub(r"-\d+\..*", "", row["chart"], flags=re.DOTALL)
    try:
        updated = datetime.datetime.strptime(row["updated"], "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        # The earliest time: no helm process works on the release any more.
        updated = datetime.datetime.fromtimestamp(0, datetime.UTC)
    return Release(row["name"], chart, int(row["revision"]), row["status"], updated)


def find_helm(path: str, connection: Connection, namespace: str) -> Helm:
    """Return the helm at a path, or with that name on PATH.

    Raises:
        ParameterError: there is no such file, or it is not Helm 3 or 4.
    """
    binary = executable(path)
    if binary is None:
        raise ParameterError(f"Parameter helm: there is no executable file {path}; give the path of Helm 3 or 4.")
    answer = Helm(binary, 0, connection, namespace).render("version", flags=["--template", "{{.Version}}"], timeout=20)
    major = re.match(r"v([34])\.", answer.strip())
    if major is None:
        raise ParameterError(f"Parameter helm: {binary} does not answer like Helm 3 or 4.")
    return Helm(binary, int(major[1]), connection, namespace)


@contextlib.contextmanager
def charts(helm: Helm, source: str, version: str) -> Iterator[dict[str, str]]:
    """Yield the path of each chart of a version; charts of a repository are fetched into a private folder.

    Args:
        source: folder or URL of the charts, with ``{version}`` as a placeholder for the version.

    Raises:
        ParameterError: a chart is missing, or has another version.
        HelmError: they cannot be fetched.
    """
    place = source.replace(VERSION_PLACEHOLDER, version).rstrip("/")
    with contextlib.ExitStack() as stack:
        if "://" in place:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="meshops-istio-"))
            for chart in CHARTS:
                oci = place.startswith("oci://")
                name, repository = (f"{place}/{chart}", []) if oci else (chart, ["--repo", place])
                flags = [*repository, "--version", version, "--destination", folder]
                helm.render("pull", name, flags=flags, timeout=120)
            place = folder
        paths = {chart: _local(os.path.expanduser(place), chart, version) for chart in CHARTS}
        for path in paths.values():
            match = _CHART_VERSION.search(helm.render("show chart", path))
            actual = match[1] if match else "none"
            if actual != version:
                raise ParameterError(
                    f"Parameter charts: {path} has version {actual}, but version is {version}; the chart's version "
                    "is what would be installed."
                )
        yield paths


def _local(folder: str, chart: str, version: str) -> str:
    names = (chart, f"{chart}-{version}.tgz")
    for path in (os.path.join(folder, name) for name in names):
        if os.path.exists(path):
            return path
    raise ParameterError(
        f"Parameter charts: there is neither a folder {names[0]} nor a file {names[1]} in {folder}; give a folder, "
        f"with {VERSION_PLACEHOLDER} as a placeholder for the version, or the URL of a chart repository."
    )
