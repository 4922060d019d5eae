# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The restart options of a role reach every restart, also in files that the role includes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from unit.playbooks.playing import ROOT, load, play

ROLES = ("data_plane", "finalize", "rollback")
#: One option after the other is not valid; the module refuses it before any request.
WRONG = {
    "batch_size": "half",
    "max_unavailable": "most",
    "max_pods": "0",
    "order": "random",
    "pause": "soon",
    "batch_timeout": "never",
    "budget_timeout": "long",
    "log_lines": "all",
}
CLUSTER = {"host": "https://127.0.0.1:1", "api_key": "none"}


@pytest.fixture(scope="module", params=ROLES)
def refused(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Run a restart without namespaces in an included file, on a host for each wrong option, and one without."""
    role, folder = request.param, tmp_path_factory.mktemp(request.param)
    files = [str(ROOT / "roles" / role / name / "main.yml") for name in ("defaults", "vars")]
    (block,) = load(ROOT / "roles" / role / "tasks" / "main.yml")
    restart = {"name": "Restart", "meshops.istio.rollout_restart": {**CLUSTER, "namespaces": []}}
    (folder / "restart.yml").write_text(json.dumps([restart]), encoding="utf-8")
    included = {"name": "Include", "ansible.builtin.include_tasks": str(folder / "restart.yml")}
    tasks = [{"name": "Within the limits", "module_defaults": block["module_defaults"], "block": [included]}]
    passed = {"name": "Pass", "ansible.builtin.debug": {"msg": "passed"}}
    variables = load(Path(files[1]))
    assert set(variables[f"__{role}_restart_options"]) == set(WRONG)
    hosts = {
        "none": load(Path(files[0])),
        **{option.replace("_", "-"): {**load(Path(files[0])), f"{role}_{option}": WRONG[option]} for option in WRONG},
    }
    return play(folder, hosts, [{"name": role, "vars_files": files[1:], "tasks": [*tasks, passed]}])


@pytest.mark.parametrize("option", WRONG)
def test_an_option_of_the_role_reaches_an_included_restart(refused: dict[str, list[str]], option: str) -> None:
    (message,) = refused[option.replace("_", "-")]
    assert option in message


def test_an_option_that_is_not_set_is_left_to_the_module(refused: dict[str, list[str]]) -> None:
    assert refused["none"][-1] == "passed"
