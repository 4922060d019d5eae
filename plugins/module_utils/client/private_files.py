# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files for secrets that leave nothing behind, however the process ends.

Libraries and commands want paths. On Linux a path leads to memory that ends with the last process that holds it, so
that SIGKILL leaves nothing either. Elsewhere it is a file in a private folder, which only an end in order removes.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator

#: Each process that has the file open finds it there, and may read it as often as it wants.
_IN_MEMORY = re.compile(r"/proc/self/fd/(\d+)")


@contextlib.contextmanager
def private_file(content: bytes, name: str = "secret") -> Iterator[str]:
    """Yield the path of a file that only this user can read, and that is gone afterwards.

    A command that is to read it has to be given `open_files` of its arguments.
    """
    try:
        number = os.memfd_create(f"meshops-istio-{name}")
    except (AttributeError, OSError):
        number = -1
    path = f"/proc/self/fd/{number}"
    try:
        if number < 0 or not os.path.exists(path):
            with _on_disk(content, name) as path:
                yield path
            return
        # Helm warns of a kubeconfig that others may read
        os.fchmod(number, 0o600)
        _write(number, content)
        yield path
    finally:
        if number >= 0:
            os.close(number)


def open_files(arguments: Iterable[str]) -> tuple[int, ...]:
    """Return the descriptors of the files in memory that arguments of a command name."""
    return tuple(int(found[1]) for text in arguments if (found := _IN_MEMORY.fullmatch(text)))


@contextlib.contextmanager
def _on_disk(content: bytes, name: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="meshops-istio-") as folder:
        path = os.path.join(folder, name)
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            _write(number, content)
        finally:
            os.close(number)
        yield path


def _write(number: int, content: bytes) -> None:
    while content:
        content = content[os.write(number, content) :]
