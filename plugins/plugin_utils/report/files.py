# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the files of a report. A reader always finds a complete file, which only its owner can read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.report.html import render_html
from ansible_collections.meshops.istio.plugins.plugin_utils.report.markdown import render_markdown


def _render_json(report: Json) -> str:
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


#: Format -> name of the file, and the function that renders its text.
FORMATS: dict[str, tuple[str, Callable[[Json], str]]] = {
    "json": ("report.json", _render_json),
    "html": ("report.html", render_html),
    "markdown": ("report.md", render_markdown),
}


def write_report(folder: Path, formats: Iterable[str], report: Json) -> None:
    """Write a report in some formats.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, render in (FORMATS[choice] for choice in formats if choice in FORMATS):
        _replace_file(folder / name, render(report))


def _replace_file(path: Path, text: str) -> None:
    """Write a new file beside the old one, then rename it, so that neither a reader nor a kill leaves half a file."""
    new_path = path.with_name(f".{path.name}.new")
    new_path.unlink(missing_ok=True)
    handle = os.open(new_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    new_path.replace(path)
