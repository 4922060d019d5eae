# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Define the interface of an installer of control planes, and open the installer that the options name."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Callable, Iterator

from ansible_collections.meshops.istio.plugins.module_utils.client.helm import charts, find_helm
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import find_istioctl
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import InstallRequest
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import HELM, ISTIOCTL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh, Revision
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer_helm import HelmInstaller
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer_istioctl import (
    IstioctlInstaller,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import Installation
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallerOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


class Installer(t.Protocol):
    """One way to install a revision on one cluster. Its success is proved by reading the cluster again."""

    @property
    def name(self) -> str:
        """Name in messages."""

    def plan(self, mesh: Mesh, request: InstallRequest, *, crds: bool, allow_default_change: bool) -> Installation:
        """Return exactly what it would change; writes nothing.

        Args:
            crds: whether CRDs must be compared.
            allow_default_change: whether the default may move as a side effect.

        Raises:
            SafetyError: it would move the default as a side effect (safety rule S11), or change an object of another
                installer.
        """

    def objects_of(self, mesh: Mesh, revision: Revision) -> list[Json] | None:
        """Return the objects of a running revision as its own installer rendered them, None if that is not known."""

    def uninstall(self, mesh: Mesh, revision: str, timeout: int) -> None:
        """Remove the objects of a revision.

        Raises:
            InstallerError: the installer failed.
        """


OpenInstaller = contextlib.AbstractContextManager[Installer]


@contextlib.contextmanager
def _open_istioctl(
    task: TaskContext, options: InstallerOptions, revision: str, mesh: Mesh | None
) -> Iterator[Installer]:
    """Yield istioctl of the requested version; a revision is removed with the istioctl of its own version."""
    if mesh is None:
        ctl = find_istioctl(options.istioctl, str(options.version), task.client.connection, task.istio_namespace)
    else:
        ctl = task.istioctl(mesh, revision, *mesh.revisions)
    yield IstioctlInstaller(ctl, task.client, options.istioctl)


@contextlib.contextmanager
def _open_helm(task: TaskContext, options: InstallerOptions, dummy: str, mesh: Mesh | None) -> Iterator[Installer]:
    """Yield Helm with the charts of the requested version; a removal needs no charts."""
    helm = find_helm(options.helm, task.client.connection, task.istio_namespace)
    if mesh is None:
        with charts(helm, options.charts, str(options.version)) as paths:
            yield HelmInstaller(helm, task, options, paths)
    else:
        yield HelmInstaller(helm, task, options, {})


#: Choices of option installer.
INSTALLERS: dict[str, Callable[[TaskContext, InstallerOptions, str, Mesh | None], OpenInstaller]] = {
    ISTIOCTL: _open_istioctl,
    HELM: _open_helm,
}


def open_installer(
    task: TaskContext, options: InstallerOptions, revision: str, mesh: Mesh | None = None
) -> OpenInstaller:
    """Return the installer that the options name: to install (without a mesh), or to remove.

    Raises:
        ParameterError: the binary does not exist, or has another version.
    """
    return INSTALLERS[options.name](task, options, revision, mesh)


def require_same_installer(name: str, mesh: Mesh, *revisions: str | None) -> None:
    """Refuse to change a revision of another installer.

    Raises:
        SafetyError: it names the right installer.
    """
    for revision in revisions:
        plane = mesh.revisions.get(revision or "")
        if plane and plane.manager.kind in INSTALLERS and plane.manager.kind != name:
            raise SafetyError(
                f"Revision {revision} was installed by {plane.manager}, not by {name}: set "
                f"installer={plane.manager.kind} (variable istio_installer of the playbooks)."
            )


def require_removable(task: TaskContext, options: InstallerOptions, mesh: Mesh, revision: str) -> None:
    """Refuse a removal that another installer must do, or that would delete a tag of another revision.

    Raises:
        SafetyError: it names the right installer, or the tag that Helm would delete.
    """
    require_same_installer(options.name, mesh, revision)
    if options.name == HELM:
        helm = find_helm(options.helm, task.client.connection, task.istio_namespace)
        HelmInstaller(helm, task, options, {}).require_removable(mesh, revision)
