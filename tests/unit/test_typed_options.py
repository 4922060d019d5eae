# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options are parsed once: below the cores of the modules only constructors of option types read raw parameters."""

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

import pytest

from unit.paths import MODULE_UTILS

FILES = sorted(path for path in MODULE_UTILS.rglob("*.py") if path.parent.name != "modules")
#: Functions that turn raw parameters into a type.
CONSTRUCTORS = {"from_params", "create"}
#: (file, function) -> why it reads parameters that are not the options of a task, or all of them.
ALLOWED = {
    ("auth.py", "connection"): "it makes the connection out of the options of the login",
    ("request_kinds.py", "is_write"): "the parameters of a request",
    ("retries.py", "is_repeatable"): "the parameters of a request",
}


def readers(path: Path) -> t.Iterator[str]:
    """Yield each function that reads a key of raw parameters."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                read = node.value if isinstance(node, ast.Subscript) else None
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
                    read = node.func.value
                if (isinstance(read, ast.Name) and read.id == "params") or (
                    isinstance(read, ast.Attribute) and read.attr == "params"
                ):
                    yield function.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(MODULE_UTILS).as_posix())
def test_only_constructors_read_raw_parameters(path: Path) -> None:
    names = {name for name in readers(path) if (path.name, name) not in ALLOWED}
    assert names <= CONSTRUCTORS
