# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a report: each is whole at any moment, and for their owner alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.report.html import html
from ansible_collections.meshops.istio.plugins.plugin_utils.report.markdown import markdown


def _json(report: Json) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


#: Format -> name of the file, and what makes its text.
FORMATS: dict[str, tuple[str, Callable[[Json], str]]] = {
    "json": ("report.json", _json),
    "html": ("report.html", html),
    "markdown": ("report.md", markdown),
}


def write(folder: Path, formats: Iterable[str], report: Json) -> None:
    """Write a report in some formats.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, make in (FORMATS[one] for one in formats if one in FORMATS):
        _replace(folder / name, make(report))


def _replace(path: Path, text: str) -> None:
    """Write a file beside, then put it in place: a reader, or a kill, never finds half of it."""
    beside = path.with_name(f".{path.name}.new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    beside.replace(path)
