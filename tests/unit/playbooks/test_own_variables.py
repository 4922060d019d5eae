# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the playbooks set themselves is refused by name where somebody else gives it, before any request."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import CATALOGUE
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.own_variables import LEFT, SET
from unit.playbooks.playing import ROOT, start

PLAYBOOKS = ROOT / "playbooks"
KNOWN = yaml.safe_load((PLAYBOOKS / "vars" / "known.yml").read_text(encoding="utf-8"))["istio_known"]
WRITING = ("canary", "in_place", "downgrade", "rollback")
#: Nobody answers there.
LOST = {"istio_host": "https://127.0.0.1:1", "istio_api_key": "none"}
ASKED = "Read each cluster"


def run(folder: Path, name: str, *extra: str, **variables: t.Any) -> str:
    """Return what a shipped playbook says of a cluster that does not answer."""
    flags = [part for one in extra for part in ("-e", one)]
    given = {"istio_version": "1.31.0", **LOST, **variables}
    return start(folder, {"lost": given}, PLAYBOOKS / f"{name}.yml", *flags)


def refused(folder: Path, name: str, *extra: str, **variables: t.Any) -> str:
    """The same, where it asks no cluster."""
    said = run(folder, name, *extra, **variables)
    assert ASKED not in said
    return said


@pytest.mark.parametrize("name", WRITING)
def test_a_playbook_goes_the_way_of_its_name(tmp_path: Path, name: str) -> None:
    other = "canary" if name == "downgrade" else "downgrade"
    said = refused(tmp_path, name, f"istio_strategy={other}")
    assert (
        f"istio_strategy={other} conflicts with playbook {name}. Run meshops.istio.{other} and remove the variable."
        in said
    )


def test_an_empty_answer_is_another_strategy_too(tmp_path: Path) -> None:
    said = refused(tmp_path, "downgrade", "istio_strategy=")
    assert "istio_strategy= conflicts with playbook downgrade. Remove the variable." in said


def test_a_strategy_that_changes_nothing_is_no_fault(tmp_path: Path) -> None:
    """That of an inventory is for precheck and verify; that of a playbook beats it."""
    assert ASKED in run(tmp_path, "canary", "istio_strategy=canary", istio_strategy="in_place")


def test_what_a_playbook_sets_is_refused_on_the_command_line(tmp_path: Path) -> None:
    """Some of it says which clusters there are, before any task."""
    places = {
        "istio_chosen": ["lost"],
        "istio_limited": ["lost"],
        "istio_rings": {"hosts": ["lost"], "sizes": []},
        "istio_stages": {"run": ["all"], "left": []},
        "istio_workflow": "",
    }
    names = sorted({*SET, *LEFT} - {"istio_faults"})
    said = refused(tmp_path, "canary", json.dumps({**{key: {} for key in names}, **places}))
    assert [name for name in names if f"Variable {name} is set by the playbooks themselves; " not in said] == []
    assert "Variable istio_finalize_by_default is set by the playbooks themselves; give istio_finalize instead." in said
    assert "Variable istio_playbook is set by the playbooks themselves; leave it out." in said


def test_the_check_itself_cannot_be_set(tmp_path: Path) -> None:
    said = refused(tmp_path, "canary", "istio_faults=")
    assert "Variable istio_faults is set by the playbooks themselves; leave it out." in said


def test_an_inventory_may_not_have_it_either(tmp_path: Path) -> None:
    said = refused(tmp_path, "canary", istio_skips=True, istio_other_variables=["istio_skips"])
    assert "Variable istio_skips is set by the playbooks themselves; give istio_skip_up_to_date instead." in said


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
    return {name for name in names if name.startswith("istio_")}


def test_the_table_has_all_that_they_set_and_nothing_else() -> None:
    assert set_by_playbooks() - {"istio_strategy"} == {*SET, *LEFT}
    assert {*SET, *LEFT} & set(CATALOGUE) == set()
    assert set(LEFT) <= set(KNOWN["facts"])


@pytest.mark.parametrize("name", sorted({*SET, *LEFT}))
def test_what_to_give_instead_is_known(name: str) -> None:
    instead = set(re.findall(r"istio_\w+", {**SET, **LEFT}[name]))
    assert instead <= set(CATALOGUE)


def test_what_is_handed_on_is_read_by_no_playbook() -> None:
    """AWX gives it to all later jobs as variables that beat all others."""
    handed_on = {"istio_fleet_plan", "istio_fleet_run", "istio_fleet_status", "istio_precheck_fleet"}
    assert handed_on & set_by_playbooks() == set()
