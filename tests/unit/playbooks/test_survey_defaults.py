# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An unanswered question of a survey of AWX, as AWX writes it, is like no question at all."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import TYPED
from ansible_collections.meshops.istio.plugins.plugin_utils.compat import MARKS_TEMPLATES
from unit.playbooks.playing import RESULT, ROOT, load, start

Json = dict[str, t.Any]
PLAYBOOKS, CONFIG = ROOT / "playbooks", ROOT / "extensions" / "awx" / "config"
VERSION = "1.31.0"
#: Facts of earlier tasks, for the variables of later ones.
LEFT: Json = {
    "precheck_result": {"findings": []},
    "control_plane_result": {"source_revision": "1-30-3"},
    "__data_plane_plan": {"waves": [], "gateway_waves": [], "tags": []},
    "verify_result": {"proxies": {}, "cluster": {"name": "paris"}},
    "__istio_mesh": {
        "lock": None,
        "namespaces": [],
        "tags": {},
        "operator_tags": {},
        "default": {"revision": None, "other_mesh": None},
        "cluster": {"name": "paris"},
    },
    "__data_plane_window": {"not_after": ""},
    "__istio_excluded": [],
    "__data_plane_percentage": {"moved": []},
}
#: Values that the playbooks read by the lookup, for each playbook that writes; the read-only ones have no order.
LOOKED_UP = {
    "order": "{{ lookup('meshops.istio.fleet') }}",
    "batch": "{{ lookup('meshops.istio.fleet', 'batch') }}",
    "stages": "{{ lookup('meshops.istio.fleet', 'stages') }}",
    "pattern": "{{ lookup('meshops.istio.fleet', 'pattern') }}",
    "options": "{{ lookup('meshops.istio.variables', 'cluster_options') }}",
}


class Unsafe(yaml.SafeDumper):
    """Write texts as awx/main/utils/safe_yaml.py does."""

    def represent_data(self, data: t.Any) -> yaml.Node:
        """Mark texts."""
        return self.represent_scalar("!unsafe", data) if isinstance(data, str) else super().represent_data(data)


def survey(template: Json) -> Json:
    """Return the variables of a job of AWX with answers to the required questions only."""
    answers = {one["variable"]: one["default"] for one in template["survey_spec"]["spec"]}
    return {**answers, **({"istio_version": VERSION} if "istio_version" in answers else {})}


TEMPLATES = load(CONFIG / "templates.yml")["controller_templates"]
WORKFLOW = load(CONFIG / "workflow.yml")["controller_workflows"][0]
#: The answers of the workflow reach each of its jobs, and override those of the job's own survey.
SURVEYS = {one["name"]: (one["playbook"], survey(one)) for one in TEMPLATES} | {
    f"{one['name']} of the workflow": (one["playbook"], {**survey(one), **survey(WORKFLOW)})
    for one in TEMPLATES
    if survey(WORKFLOW).keys() - survey(one).keys()
}


def of_plays(name: str) -> Json:
    """Return the variables that the plays of a playbook set."""
    return {key: value for one in load(PLAYBOOKS / name) for key, value in one.get("vars", {}).items()}


def of_tasks(node: t.Any) -> t.Iterator[tuple[str, t.Any]]:
    """Yield each variable that a task sets, with its template."""
    for one in node if isinstance(node, list) else []:
        if "hosts" not in one and "ansible.builtin.import_playbook" not in one:
            yield from one.get("vars", {}).items()
        for inside in ("block", "tasks", "rescue", "always"):
            yield from of_tasks(one.get(inside))


def to_render(name: str) -> Json:
    """Return the templates of a playbook: of its files of variables, its plays and its tasks."""
    files = {
        "precheck.yml": ("tasks/gate.yml",),
        "verify.yml": ("verify.yml",),
        "status.yml": (),
        "rollback.yml": ("rollback.yml", "tasks/ring.yml"),
    }.get(name, ("tasks/run.yml", "tasks/gate.yml", "tasks/stages.yml", "tasks/ring.yml"))
    tasks = {key: value for path in files for key, value in of_tasks(load(PLAYBOOKS / path))}
    shared = [key for file in files_of(name) for key in load(PLAYBOOKS / "vars" / f"{file}.yml")]
    named = [*shared, *of_plays(name)]
    return {**{f"shown_{key}": f"{{{{ {key} }}}}" for key in named}, **tasks, **LOOKED_UP}


def run(folder: Path, inventory: Json, plays: list[Json], *flags: str) -> dict[str, str]:
    """Run plays over hosts whose variables are marked as AWX does it; return the last message of each host."""
    hosts, site = folder / "hosts.yml", folder / "site.yml"
    hosts.write_text(yaml.dump({"all": inventory}, Dumper=Unsafe), encoding="utf-8")
    heads = [{"name": "Run", "connection": "local", "gather_facts": False, **each} for each in plays]
    site.write_text(json.dumps(heads), encoding="utf-8")
    said = start(folder, {}, site, "-i", str(hosts), *flags)
    print(said)
    results = [(host, json.loads(result)) for dummy, host, result in RESULT.findall(said)]
    found = {host: result["msg"] for host, result in results if "msg" in result}
    assert found, said
    return found


def files_of(name: str) -> tuple[str, ...]:
    """Return the files of variables of a playbook."""
    return ("target",) if name in ("precheck.yml", "verify.yml") else ()


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """Render all templates for each job: with the variables of AWX, and with the answered ones only."""
    folder = tmp_path_factory.mktemp("surveys")
    hosts: dict[str, Json] = {}
    plays: list[Json] = []
    for index, (playbook, answers) in enumerate(SURVEYS.values()):
        hosts |= {f"awx-{index}": answers, f"asked-{index}": {key: value for key, value in answers.items() if value}}
        keys = to_render(playbook)
        show = {"ansible.builtin.debug": {"msg": "{{ dict(names | zip(query('vars', *names))) | to_json }}"}}
        given = {"name": "Read", "ansible.builtin.import_tasks": str(PLAYBOOKS / "tasks" / "variables.yml")}
        plays.append(
            {
                "name": playbook,
                "hosts": f"awx-{index},asked-{index}",
                "vars_files": [str(PLAYBOOKS / "vars" / f"{file}.yml") for file in files_of(playbook)],
                "vars": {**of_plays(playbook), "names": [*keys]},
                "tasks": [given, {"name": "Show", **show, "vars": keys}],
            }
        )
    said = run(folder, {"hosts": hosts}, plays, "-e", json.dumps(LEFT))
    assert set(said) == set(hosts)
    return {host: json.loads(text) for host, text in said.items()}


@pytest.mark.parametrize("index", range(len(SURVEYS)), ids=SURVEYS)
def test_an_unanswered_question_is_like_no_question(rendered: dict[str, Json], index: int) -> None:
    found, expected = rendered[f"awx-{index}"], rendered[f"asked-{index}"]
    assert found == expected
    assert "None" not in json.dumps(found)


def test_the_surveys_leave_rendered_variables_unanswered(rendered: dict[str, Json]) -> None:
    (index,) = [at for at, name in enumerate(SURVEYS) if name == "Istio canary"]
    found = rendered[f"awx-{index}"]
    # Before ansible-core 2.19, a template never yields a number.
    assert (found["batch"]["failure_budget"], int(found["__istio_soak"])) == (2, 0)
    assert found["order"]["batch_sizes"] == [len(rendered)]
    assert (found["shown___istio_target_revision"], found["control_plane_version"]) == ("1-31-0", VERSION)
    assert found["data_plane_waves"] == []


#: An answer of a survey as YAML reads it, and the typed text; no sentence names a type of Ansible.
READ = {
    "istio_batch_size": ("10", "10"),
    "istio_finalize": ("true", True),
    "istio_namespaces": ("2026", ["2026"]),
    "istio_exclude_namespaces": ("2026-03-01", ["2026-03-01"]),
    "istio_waves": ("2026", [["2026"]]),
    "istio_not_after": ("2026-03-01T04:00:00Z", "2026-03-01T04:00:00+00:00"),
    "istio_revision": ("131", "131"),
    "istio_source_revision": ("~", ""),
    "istio_allow_blockers": ("live_proxy\n", ["live_proxy"]),
}
REFUSED = {
    (
        "istio_namespaces",
        "no",
    ): "Variable istio_namespaces is false; give a list, or texts with commas or line breaks between "
    'them. Write names such as no, on and yes in brackets and quotes: ["no"].',
    (
        "istio_namespaces",
        "[no]",
    ): "Variable istio_namespaces is another text; give a list, or texts with commas or line breaks "
    'between them. Write names such as no, on and yes in brackets and quotes: ["no"].',
    (
        "istio_waves",
        "on",
    ): "Variable istio_waves is true; give a list of lists of names, or a line for each of them with commas "
    'between the names. Write names such as no, on and yes in brackets and quotes: [["no"]].',
    ("istio_revision", "1.30"): "Variable istio_revision is the number 1.3; give a text.",
    ("istio_tag", "yes"): "Variable istio_tag is true; give a text.",
    ("istio_strategy", "no"): "Variable istio_strategy is false; give canary, in_place, downgrade or rollback.",
    ("istio_wave_size", "2026-03-01"): "Variable istio_wave_size is the date 2026-03-01; give a whole number.",
}


@pytest.mark.skipif(not MARKS_TEMPLATES, reason="before ansible-core 2.19, a text that AWX marks stays a text")
def test_an_answer_that_yaml_converts_is_restored_or_refused(tmp_path: Path) -> None:
    hosts = {"read": {name: text for name, (text, dummy) in READ.items()}}
    hosts |= {f"refused-{at}": {name: text} for at, (name, text) in enumerate(REFUSED)}
    given = {"name": "Read", "ansible.builtin.import_tasks": str(PLAYBOOKS / "tasks" / "variables.yml")}
    show = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ __istio_variables | to_json }}"}}
    messages = run(tmp_path, {"hosts": hosts}, [{"hosts": "all", "tasks": [given, show]}])
    found = json.loads(messages.pop("read"))
    assert {name: found[name.removeprefix("istio_")] for name in READ} == {
        name: meant for name, (dummy, meant) in READ.items()
    }
    sentences = [messages[f"refused-{at}"].partition("Variable ") for at in range(len(REFUSED))]
    assert ["".join(parts[1:]) for parts in sentences] == [*REFUSED.values()]


def test_a_default_in_a_playbook_also_replaces_an_empty_value() -> None:
    """An unanswered question sets an empty value."""
    given = "|".join({*TYPED, "istio_hosts"})
    lines = [
        line.strip()
        for path in sorted(PLAYBOOKS.rglob("*.yml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        for use in re.findall(rf"\b(?:{given}) *\| *default\(((?:[^()]|\([^()]*\))*)\)", line)
        if not use.endswith(", true")
    ]
    assert lines == []


def test_no_task_waits_for_a_key() -> None:
    """A job of AWX has a terminal without a user."""
    folders = [ROOT / name for name in ("playbooks", "roles", "extensions")]
    files = [path for folder in folders for path in folder.rglob("*.y*ml")]
    assert len(files) > 40
    for path in files:
        asked = [line for line in path.read_text(encoding="utf-8").splitlines() if "vars_prompt" in line]
        assert asked == [], path
        for task in tasks_of(load_any(path)):
            pause = task.get("ansible.builtin.pause")
            if pause is not None:
                assert set(pause) == {"seconds"}
                # Without seconds, a pause has no end.
                assert "| int > 0" in task["when"]


def load_any(path: Path) -> t.Any:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=Anything)  # noqa: S506 - a safe loader


class Anything(yaml.SafeLoader):
    """Load the tags of Ansible too."""


Anything.add_multi_constructor("!", lambda loader, suffix, node: None)


def tasks_of(node: t.Any) -> t.Iterator[Json]:
    """Yield each mapping in a structure."""
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from tasks_of(one)
    if isinstance(node, dict):
        yield node


def test_an_empty_soak_goes_from_ring_to_ring(tmp_path: Path) -> None:
    rings = {f"istio_ring_{number}": {"hosts": {name: {}}} for number, name in enumerate("ab")}
    answers = {"istio_ring_soak": "", "istio_failure_budget": "", "istio_skip_up_to_date": ""}
    fleet = {
        "hosts": "a,b",
        "serial": 1,
        "vars": {"__istio_excluded": [], "batch": "{{ lookup('meshops.istio.fleet', 'batch') }}"},
        "tasks": [
            {"name": "Begin", "ansible.builtin.import_tasks": str(PLAYBOOKS / "tasks" / "ring.yml")},
            {"name": "Show", "ansible.builtin.debug": {"msg": "{{ batch.begins_ring }} {{ batch.failure_budget }}"}},
        ],
    }
    said = run(tmp_path, {"children": rings, "vars": answers}, [fleet])
    assert said == {"a": "False 0", "b": "True 0"}
