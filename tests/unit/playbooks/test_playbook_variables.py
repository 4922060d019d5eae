# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every variable of the playbooks may come from a survey: as a text, and as "" where nobody answered."""

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
#: A text with what is meant, for each kind; where there is a choice, its last word is taken.
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


def meant(name: str) -> t.Any:
    """Return what is meant by it."""
    kind = TYPES[name]
    return TEXTS[kind][1] if isinstance(kind, str) else kind[-1]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Each host is a run with other answers."""
    hosts: dict[str, dict[str, t.Any]] = {
        "nothing": {},
        "empty": dict.fromkeys((*TYPES, "istio_context", "istio_started_by"), ""),
        "none": dict.fromkeys((*TYPES, "istio_context", "istio_started_by")),
        "texts": {name: text(name) for name in TYPES},
        "types": {name: meant(name) for name in TYPES},
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
    return play(tmp_path_factory.mktemp("given"), hosts, plays)


def given(answers: dict[str, list[str]], host: str) -> dict[str, t.Any]:
    return read(answers, host, -2)


def read(answers: dict[str, list[str]], host: str, at: int = -1) -> dict[str, t.Any]:
    found: dict[str, t.Any] = json.loads(answers[host][at])
    return found


def test_an_empty_answer_is_no_answer(answers: dict[str, list[str]]) -> None:
    assert given(answers, "empty") == given(answers, "none") == given(answers, "nothing")
    assert given(answers, "nothing")["batch_timeout"] == 300


def test_texts_mean_what_an_inventory_says_in_types(answers: dict[str, list[str]]) -> None:
    assert given(answers, "texts") == given(answers, "types")
    assert given(answers, "types") == {name.removeprefix("istio_"): meant(name) for name in TYPES}


def test_answers_may_be_marked_as_awx_does_it(answers: dict[str, list[str]]) -> None:
    """It marks what a survey sends as unsafe, so that nobody who answers can give a template."""
    found = given(answers, "marked")
    assert (found["waves"], found["gates"]) == ([["a", "b"], ["c"]], {"soak": 5})


def test_an_inventory_may_have_templates(answers: dict[str, list[str]]) -> None:
    found = given(answers, "templates")
    assert (found["waves"], found["wave_size"]) == ([["a"]], 1)


def test_an_empty_answer_leaves_a_playbook_its_own_default(answers: dict[str, list[str]]) -> None:
    assert given(answers, "by-default")["finalize"] is True
    assert given(answers, "not-by-default")["finalize"] is False


def test_one_variable_is_read_by_its_name(answers: dict[str, list[str]]) -> None:
    assert [read(answers, host)["serial"] for host in ("nothing", "texts")] == ["100%", "7%"]
    by_default = [read(answers, host)["finalize"] for host in ("nothing", "by-default", "not-by-default")]
    assert by_default == [False, True, False]


def test_options_of_the_cluster_have_no_empty_answer(answers: dict[str, list[str]]) -> None:
    """What a host does not say is no option at all, so that a default of the module counts."""
    assert read(answers, "nothing")["options"] == {"istio_namespace": "istio-system", "run": {"started_by": "ada"}}
    assert read(answers, "empty")["options"] == read(answers, "nothing")["options"]
    assert read(answers, "none")["options"] == read(answers, "nothing")["options"]
    assert read(answers, "templates")["options"]["context"] == "paris-1"


def test_what_cannot_be_meant_is_no_default(answers: dict[str, list[str]]) -> None:
    (message,) = answers["wrong"]
    assert message.endswith("Variable istio_wave_size is five; give a whole number.")


def test_a_default_is_of_its_kind() -> None:
    for variable in CATALOGUE.values():
        kind, default = variable.type, variable.default
        assert default == "" or (default in kind if not isinstance(kind, str) else READERS[kind][0](default) == default)


@pytest.mark.parametrize("name", sorted(documented() - set(TYPES)))
def test_an_empty_text_is_no_text(name: str) -> None:
    """What is a text anyway is used with a default that stands for "" too, or as a text that may be empty."""
    uses = [
        line
        for path in sorted(PLAYBOOKS.rglob("*.yml"))
        for line in lines(path)
        if re.search(rf"(?<!')\b{name}\b(?! is defined)", line) and not line.lstrip().startswith(("fail_msg:", "- "))
    ]
    lookup = (ROOT / "plugins" / "lookup" / "fleet.py").read_text(encoding="utf-8")
    assert uses or name in INPUTS or f'_read("{name}", "") or' in lookup
    as_text = rf"\b{name} \| default\((''|.+, true)\)"
    assert [line for line in uses if not re.search(as_text, line)] == []


def test_nothing_else_reads_what_was_given() -> None:
    """Where the playbooks read such a variable by themselves, a text would not become what is meant."""
    allowed = {"tasks/ring.yml"}
    names = "|".join(name for name, kind in TYPES.items() if kind != "text" and isinstance(kind, str))
    readers = {
        path.relative_to(PLAYBOOKS).as_posix()
        for path in PLAYBOOKS.rglob("*.yml")
        if any(re.search(rf"\b({names})\b", line) for line in lines(path))
    }
    assert readers <= allowed


def test_every_option_of_the_guides_is_used_by_a_playbook() -> None:
    readers = (*PLAYBOOKS.rglob("*.yml"), ROOT / "plugins" / "lookup" / "fleet.py")
    text = "".join(path.read_text(encoding="utf-8") for path in readers)
    read = {f"istio_{key or quoted}" for key, quoted in re.findall(r"__istio_variables(?:\.(\w+)|\['(\w+)'\])", text)}
    by_the_check_of_the_inventory = {"istio_other_variables"}
    unread = {name for name in documented() - read - INPUTS if not re.search(rf"\b{name}\b", text)}
    assert unread == by_the_check_of_the_inventory
    assert read <= set(TYPES)


def test_a_guide_has_every_variable_with_a_type() -> None:
    assert {name for name, kind in TYPES.items() if kind != "text"} - documented() == set()


def test_the_guides_are_there() -> None:
    assert all(Path(ROOT / "docs" / f"{name}.md").is_file() for name in GUIDES)
