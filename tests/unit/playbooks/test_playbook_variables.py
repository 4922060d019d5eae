# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every variable of the playbooks may come from a survey: as a text, and as "" for an unanswered question."""

from __future__ import annotations

import json
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import CATALOGUE, TYPED
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.cluster_options import INPUTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import READERS
from unit.playbooks.playing import ROOT, play

PLAYBOOKS = ROOT / "playbooks"
GUIDES = ("canary", "in_place", "downgrade", "rollback", "precheck", "verify", "status", "fleet")
#: A text and its typed value, for each type; of choices, the last one is used.
TEXTS = {
    "bool": ("true", True),
    "int": ("7", 7),
    "amount": ("7%", "7%"),
    "list": ("a, b", ["a", "b"]),
    "lists": ("a, b\nc", [["a", "b"], ["c"]]),
    "dict": ("a: 1", {"a": 1}),
    "dicts": ("[{a: 1}]", [{"a": 1}]),
    "text": ("a", "a"),
}
TYPES = {name: CATALOGUE[name].type for name in TYPED}


def documented() -> set[str]:
    """List the variables in the tables of the guides."""
    rows = [
        line.split("|")[1]
        for name in GUIDES
        for line in (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `istio_")
    ]
    return {name for row in rows for name in re.findall(r"`(istio_\w+)`", row)}


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if not line.lstrip().startswith("#")]


def text(name: str) -> str:
    """Return a text for a variable."""
    kind = TYPES[name]
    return str(TEXTS[kind][0] if isinstance(kind, str) else kind[-1])


def typed_value(name: str) -> t.Any:
    """Return the typed value of that text."""
    kind = TYPES[name]
    return TEXTS[kind][1] if isinstance(kind, str) else kind[-1]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Read the variables of hosts with different answers."""
    hosts: dict[str, dict[str, t.Any]] = {
        "nothing": {},
        "empty": dict.fromkeys((*TYPES, "istio_context", "istio_started_by"), ""),
        "none": dict.fromkeys((*TYPES, "istio_context", "istio_started_by")),
        "texts": {name: text(name) for name in TYPES},
        "types": {name: typed_value(name) for name in TYPES},
        "marked": {"istio_waves": {"__ansible_unsafe": "a, b\nc"}, "istio_gates": {"__ansible_unsafe": "{soak: 5}"}},
        "templates": {
            "istio_context": "paris-{{ mine | length }}",
            "istio_waves": "{{ mine }}",
            "mine": [["a"]],
            "istio_wave_size": "{{ mine | length }}",
        },
        "by-default": {"__istio_finalize_by_default": True, "istio_finalize": ""},
        "not-by-default": {"__istio_finalize_by_default": True, "istio_finalize": "false"},
        "wrong": {"istio_wave_size": "five"},
    }
    terms = {"options": "cluster_options", "serial": "istio_serial", "finalize": "istio_finalize"}
    more = ", ".join(f"'{name}': lookup('meshops.istio.variables', '{term}')" for name, term in terms.items())
    tasks = [
        {"name": "Check", "ansible.builtin.import_tasks": str(PLAYBOOKS / "tasks" / "variables.yml")},
        {"name": "Show", "ansible.builtin.debug": {"msg": "{{ __istio_variables | to_json }}"}},
        {
            "name": "Show more",
            "ansible.builtin.debug": {"msg": f"{{{{ {{{more}}} | to_json }}}}"},
        },
    ]
    plays = [{"name": "Read", "vars": {"awx_user_name": "ada"}, "tasks": tasks}]
    return play(tmp_path_factory.mktemp("variables"), hosts, plays)


def typed(answers: dict[str, list[str]], host: str) -> dict[str, t.Any]:
    """Return the fact with the typed variables of a host."""
    return read(answers, host, -2)


def read(answers: dict[str, list[str]], host: str, at: int = -1) -> dict[str, t.Any]:
    """Return the content of a message of a host."""
    message: dict[str, t.Any] = json.loads(answers[host][at])
    return message


def test_an_empty_answer_counts_as_not_set(answers: dict[str, list[str]]) -> None:
    assert typed(answers, "empty") == typed(answers, "none") == typed(answers, "nothing")
    assert typed(answers, "nothing")["batch_timeout"] == 300


def test_texts_are_converted_to_the_types_of_an_inventory(answers: dict[str, list[str]]) -> None:
    assert typed(answers, "texts") == typed(answers, "types")
    assert typed(answers, "types") == {name.removeprefix("istio_"): typed_value(name) for name in TYPES}


def test_answers_may_be_marked_as_unsafe(answers: dict[str, list[str]]) -> None:
    """AWX marks the answers of a survey, so that an answer cannot be a template."""
    variables = typed(answers, "marked")
    assert (variables["waves"], variables["gates"]) == ([["a", "b"], ["c"]], {"soak": 5})


def test_an_inventory_may_have_templates(answers: dict[str, list[str]]) -> None:
    variables = typed(answers, "templates")
    assert (variables["waves"], variables["wave_size"]) == ([["a"]], 1)


def test_an_empty_answer_keeps_the_default_of_the_playbook(answers: dict[str, list[str]]) -> None:
    assert typed(answers, "by-default")["finalize"] is True
    assert typed(answers, "not-by-default")["finalize"] is False


def test_one_variable_is_read_by_its_name(answers: dict[str, list[str]]) -> None:
    assert [read(answers, host)["serial"] for host in ("nothing", "texts")] == ["100%", "7%"]
    by_default = [read(answers, host)["finalize"] for host in ("nothing", "by-default", "not-by-default")]
    assert by_default == [False, True, False]


def test_options_of_the_cluster_are_never_empty(answers: dict[str, list[str]]) -> None:
    """An unset variable sets no option, so that the default of the module applies."""
    assert read(answers, "nothing")["options"] == {"istio_namespace": "istio-system", "run": {"started_by": "ada"}}
    assert read(answers, "empty")["options"] == read(answers, "nothing")["options"]
    assert read(answers, "none")["options"] == read(answers, "nothing")["options"]
    assert read(answers, "templates")["options"]["context"] == "paris-1"


def test_a_value_of_another_type_is_refused(answers: dict[str, list[str]]) -> None:
    (message,) = answers["wrong"]
    assert message.endswith("Variable istio_wave_size is five; give a whole number.")


def test_a_default_has_the_type_of_its_variable() -> None:
    for variable in CATALOGUE.values():
        kind, default = variable.type, variable.default
        assert default == "" or (default in kind if not isinstance(kind, str) else READERS[kind][0](default) == default)


@pytest.mark.parametrize("name", sorted(documented() - set(TYPES)))
def test_an_empty_text_counts_as_not_set(name: str) -> None:
    """The playbooks use such a variable with a default that also replaces "", or as a text that may be empty."""
    uses = [
        line
        for path in sorted(PLAYBOOKS.rglob("*.yml"))
        for line in lines(path)
        if re.search(rf"(?<!')\b{name}\b(?! is defined)", line) and not line.lstrip().startswith(("fail_msg:", "- "))
    ]
    lookup = (ROOT / "plugins" / "plugin_utils" / "fleet.py").read_text(encoding="utf-8")
    assert uses or name in INPUTS or f'_read("{name}", "") or' in lookup
    as_text = rf"\b{name} \| default\((''|.+, true)\)"
    assert [line for line in uses if not re.search(as_text, line)] == []


def test_only_the_lookup_reads_typed_variables() -> None:
    """A playbook that read such a variable itself would not convert a text."""
    allowed = {"tasks/ring.yml"}
    names = "|".join(name for name, kind in TYPES.items() if kind != "text" and isinstance(kind, str))
    readers = {
        path.relative_to(PLAYBOOKS).as_posix()
        for path in PLAYBOOKS.rglob("*.yml")
        if any(re.search(rf"\b({names})\b", line) for line in lines(path))
    }
    assert readers <= allowed


def test_every_option_of_the_guides_is_used_by_a_playbook() -> None:
    readers = (*PLAYBOOKS.rglob("*.yml"), ROOT / "plugins" / "plugin_utils" / "fleet.py")
    text = "".join(path.read_text(encoding="utf-8") for path in readers)
    read = {f"istio_{key or quoted}" for key, quoted in re.findall(r"__istio_variables(?:\.(\w+)|\['(\w+)'\])", text)}
    read_by_the_inventory_check = {"istio_other_variables"}
    unread = {name for name in documented() - read - INPUTS if not re.search(rf"\b{name}\b", text)}
    assert unread == read_by_the_inventory_check
    assert read <= set(TYPES)


def test_a_guide_has_every_variable_with_a_type() -> None:
    assert {name for name, kind in TYPES.items() if kind != "text"} - documented() == set()


def test_the_guides_exist() -> None:
    assert all(Path(ROOT / "docs" / f"{name}.md").is_file() for name in GUIDES)
