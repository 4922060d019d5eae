# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provides files for secrets that leave no copy behind, however the process ends.

Libraries and commands need paths. On Linux the path leads to memory that is freed with the last process that holds it,
so even SIGKILL leaves no copy. Elsewhere it is a file in a private folder, which only a regular end removes.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator

#: A process finds each file that it has open under this path, and may read it repeatedly.
_IN_MEMORY = re.compile(r"/proc/self/fd/(\d+)")


@contextlib.contextmanager
def private_file(content: bytes, name: str = "secret") -> Iterator[str]:
    """Yield the path of a file that only this user can read, and that does not exist afterwards.

    A command that reads it must inherit the descriptors that `inherited_descriptors` returns for its arguments.
    """
    try:
        descriptor = os.memfd_create(f"meshops-istio-{name}")
    except (AttributeError, OSError):
        descriptor = -1
    path = f"/proc/self/fd/{descriptor}"
    try:
        if descriptor < 0 or not os.path.exists(path):
            with _on_disk(content, name) as path:
                yield path
            return
        # Helm warns about a kubeconfig that other users may read.
        os.fchmod(descriptor, 0o600)
        _write(descriptor, content)
        yield path
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def inherited_descriptors(arguments: Iterable[str]) -> tuple[int, ...]:
    """Return the descriptors of the files in memory among the arguments of a command."""
    return tuple(int(match[1]) for text in arguments if (match := _IN_MEMORY.fullmatch(text)))


@contextlib.contextmanager
def _on_disk(content: bytes, name: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="meshops-istio-") as folder:
        path = os.path.join(folder, name)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write(descriptor, content)
        finally:
            os.close(descriptor)
        yield path


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]
