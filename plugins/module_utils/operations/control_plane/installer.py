# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an installer of control planes must answer, and which there are."""

from __future__ import annotations

import contextlib
import typing as t
from collections.abc import Callable, Iterator

from ansible_collections.meshops.istio.plugins.module_utils.client.helm import charts
from ansible_collections.meshops.istio.plugins.module_utils.client.helm import find as find_helm
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import find as find_istioctl
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import Wanted
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import HELM, ISTIOCTL
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer_helm import ByHelm
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer_istioctl import (
    ByIstioctl,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import Installation
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext


class Installer(t.Protocol):
    """One way to install, on one cluster. It is not believed: what it did is proved by a fresh reading."""

    @property
    def name(self) -> str:
        """How messages call it."""

    def plan(self, mesh: Mesh, wanted: Wanted, *, crds: bool, allow_default_change: bool) -> Installation:
        """Return what it would do, exactly; writes nothing.

        Args:
            crds: whether CRDs are worth a look.
            allow_default_change: whether the default may move by the way.

        Raises:
            SafetyError: it would move the default by the way (safety rule S11), or touch what another installer owns.
        """

    def uninstall(self, mesh: Mesh, revision: str, timeout: int) -> None:
        """Remove the revision's objects; an InstallerError says why not."""


@contextlib.contextmanager
def by_istioctl(task: TaskContext, mesh: Mesh | None) -> Iterator[Installer]:
    """Yield istioctl of parameter version; to remove a revision, that of its own version does."""
    if mesh is None:
        params = task.params
        ctl = find_istioctl(params["istioctl"], params["version"], task.client.connection, task.istio_namespace)
    else:
        ctl = task.istioctl(mesh, task.params["revision"], *mesh.revisions)
    yield ByIstioctl(ctl, task.client)


@contextlib.contextmanager
def by_helm(task: TaskContext, mesh: Mesh | None) -> Iterator[Installer]:
    """Yield Helm with the charts of parameter version; to remove a revision, it needs none."""
    params = task.params
    helm = find_helm(params["helm"], task.client.connection, task.istio_namespace)
    if mesh is None:
        with charts(helm, params["charts"], params["version"]) as found:
            yield ByHelm(helm, task, found)
    else:
        yield ByHelm(helm, task, {})


Opened = contextlib.AbstractContextManager[Installer]
#: Choices of parameter installer.
INSTALLERS: dict[str, Callable[[TaskContext, Mesh | None], Opened]] = {ISTIOCTL: by_istioctl, HELM: by_helm}


def require(chosen: str, mesh: Mesh, *revisions: str | None) -> None:
    """Refuse to work on what another installer has installed.

    Raises:
        SafetyError: it names the right one.
    """
    for name in revisions:
        found = mesh.revisions.get(name or "")
        if found and found.manager.kind in INSTALLERS and found.manager.kind != chosen:
            raise SafetyError(
                f"Revision {name} was installed by {found.manager}, not by {chosen}: set "
                f"installer={found.manager.kind} (variable istio_installer of the playbooks)."
            )


def require_removable(task: TaskContext, mesh: Mesh, revision: str) -> None:
    """Refuse a removal that another installer has to do, or that would take along what leads elsewhere by now.

    Raises:
        SafetyError: it names the right installer, or the tag that Helm would delete.
    """
    chosen = task.params["installer"]
    require(chosen, mesh, revision)
    if chosen == HELM:
        helm = find_helm(task.params["helm"], task.client.connection, task.istio_namespace)
        ByHelm(helm, task, {}).require_removable(mesh, revision)


def opened(task: TaskContext, mesh: Mesh | None = None) -> Opened:
    """Return the installer that the parameters name: to install (no mesh is known yet), or to remove.

    Raises:
        ParameterError: there is no such binary, or it is of another version.
    """
    return INSTALLERS[task.params["installer"]](task, mesh)
