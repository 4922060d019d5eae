# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The folders of module_utils are three layers that import only downwards, and the middle one is pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

MODULE_UTILS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"
PREFIX = "ansible_collections.meshops.istio.plugins.module_utils."

# Lowest first. Each layer is a folder.
LAYERS = ["client", "domain", "tools"]

# What a pure file has no use for.
INPUT_OUTPUT = {
    "ansible",
    "asyncio",
    "concurrent",
    "http",
    "kubernetes",
    "os",
    "pathlib",
    "random",
    "shutil",
    "socket",
    "ssl",
    "subprocess",
    "tempfile",
    "threading",
    "time",
    "urllib",
    "urllib3",
    "websocket",
}

FILES = sorted(path.relative_to(MODULE_UTILS) for path in MODULE_UTILS.rglob("*.py"))


def imports(file: Path) -> set[str]:
    """Return the full names of the modules that a file imports, also those inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((MODULE_UTILS / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return found


def own(file: Path) -> set[str]:
    """Return what a file imports from module_utils: `<layer>.<file>`, and the same with the name taken from it."""
    return {module.removeprefix(PREFIX) for module in imports(file) if module.startswith(PREFIX)}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_every_file_stands_in_one_layer(file: Path) -> None:
    assert file.parent.as_posix() in LAYERS


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_go_downwards(file: Path) -> None:
    above = LAYERS[LAYERS.index(file.parts[0]) + 1 :]
    upwards = {other for other in own(file) if other.partition(".")[0] in above}
    assert not upwards, f"{file} imports from a layer above its own"


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] == "domain"], ids=str)
def test_the_domain_is_pure(file: Path) -> None:
    outside = {module for module in imports(file) if module.partition(".")[0] in INPUT_OUTPUT}
    assert not outside, f"{file} is in the domain layer and decides without input or output"
    assert "client._client" not in own(file)
