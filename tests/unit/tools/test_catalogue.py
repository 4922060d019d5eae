# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every place that repeats a variable agrees with the catalogue; test_pages.py checks the generated places."""

from __future__ import annotations

import importlib
import re
import typing as t

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import CATALOGUE
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.cluster_options import CLUSTER, RUN
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import READERS
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import ALL, Variable
from tools.variable_tables import DOCS, MODULES, ROLE_NAMES, ROLES, TABLE, guides, role_variables
from unit.paths import ROOT

Json = dict[str, t.Any]
CORES = "ansible_collections.meshops.istio.plugins.module_utils.operations.modules"
PLAYBOOKS = ROOT / "playbooks"
#: The playbooks that import a role, directly or by their tasks.
PLAYBOOKS_OF_ROLE = {
    "control_plane": {"canary", "in_place", "downgrade"},
    "data_plane": {"canary", "in_place", "downgrade"},
    "finalize": {"canary", "in_place", "downgrade"},
    "precheck": {"canary", "in_place", "downgrade", "precheck"},
    "verify": {"canary", "in_place", "downgrade", "verify"},
    "rollback": {"rollback"},
}
#: Arguments of roles that the playbooks compute from more than the variable of that name.
COMPUTED = re.compile(r"\w+_(revision|source_revision|strategy|allow)|finalize_not_after")
#: The survey of the playbook status compares clusters with a version, or without one with each other.
OWN_DESCRIPTION = {("Istio status", "istio_version")}
AWX_FILES = [ROOT / "extensions" / "awx" / "config" / f"{name}.yml" for name in ("templates", "workflow")]


def load(path: t.Any) -> t.Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def mappings(node: t.Any) -> t.Iterator[Json]:
    """Yield each mapping in a structure."""
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
        yield from mappings(part)
    if isinstance(node, dict):
        yield node


def plain(text: str) -> str:
    return text.replace("`", "")


@pytest.mark.parametrize("variable", CATALOGUE.values(), ids=lambda variable: variable.name)
def test_an_entry_is_complete(variable: Variable) -> None:
    assert isinstance(variable.type, tuple) or variable.type in READERS
    assert set(variable.playbooks) <= set(ALL)
    for text in (variable.help, *filter(None, variable.roles.values())):
        assert re.fullmatch(r"[A-Z`].*[.]", text), text
    assert {name for role in variable.roles for name in PLAYBOOKS_OF_ROLE[role]} <= set(variable.playbooks)
    page, dummy, anchor = variable.guide.partition("#")
    if page:
        headings = re.findall(r"^#+ (.*)$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors


@pytest.mark.parametrize("variable", CATALOGUE.values(), ids=lambda variable: variable.name)
def test_a_module_option_has_the_type_default_and_choices_of_its_variable(variable: Variable) -> None:
    for module, dummy, option in (name.partition(".") for name in variable.options):
        spec = importlib.import_module(f"{CORES}.{module}").CORE.spec.as_keywords()["argument_spec"][option]
        assert spec.get("default") in (None, variable.default, *variable.role_defaults.values())
        assert set(spec.get("choices") or variable.choices) == set(variable.choices)
        expected = {"bool": "bool", "int": "int", "dict": "dict", "list": "list", "lists": "list", "dicts": "list"}
        assert spec["type"] == expected.get(str(variable.type), "str")


def test_options_of_the_cluster_and_the_run_are_in_the_catalogue() -> None:
    names = {name for names in (*CLUSTER.values(), *RUN.values()) for name in names if name.startswith("istio_")}
    assert names <= set(CATALOGUE)


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_a_role_has_the_defaults_of_its_argument_specs(role: str) -> None:
    options = load(ROLES / role / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = {name: option["default"] for name, option in options.items() if not option.get("required")}
    assert load(ROLES / role / "defaults" / "main.yml") == defaults


@pytest.mark.parametrize("role", ROLE_NAMES)
def test_a_playbook_gives_each_argument_of_a_role_the_variable_of_the_catalogue(role: str) -> None:
    imports = [
        node["vars"]
        for path in PLAYBOOKS.rglob("*.yml")
        for node in mappings(load(path))
        for action in ("ansible.builtin.import_role", "ansible.builtin.include_role")
        if node.get(action, {}).get("name") == f"meshops.istio.{role}"
    ]
    assert imports
    for arguments in imports:
        for name, variable in role_variables(role).items():
            names = re.findall(r"istio_\w+(?:\.(\w+)|\['(\w+)'\])", arguments[name])
            used = {f"istio_{dotted or quoted}" for dotted, quoted in names}
            assert variable.name in used or COMPUTED.fullmatch(name)
            for default in re.findall(r"\| default\('(.+?)', true\)", arguments[name]):
                assert default == variable.role_defaults[role]


@pytest.mark.parametrize("page", guides())
def test_a_guide_of_a_playbook_lists_variables_that_it_uses(page: str) -> None:
    playbook = page.removesuffix(".md")
    text = (DOCS / page).read_text(encoding="utf-8")
    tables = re.findall(TABLE.pattern.replace(").*?(<!-- end", ").*?(?:<!-- end"), text, re.DOTALL)
    names = [name for dummy, listed in tables for name in listed.split()]
    assert names
    if playbook in ALL and playbook != "status":
        assert [name for name in names if playbook not in CATALOGUE[name].playbooks] == []


def test_each_variable_is_in_a_table_of_a_guide() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in guides().values())
    assert [name for name in CATALOGUE if f"\n| `{name}` |" not in text] == []


def surveys() -> t.Iterator[tuple[Json, Json]]:
    """Yield each template of AWX with each of its questions."""
    for path in AWX_FILES:
        for node in mappings(load(path)):
            for question in node.get("survey_spec", {}).get("spec", []):
                yield node, question


def test_a_survey_asks_for_what_the_catalogue_allows_with_its_words_and_choices() -> None:
    asked = set()
    for template, question in surveys():
        variable = CATALOGUE[question["variable"]]
        asked.add(variable.name)
        assert variable.in_survey
        assert template.get("playbook", "canary.yml").removesuffix(".yml") in variable.playbooks
        assert tuple(question.get("choices", ())) == variable.choices
        assert question["default"] == (variable.default if variable.choices else "")
        if (template["name"], variable.name) not in OWN_DESCRIPTION:
            assert question["question_description"].startswith(plain(variable.help))
    assert asked == {name for name, variable in CATALOGUE.items() if variable.in_survey}


def test_modules_of_options_exist() -> None:
    assert {option.partition(".")[0] for variable in CATALOGUE.values() for option in variable.options} <= MODULES
