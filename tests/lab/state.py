# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""State of labs on disk, and allocation of cluster numbers."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .build import Binaries
from .errors import LabError
from .ports import MAX_NUMBER, Addresses
from .process import Identity, end, read_identities


def root() -> Path:
    """Return the folder with one subfolder per lab."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "meshops-istio-lab"


@dataclass(frozen=True)
class Record:
    """The record of one lab."""

    name: str
    numbers: tuple[int, ...]
    owner: Identity | None = None
    phase: str = "starting"  # One of starting, ready, failed.
    message: str = ""
    binaries: dict[str, str] = field(default_factory=dict)
    proxies: bool = True

    @property
    def alive(self) -> bool:
        return self.owner is not None and self.owner.alive()


@dataclass(frozen=True)
class Folder:
    """The state folder of one lab."""

    path: Path

    @property
    def processes(self) -> Path:
        return self.path / "processes.json"

    @property
    def kubeconfig(self) -> Path:
        return self.path / "kubeconfig"

    @property
    def owner_log(self) -> Path:
        return self.path / "owner.log"

    def cluster(self, index: int) -> Path:
        return self.path / f"cluster-{index}"

    def read(self) -> Record | None:
        try:
            data: dict[str, Any] = json.loads((self.path / "lab.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        owner = data.pop("owner")
        numbers = tuple(data.pop("numbers"))
        return Record(owner=Identity(**owner) if owner else None, numbers=numbers, **data)

    def write(self, record: Record) -> None:
        write_atomically(self.path / "lab.json", json.dumps(asdict(record), indent=1))

    def update(self, **changes: Any) -> None:
        record = self.read()
        if record is not None:
            self.write(replace(record, **changes))


def folder(name: str) -> Folder:
    """Return the folder of the lab with this name."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise LabError(f"{name!r} cannot name a lab: use up to 32 lower-case letters, digits and hyphens.")
    return Folder(root() / name)


def write_atomically(path: Path, text: str) -> None:
    """Replace a file so that readers see the old text or the new text, never a part of it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock of all labs of this user."""
    root().mkdir(parents=True, exist_ok=True)
    with (root() / ".lock").open("w", encoding="ascii") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _all_folders() -> list[Folder]:
    return [Folder(path) for path in sorted(root().iterdir()) if path.is_dir()] if root().is_dir() else []


def records() -> list[Record]:
    """Return the records of all labs, running or not."""
    entries = (place.read() for place in _all_folders())
    return [record for record in entries if record is not None]


def allot(name: str, count: int) -> Folder:
    """Create a new folder for a lab, and allocate the lowest free cluster numbers."""
    place = folder(name)
    taken: set[int] = set()
    with locked():
        for other in _all_folders():
            record = other.read()
            if record is not None and (record.alive or _just_begun(other, record)):
                if other == place:
                    raise LabError(f"Lab {name} is already running; end it first with: down --name {name}")
                taken.update(record.numbers)
            else:
                remove(other)  # Its owner crashed.
        numbers = free_numbers(count, taken)
        place.path.mkdir(mode=0o700)
        place.write(Record(name, numbers))
    return place


def _just_begun(place: Folder, record: Record) -> bool:
    """Return whether another `up` has just created this folder and has not started its owner yet."""
    if record.owner is not None or record.phase != "starting":
        return False
    return time.time() - (place.path / "lab.json").stat().st_mtime < 10


def free_numbers(count: int, taken: set[int]) -> tuple[int, ...]:
    """Return the lowest numbers that no lab uses and whose ports can be bound."""
    numbers: list[int] = []
    for number in range(1, MAX_NUMBER + 1):
        if len(numbers) == count:
            break
        if number not in taken and all(can_bind("127.0.0.1", port) for port in Addresses(number).ports):
            numbers.append(number)
    if len(numbers) < count:
        raise LabError(f"{count} clusters were requested, but only {len(numbers)} of {MAX_NUMBER} numbers are free.")
    return tuple(numbers)


def can_bind(host: str, port: int) -> bool:
    """Return whether this user can listen on an address: it is unused and permitted."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def remove(place: Folder) -> list[Identity]:
    """End the processes recorded in this folder, delete it, and return the processes that still ran."""
    record = place.read()
    owner = [record.owner] if record is not None and record.owner is not None else []
    ended = end(owner, patience=10.0)
    ended += end(read_identities(place.processes))
    shutil.rmtree(place.path, ignore_errors=True)
    return ended


def binaries_of(record: Record) -> Binaries:
    return Binaries(**{name: Path(path) for name, path in record.binaries.items()})


def cluster_names(record: Record) -> list[tuple[str, Addresses]]:
    """Return names and addresses of a lab's clusters, in order."""
    return [(f"{record.name}-{index}", Addresses(number)) for index, number in enumerate(record.numbers, 1)]
