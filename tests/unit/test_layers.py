# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rooms: a folder is a subject, its README says what lives there and which other rooms it may import."""

from __future__ import annotations

import ast
import graphlib
import re
from pathlib import Path

import pytest

from unit.paths import PLUGINS, ROOT

PREFIX = "ansible_collections.meshops.istio.plugins."
#: Lowest first. A room imports from its own layer or from a lower one.
LAYERS = ["common", "client", "domain", "operations", "plugin_utils"]
LONGEST_FILE, LONGEST_FUNCTION = 300, 50

#: Libraries that a pure file does not need.
INPUT_OUTPUT = {
    "ansible", "asyncio", "concurrent", "http", "kubernetes", "os", "pathlib", "random", "shutil", "socket", "ssl",
    "subprocess", "tempfile", "threading", "time", "urllib", "urllib3", "websocket",
}  # fmt: skip

FILES = sorted(path for folder in ("module_utils", "plugin_utils") for path in (PLUGINS / folder).rglob("*.py"))
#: The files of plugins/modules are documentation, which is as long as the options of a module require.
SHORT_FILES = sorted(path for folder in ("plugins", "tests") for path in (ROOT / folder).rglob("*.py")
                     if path.parent != PLUGINS / "modules")  # fmt: skip
#: Folder -> its name, as READMEs write it: domain/restart, plugin_utils/report.
ROOMS = {folder: folder.relative_to(PLUGINS).as_posix().removeprefix("module_utils/") for folder in
         sorted({file.parent for file in FILES})}  # fmt: skip


def name(path: Path) -> str:
    return path.relative_to(PLUGINS).as_posix()


def imports(file: Path) -> set[str]:
    """Return the full names of what a file imports, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return names


def imported_rooms(file: Path) -> set[str]:
    """Return the rooms, other than its own, that a file imports from."""
    paths = (PLUGINS / module.removeprefix(PREFIX).replace(".", "/") for module in imports(file) if PREFIX in module)
    return {ROOMS[path.parent] for path in paths if path.with_suffix(".py") in FILES} - {ROOMS[file.parent]}


def allowed(folder: Path) -> set[str]:
    """Return the rooms that the README of a room allows it to import."""
    line = re.search(r"^May import: (.*?)\.$", (folder / "README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert line, f"{name(folder)}/README.md says what it may import"
    return set(re.findall(r"`(.*?)`", line[1]))


def layer(room: str) -> int:
    return LAYERS.index(room.partition("/")[0])


@pytest.mark.parametrize("folder", ROOMS, ids=name)
def test_a_room_imports_what_its_readme_allows(folder: Path) -> None:
    used = {room for file in folder.glob("*.py") for room in imported_rooms(file)}
    assert used == allowed(folder)


@pytest.mark.parametrize("folder", ROOMS, ids=name)
def test_a_room_imports_downwards(folder: Path) -> None:
    assert [room for room in allowed(folder) if layer(room) > layer(ROOMS[folder])] == []


def test_no_rooms_import_each_other() -> None:
    graph = {room: allowed(folder) for folder, room in ROOMS.items()}
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(ROOMS)


def test_no_files_import_each_other() -> None:
    graph = {
        file: {path for module in imports(file) if PREFIX in module
               and (path := PLUGINS / (module.removeprefix(PREFIX).replace(".", "/") + ".py")) in FILES}
        for file in FILES
    }  # fmt: skip
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(FILES)


@pytest.mark.parametrize("file", [file for file in FILES if "/domain/" in file.as_posix()], ids=name)
def test_the_domain_is_pure(file: Path) -> None:
    outside = {module for module in imports(file) if module.partition(".")[0] in INPUT_OUTPUT}
    assert not outside, f"{name(file)} decides, without input or output"
    assert "client" not in imported_rooms(file)


@pytest.mark.parametrize("file", FILES, ids=name)
def test_a_file_says_what_it_does(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    assert not file.name.startswith("_")
    assert (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0].endswith(".")


@pytest.mark.parametrize("file", SHORT_FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_is_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("file", sorted(PLUGINS.rglob("*.py")), ids=name)
def test_functions_are_short(file: Path) -> None:
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    assert [f.name for f in functions if (f.end_lineno or 0) - f.lineno >= LONGEST_FUNCTION] == []
