# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for the collection's files: names, headers, the action group, pinned requirements."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from unit.paths import ROOT

HEADER = (
    "# Copyright (c) 2026, meshops.istio contributors",
    "# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "# SPDX-License-Identifier: GPL-3.0-or-later",
)
SOURCES = sorted(
    path.relative_to(ROOT).as_posix() for top in ("plugins", "tests") for path in (ROOT / top).rglob("*.py")
)


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def stems(folder: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.py")}


def test_the_action_group_names_every_module_and_every_action_plugin() -> None:
    group = set(load("meta/runtime.yml")["action_groups"]["istio"])
    assert group == stems("plugins/modules")
    assert group == stems("plugins/action")


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_says_whose_it_is(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    begin = 1 if lines and lines[0].startswith("#!") else 0
    assert tuple(lines[begin : begin + 3]) == HEADER
    assert "from __future__ import annotations" in lines


def test_the_assets_of_the_report_page_are_shipped() -> None:
    assets = [path.relative_to(ROOT).as_posix() for path in (ROOT / "plugins/plugin_utils/report/assets").iterdir()]
    assert {name.rpartition("/")[2] for name in assets} >= {"page.html.j2", "report.css", "report.js"}
    # ansible-galaxy leaves out what matches a pattern by its path below the collection or by its name.
    ignored = load("galaxy.yml")["build_ignore"]
    names = {parent for name in assets for parent in (name, *map(str, Path(name).parents), name.rpartition("/")[2])}
    assert [name for name in names for pattern in ignored if fnmatch.fnmatch(name, pattern)] == []


def test_the_licence_is_the_one_that_is_declared() -> None:
    assert load("galaxy.yml")["license"] == ["GPL-3.0-or-later"]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in text
    assert "Version 3, 29 June 2007" in text


def test_requirements_are_a_full_freeze() -> None:
    frozen = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in frozen if not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []
    asked = (ROOT / "requirements" / "dev.in").read_text(encoding="utf-8").split("\n")
    missing = {line for line in asked if "==" in line} - set(pins)
    assert not missing, "requirements/dev.txt is older than dev.in: make freeze"


def test_ci_runs_make_test_and_nothing_else() -> None:
    script = ROOT / ".ci" / "run"
    commands = [line for line in script.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert commands == ["set -eu", 'cd "$(dirname "$0")/.."', "exec make test"]
    assert script.stat().st_mode & 0o111
