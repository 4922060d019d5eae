# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, find and end labs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from . import build, state
from .build import Binaries
from .cluster import Cluster
from .errors import LabError
from .process import clean_environment
from .state import Folder, Record

Report = Callable[[str], None]
START_SECONDS = 120.0
MAX_CLUSTERS = 8
PRIVILEGED_PORT = 443


class Lab:
    """A running lab. As a context manager, it stops the lab at the end of the block."""

    def __init__(self, place: Folder, record: Record, owner: subprocess.Popen[bytes] | None = None) -> None:
        self.name = record.name
        self.folder = place.path
        self.kubeconfig = place.kubeconfig
        self._place = place
        self._owner = owner
        binaries = state.binaries_of(record)
        self.istioctl_template = binaries.istioctl_template
        self.helm = binaries.helm
        self.charts_template = binaries.charts_template
        self.clusters = [
            Cluster(name, addresses, place.cluster(index), place.kubeconfig, binaries)
            for index, (name, addresses) in enumerate(state.cluster_names(record), 1)
        ]

    @classmethod
    def start(
        cls,
        name: str,
        clusters: int = 1,
        *,
        report: Report = print,
        binaries: Binaries | None = None,
        detached: bool = False,
        proxies: bool = True,
    ) -> Lab:
        """Start a lab; unless detached, it ends with this process. With ``proxies``, pods have connected proxies."""
        require_possible()
        if not 1 <= clusters <= MAX_CLUSTERS:
            raise LabError(f"A lab has 1 to {MAX_CLUSTERS} clusters, not {clusters}.")
        locations = binaries or build.ensure(report=report)
        place = state.allot(name, clusters)
        paths = {key: str(value) for key, value in vars(locations).items()}
        place.update(binaries=paths, proxies=proxies)
        owner = _start_owner(place, name, detached)
        return cls(place, _wait(place, owner, report), None if detached else owner)

    @classmethod
    def attach(cls, name: str) -> Lab:
        """Return the handle of a running lab."""
        place = state.folder(name)
        record = place.read()
        if record is None or not record.alive or record.phase != "ready":
            raise LabError(f"No lab {name} is running; start it with: up 2 --name {name}")
        return cls(place, record)

    def stop(self) -> None:
        """End all processes and remove the state folder."""
        stop(self.name)
        if self._owner is not None:
            self._owner.wait(10)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def stop(name: str) -> bool:
    """Stop a lab by its record, and return whether it existed."""
    place = state.folder(name)
    with state.locked():
        existed = place.path.exists()
        state.remove(place)
    return existed


def require_possible() -> None:
    """Raise an error in one sentence if this machine or user cannot run a lab."""
    if not sys.platform.startswith("linux"):
        raise LabError(f"The lab needs Linux (it uses 127.0.0.0/8 and parent-death signals); this is {sys.platform}.")
    host = "127.154.254.254"  # An unused address in the range of ClusterIPs.
    if not state.can_bind(host, PRIVILEGED_PORT):
        if os.geteuid() != 0 and _first_unprivileged_port() > PRIVILEGED_PORT:
            raise LabError(
                "The lab must bind port 443 on 127.0.0.0/8, which this kernel lets only root do; "
                "allow it with: sudo sysctl net.ipv4.ip_unprivileged_port_start=443"
            )
        raise LabError("The lab must bind port 443 on 127.0.0.0/8, but something listens on port 443 of all addresses.")


def _first_unprivileged_port() -> int:
    return int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii"))


def _start_owner(place: Folder, name: str, detached: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "lab.owner", name, *([] if detached else ["--until-eof"])]
    environment = clean_environment({"PYTHONPATH": str(Path(__file__).resolve().parent.parent)})
    with place.owner_log.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=place.path,
            start_new_session=True,
        )


def _wait(place: Folder, owner: subprocess.Popen[bytes], report: Report) -> Record:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        record = place.read()
        if record is not None and record.phase == "ready":
            count = len(record.numbers)
            report(f"Lab {record.name}: {count} cluster{'s' * (count > 1)} ready after {record.message} s.")
            return record
        if owner.poll() is not None:
            reason = record.message if record is not None and record.message else "its owner ended"
            raise LabError(f"Lab {place.path.name} did not come up: {reason}. Its logs are in {place.path}.")
        time.sleep(0.05)
    stop(place.path.name)
    raise LabError(f"Lab {place.path.name} was not up after {START_SECONDS:.0f} s.")
