# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Internal variables of the playbooks are refused by name when a user gives them, before any request."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import INTERNAL_FACTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.inventory_check import INTERNAL_PREFIX
from unit.playbooks.playing import ROOT, start

PLAYBOOKS = ROOT / "playbooks"
WRITING = ("canary", "in_place", "downgrade", "rollback")
#: No server listens there.
LOST = {"istio_host": "https://127.0.0.1:1", "istio_api_key": "none"}
READS = "Read each cluster"


def run(folder: Path, name: str, *extra: str, **variables: t.Any) -> str:
    """Return the output of a shipped playbook for a cluster that does not answer."""
    flags = [part for one in extra for part in ("-e", one)]
    given = {"istio_version": "1.31.0", **LOST, **variables}
    return start(folder, {"lost": given}, PLAYBOOKS / f"{name}.yml", *flags)


def refused(folder: Path, name: str, *extra: str, **variables: t.Any) -> str:
    """Return the output of a shipped playbook that reads no cluster."""
    output = run(folder, name, *extra, **variables)
    assert READS not in output
    return output


@pytest.mark.parametrize("name", WRITING)
def test_a_playbook_has_the_strategy_of_its_name(tmp_path: Path, name: str) -> None:
    other = "canary" if name == "downgrade" else "downgrade"
    output = refused(tmp_path, name, f"istio_strategy={other}")
    assert (
        f"istio_strategy={other} conflicts with playbook {name}. Run meshops.istio.{other} and remove the variable."
        in output
    )


def test_an_empty_answer_is_another_strategy_too(tmp_path: Path) -> None:
    output = refused(tmp_path, "downgrade", "istio_strategy=")
    assert "istio_strategy= conflicts with playbook downgrade. Remove the variable." in output


def test_the_same_strategy_is_allowed(tmp_path: Path) -> None:
    """The strategy of an inventory is for precheck and verify; the one of a playbook beats it."""
    assert READS in run(tmp_path, "canary", "istio_strategy=canary", istio_strategy="in_place")


def test_every_internal_variable_is_refused_on_the_command_line(tmp_path: Path) -> None:
    names = sorted(set_by_playbooks() - {"istio_strategy"})
    output = refused(tmp_path, "canary", json.dumps(dict.fromkeys(names, "")))
    assert [name for name in names if f"Variable {name} is internal to the playbooks; remove it." not in output] == []


def test_an_inventory_may_not_set_an_internal_variable(tmp_path: Path) -> None:
    output = refused(tmp_path, "canary", __istio_plans=True, istio_other_variables=["__istio_plans"])
    assert "Variable __istio_plans is internal to the playbooks; remove it." in output


def set_by_playbooks() -> set[str]:
    """List what plays, tasks and files of variables set, and what is registered."""
    names: set[str] = set()

    def look(node: t.Any, below: str = "") -> None:
        for one in node if isinstance(node, list) else []:
            look(one, below)
        for key, value in node.items() if isinstance(node, dict) else []:
            if below in ("vars", "ansible.builtin.set_fact"):
                names.add(key)
            elif key == "register":
                names.add(value)
            look(value, key)

    for path in PLAYBOOKS.rglob("*.yml"):
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        look({"vars": found} if isinstance(found, dict) else found)
    return {name for name in names if name.startswith(("istio_", INTERNAL_PREFIX))}


def test_what_the_playbooks_set_has_the_prefix_of_internal_variables() -> None:
    assert [name for name in set_by_playbooks() - {"istio_strategy"} if not name.startswith(INTERNAL_PREFIX)] == []


def test_the_facts_that_may_be_left_at_a_host_are_set_by_the_playbooks() -> None:
    assert set(INTERNAL_FACTS) <= set_by_playbooks()


def test_what_is_handed_on_is_read_by_no_playbook() -> None:
    """AWX gives it to all later jobs as variables that beat all others."""
    handed_on = {"istio_fleet_plan", "istio_fleet_run", "istio_fleet_status", "istio_precheck_fleet"}
    assert handed_on & set_by_playbooks() == set()
