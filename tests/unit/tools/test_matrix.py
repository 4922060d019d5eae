# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions that are documented as tested are the pinned ones, and the lowest ones are the same everywhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from lab.sources import ISTIO_VERSIONS, KUBERNETES_VERSION
from tools import matrix
from unit.paths import ROOT

DOC = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
LOWEST_CORE, LOWEST_PYTHON, LOWEST_KUBERNETES = "2.16", "3.11", "24.2.0"


@pytest.fixture(autouse=True)
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def pinned(path: Path, package: str) -> str:
    """Return the version of a package in a freeze."""
    (version,) = re.findall(rf"^{package}==(.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return str(version)


def versions() -> dict[str, tuple[str, str]]:
    """Return the versions of Python and of the library kubernetes for each version of ansible-core in the table."""
    rows = re.findall(r"^\| (2[\d.]+) \| ([\d.]+) \| ([\d.]+) \|", DOC, re.MULTILINE)
    return {core: (python, library) for core, python, library in rows}


def test_the_table_has_the_pinned_versions() -> None:
    expected = {}
    for name in matrix.names():
        freeze = matrix.REQUIREMENTS / f"{name}.txt"
        expected[pinned(freeze, "ansible-core")] = (matrix.pythons(name)[0], pinned(freeze, "kubernetes"))
    dev = Path("requirements") / "dev.txt"
    expected[pinned(dev, "ansible-core")] = ("3.13", pinned(dev, "kubernetes"))
    assert versions() == expected


def test_the_lowest_versions_come_first_and_the_newest_library_is_tested_too() -> None:
    assert matrix.names() == ["core-2.16", "core-2.18", "core-2.20"]
    (lowest, *dummy_more) = versions()
    assert lowest.startswith(f"{LOWEST_CORE}.")
    assert versions()[lowest] == (LOWEST_PYTHON, LOWEST_KUBERNETES)
    assert len({library for dummy, library in versions().values()}) == 2


def test_kubernetes_and_istio_are_those_of_the_lab() -> None:
    *others, last = ISTIO_VERSIONS
    assert f"Kubernetes {KUBERNETES_VERSION} " in DOC
    assert f"Istio {', '.join(others)} and {last}:" in DOC


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("meta/runtime.yml", f'requires_ansible: ">={LOWEST_CORE}.0"'),
        ("meta/ee-requirements.txt", f"kubernetes>={LOWEST_KUBERNETES}\n"),
        ("extensions/awx/execution-environment.yml", f"ansible-core>={LOWEST_CORE}\n"),
        ("tests/config.yml", f'python_requires: ">={LOWEST_PYTHON}"'),
        ("pyproject.toml", f'python_version = "{LOWEST_PYTHON}"'),
        ("pyproject.toml", f'target-version = "py{LOWEST_PYTHON.replace(".", "")}"'),
        ("README.md", f"ansible-core {LOWEST_CORE} or newer on Python {LOWEST_PYTHON} or newer"),
        ("README.md", f"`kubernetes` ({LOWEST_KUBERNETES} or newer)"),
        ("plugins/doc_fragments/auth.py", f"python >= {LOWEST_PYTHON}\n  - kubernetes >= {LOWEST_KUBERNETES}\n"),
        ("plugins/inventory/clusters.py", f"python >= {LOWEST_PYTHON}\n  - kubernetes >= {LOWEST_KUBERNETES}\n"),
    ],
)
def test_the_lowest_versions_are_the_same_everywhere(path: str, text: str) -> None:
    assert text in (ROOT / path).read_text(encoding="utf-8")


def test_each_role_has_the_lowest_version() -> None:
    metas = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in ROOT.glob("roles/*/meta/main.yml")]
    assert {meta["galaxy_info"]["min_ansible_version"] for meta in metas} == {LOWEST_CORE}


def test_the_chosen_tests_exist() -> None:
    assert [path for path in (*matrix.CHOSEN, matrix.CANARY[0]) if not (ROOT / path).exists()] == []
