# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of module_utils form three layers that import only downwards, and the middle one is pure."""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

MODULE_UTILS = Path(__file__).resolve().parents[2] / "plugins" / "module_utils"
PREFIX = "ansible_collections.meshops.istio.plugins.module_utils."

# Lowest first; names may be patterns. A file that stands in no layer fails the test: decide where it belongs.
LAYERS: dict[str, tuple[str, ...]] = {
    "client": (
        "_argspec",
        "_auth",
        "_certificates",
        "_client",
        "_errors",
        "_helm",
        "_http",
        "_istioctl",
        "_portforward",
        "_process",
    ),
    "domain": (
        "_around",
        "_belongings",
        "_blockers",
        "_checks",
        "_checks_*",
        "_default",
        "_finding",
        "_fleet",
        "_hops",
        "_injection",
        "_istio_codes",
        "_istioctl_findings",
        "_managers",
        "_measured",
        "_mesh",
        "_mesh_reading",
        "_moves",
        "_pace",
        "_placement",
        "_pods",
        "_proxies",
        "_releases",
        "_report",
        "_rollout",
        "_room",
        "_selection",
        "_selectors",
        "_serving",
        "_settings",
        "_snapshot",
        "_support",
        "_versions",
        "_waivers",
        "_workloads",
        "_xds",
    ),
    "tools": (
        "_ask_istioctl",
        "_asking",
        "_debug",
        "_evidence",
        "_external",
        "_feed",
        "_gate_options",
        "_gates",
        "_install",
        "_installer",
        "_installer_*",
        "_manifest",
        "_module",
        "_permissions",
        "_planned",
        "_progress",
        "_prove",
        "_reading",
        "_restart",
        "_retire",
        "_shared",
        "_surroundings",
        "_swap",
        "_tool",
        "_tool_*",
        "_tracker",
        "_waiting",
    ),
}
ORDER = list(LAYERS)

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

FILES = sorted(path.stem for path in MODULE_UTILS.glob("*.py"))


def layers(name: str) -> list[str]:
    """Return the layers whose patterns a file's name matches: exactly one, if the table is right."""
    return [layer for layer, patterns in LAYERS.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]


def imports(name: str) -> set[str]:
    """Return the full names of the modules that a file imports, also those inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((MODULE_UTILS / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names if f"{node.module}." == PREFIX)
    return found


def own(name: str) -> set[str]:
    """Return the files of module_utils that a file imports."""
    return {module.removeprefix(PREFIX) for module in imports(name) if module.startswith(PREFIX)}


@pytest.mark.parametrize("name", FILES)
def test_every_file_stands_in_one_layer(name: str) -> None:
    assert len(layers(name)) == 1


def test_every_pattern_in_the_table_has_a_file() -> None:
    patterns = [pattern for group in LAYERS.values() for pattern in group]
    assert [pattern for pattern in patterns if not any(fnmatchcase(name, pattern) for name in FILES)] == []


@pytest.mark.parametrize("name", FILES)
def test_imports_go_downwards(name: str) -> None:
    height = max(map(ORDER.index, layers(name)), default=0)
    upwards = {other for other in own(name) if any(ORDER.index(layer) > height for layer in layers(other))}
    assert not upwards, f"{name} imports from a layer above its own"


@pytest.mark.parametrize("name", [name for name in FILES if layers(name) == ["domain"]])
def test_the_domain_is_pure(name: str) -> None:
    outside = {module for module in imports(name) if module.partition(".")[0] in INPUT_OUTPUT}
    assert not outside, f"{name} is in the domain layer and decides without input or output"
    assert "_client" not in own(name)
