# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every task of a role that restarts or moves has each limit; exceptions are named here with the reason."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import SPEC
from unit.playbooks.playing import ROOT

Json = dict[str, t.Any]
RESTART = "meshops.istio.rollout_restart"
#: The option of a task that selects the objects to move.
PICKS = {RESTART: "namespaces", "meshops.istio.namespace_revision": "namespaces", "meshops.istio.istio_tag": "name"}
#: All options of a restart that limit it; other ones say what it is about.
LIMITS = (
    "batch_size", "max_pods", "max_unavailable", "order", "pause", "not_after", "batch_timeout", "budget_timeout",
    "on_failure", "on_workload_failure", "broken_workloads", "gates", "log_lines",
)  # fmt: skip
ABOUT = {
    "namespaces", "scope", "kinds", "names", "label_selector", "field_selector", "revision", "percent",
    "source_revision", "deadline", "restore_labels", "skip_missing", "planned", "run_id", "allow",
}  # fmt: skip
#: Where an option is left out or fixed, by the kind of the task.
WAY_BACK = {
    "not_after": "what is half-way goes back, also after the window",
    "gates": "they judge the new revision",
    "on_failure": "there is nothing to go back to from the way back",
    "on_workload_failure": "it follows on_failure",
    "broken_workloads": "what the new revision broke goes back too",
}
CHECKS_ONLY = dict.fromkeys(("gates", "on_failure", "on_workload_failure", "broken_workloads"), "nothing is restarted")
NO_WAY_BACK = dict.fromkeys(("on_failure", "on_workload_failure"), "its own rescue, or the next run, goes on from here")
#: Where a task may take the names of namespaces and tags from: the plans of domain/run_plan select all of them.
PICKED = {
    "data_plane": {
        "data_plane_wave",
        "__data_plane_wave_moved",
        "__data_plane_following",
        "__data_plane_tag",
        "__data_plane_tag_namespaces",
        "__data_plane_selected_per_workload",
    },
    "finalize": {"__finalize_plan"},
    "rollback": {
        "__rollback_plan",
        "__rollback_labels",
        "__rollback_index",
        "__rollback_moved",
        "__rollback_tag",
        "__rollback_selected_per_workload",
    },
}
ROLES = tuple(PICKED)


def tasks(found: t.Any, *, rescue: bool = False) -> Iterator[tuple[Json, bool]]:
    """Each task of a file, also in blocks, and whether it is part of a rescue."""
    for task in found:
        yield task, rescue
        for key in ("block", "rescue", "always"):
            yield from tasks(task.get(key) or (), rescue=rescue or key == "rescue")


def load(role: str, folder: str, name: str = "main.yml") -> t.Any:
    return yaml.safe_load((ROOT / "roles" / role / folder / name).read_text(encoding="utf-8"))


def restart_options(role: str) -> Json:
    """Return the options that module_defaults give to every restart of a role."""
    options: Json = load(role, "vars")[f"__{role}_restart_options"]
    return options


def of_roles(*modules: str) -> list[tuple[str, str, Json, bool]]:
    """Return role, name, options and place of each task with one of the modules, with the defaults of restarts."""
    return [
        (role, task["name"], {**(restart_options(role) if module == RESTART else {}), **task[module]}, rescue)
        for role in ROLES
        for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml"))
        for task, rescue in tasks(yaml.safe_load(path.read_text(encoding="utf-8")))
        for module in modules
        if module in task
    ]


def exempt(role: str, options: Json, rescue: bool) -> set[str]:
    """The options that a restart need not be given."""
    if options["namespaces"] == []:
        return {*CHECKS_ONLY}
    if rescue:
        return {*WAY_BACK}
    if role == "rollback":
        return {*NO_WAY_BACK, "broken_workloads"}
    return {*NO_WAY_BACK} if options.get("on_failure") == "hold" or role != "data_plane" else set()


RESTARTS = of_roles(RESTART)


def test_each_option_of_a_restart_is_a_limit_or_not() -> None:
    assert {*LIMITS} | ABOUT >= {*SPEC.options}, "say whether the new option limits a restart"


@pytest.mark.parametrize("option", LIMITS)
@pytest.mark.parametrize(
    ("role", "name", "options", "rescue"), RESTARTS, ids=[f"{one[0]}: {one[1]}" for one in RESTARTS]
)
def test_every_restart_is_given_each_limit(role: str, name: str, options: Json, rescue: bool, option: str) -> None:
    if option in exempt(role, options, rescue):
        return
    value = str(options.get(option))
    assert re.search(rf"\b({role}_{option}|__{role}_window\.{option})\b", value), f"{name}: {option} is {value}"


@pytest.mark.parametrize("role", ROLES)
def test_every_task_of_a_role_is_within_its_restart_options(role: str) -> None:
    """All tasks of main.yml are in the block with the defaults, and all other files are included from there."""
    (block,) = load(role, "tasks")
    assert block["module_defaults"] == {RESTART: f"{{{{ __{role}_restart_options }}}}"}
    included = {
        task["ansible.builtin.include_tasks"]
        for path in (ROOT / "roles" / role / "tasks").glob("*.yml")
        for task, dummy in tasks(yaml.safe_load(path.read_text(encoding="utf-8")))
        if "ansible.builtin.include_tasks" in task
    }
    assert {path.name for path in (ROOT / "roles" / role / "tasks").glob("*.yml")} - {"main.yml"} <= included


def test_all_restarts_are_looked_at() -> None:
    assert {role for role, *dummy in RESTARTS} == {*ROLES}
    assert sum(not exempt(role, options, rescue) for role, _name, options, rescue in RESTARTS) >= 2


def test_what_is_moved_and_restarted_is_picked_within_the_limits() -> None:
    for module, option in PICKS.items():
        for role, name, options, dummy in of_roles(module):
            names = {*re.findall(r"\b[a-z_]+_[a-z_]+\b", str(options[option]))}
            own = {one for one in names if one.startswith((f"{role}_", f"__{role}_"))}
            assert own <= PICKED[role], f"{name}: {own}"
            assert own or options[option] in ("default", []), f"{name}: {options[option]}"


def test_every_reading_that_is_picked_from_checks_the_names() -> None:
    readings = of_roles("meshops.istio.istio_info")
    assert {role for role, *dummy in readings} == {*ROLES}
    assert [
        name for role, name, options, _rescue in readings if options.get("limits") != f"{{{{ __{role}_limits }}}}"
    ] == []


LOOKED_UP = "{{ lookup('meshops.istio.variables', 'limits') }}"


def test_the_names_are_checked_by_the_first_reading_and_by_every_gate() -> None:
    """So a slip is refused before the control plane is installed."""
    (reading,) = [
        task["meshops.istio.istio_info"]
        for task in yaml.safe_load((ROOT / "playbooks" / "tasks" / "read.yml").read_text(encoding="utf-8"))
        if "meshops.istio.istio_info" in task
    ]
    gate = yaml.safe_load((ROOT / "playbooks" / "tasks" / "gate.yml").read_text(encoding="utf-8"))[-1]
    (role,) = yaml.safe_load((ROOT / "roles" / "precheck" / "tasks" / "main.yml").read_text(encoding="utf-8"))
    (precheck,) = role["block"]
    assert (reading["limits"], gate["vars"]["precheck_limits"]) == (LOOKED_UP, LOOKED_UP)
    assert precheck["meshops.istio.istio_precheck"]["limits"] == "{{ precheck_limits }}"


def given_by_playbooks(role: str) -> Json:
    """The variables that the playbooks hand to a role."""
    for path in (ROOT / "playbooks" / "tasks" / "stages.yml", ROOT / "playbooks" / "rollback.yml"):
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        inside = [task for play in found for task in play.get("tasks") or [play]]
        for task, dummy in tasks(inside):
            for how in ("ansible.builtin.import_role", "ansible.builtin.include_role"):
                if task.get(how, {}).get("name") == f"meshops.istio.{role}":
                    return dict(task["vars"])
    raise AssertionError(role)


@pytest.mark.parametrize("role", ROLES)
def test_the_playbooks_hand_every_limit_to_every_role(role: str) -> None:
    handed = given_by_playbooks(role)
    limits = {*LIMITS, "namespaces", "waves", "exclude", "hold"} - ({*NO_WAY_BACK} if role != "data_plane" else set())
    limits -= {"broken_workloads"} if role == "rollback" else set()
    assert {f"{role}_{limit}" for limit in limits} <= handed.keys()
    defaults = yaml.safe_load((ROOT / "roles" / role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert {f"{role}_{limit}" for limit in limits} <= defaults.keys()


@pytest.mark.parametrize("role", ROLES)
def test_nothing_begins_once_the_time_is_over_or_the_fleet_is_held(role: str) -> None:
    """Tasks that move something check the window and the hold first; restarts end with the window."""
    known = yaml.safe_load((ROOT / "roles" / role / "vars" / "main.yml").read_text(encoding="utf-8"))
    condition = known[f"__{role}_open"]
    assert {f"{role}_hold", f"{role}_stopped"} <= {*re.findall(r"\w+", condition)}
    assert f"__{role}_window.not_after" in condition
    for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml")):
        if path.name == "after_wave.yml":
            continue  # a part of its wave
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = found[0]["block"] if "module_defaults" in found[0] else found
        decided = [one["ansible.builtin.set_fact"] for one in found if "ansible.builtin.set_fact" in one]
        for task in found:
            writes = [one for one, rescue in tasks([task]) if {*PICKS} - {RESTART} & one.keys() and not rescue]
            condition = str(task.get("when"))
            if (writes and "rescue" in task) or (writes and "block" in task):
                # a rescue goes by the condition of its block, which may not change while the block runs
                assert condition == f"__{role}_begins | bool", task["name"]
                assert {f"__{role}_begins": f"{{{{ __{role}_open | bool }}}}"} in decided
            elif writes:
                assert f"__{role}_open" in condition, task["name"]
