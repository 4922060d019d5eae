# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The configuration of AWX has options of awx.awx, playbooks that exist, and questions that they use."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import CATALOGUE
from unit.awx.described import APPLY, AWX, LISTS
from unit.playbooks.playing import ROOT

Json = dict[str, Any]
OPTIONS = json.loads((ROOT / "tests" / "unit" / "fixtures" / "awx-options.json").read_text(encoding="utf-8"))
PROJECT = AWX / "project"
TEMPLATES = ("precheck", "plan", "canary", "in place", "downgrade", "rollback", "finalize", "verify", "status")
WRITING = ("canary", "in place", "downgrade", "rollback", "finalize")


def named(configuration: Json, template: str) -> Json:
    (entry,) = [one for one in configuration["controller_templates"] if one["name"] == f"Istio {template}"]
    return dict(entry)


def questions(one: Json) -> list[Json]:
    return list(one["survey_spec"]["spec"])


def surveyed(configuration: Json) -> list[Json]:
    return [*configuration["controller_templates"], *configuration["controller_workflows"]]


def problems(options: Json, entry: Json) -> list[str]:
    return list(ArgumentSpecValidator(options).validate(entry).error_messages)


@pytest.mark.parametrize(("module", "name"), LISTS.items())
def test_every_entry_has_options_of_its_module(configuration: Json, module: str, name: str) -> None:
    assert configuration[name]
    for entry in configuration[name]:
        assert problems(OPTIONS["modules"][module], entry) == []


def test_an_unknown_option_is_found() -> None:
    (problem,) = problems(OPTIONS["modules"]["job_template"], {"name": "x", "job_slices": 1})
    assert "job_slices" in problem


@pytest.mark.parametrize("name", ["one", "three", "five"])
def test_every_node_has_the_parts_that_the_module_documents(configurations: dict[str, Json], name: str) -> None:
    for node in configurations[name]["controller_workflows"][0]["workflow_nodes"]:
        assert problems(OPTIONS["workflow_nodes"], node) == []


@pytest.mark.parametrize(("module", "name"), LISTS.items())
def test_apply_passes_every_option_of_every_entry(configuration: Json, module: str, name: str) -> None:
    (task,) = [one for one in APPLY["tasks"] if f"awx.awx.{module}" in one]
    assert task["loop"] == f"{{{{ {name} }}}}"
    handed = task[f"awx.awx.{module}"]
    assert {option for entry in configuration[name] for option in entry} == set(handed)
    assert all(re.match(rf"\{{\{{ item\.{option}\b", text) for option, text in handed.items())


def test_each_template_starts_a_playbook_that_exists(configuration: Json) -> None:
    assert [one["name"] for one in configuration["controller_templates"]] == [f"Istio {name}" for name in TEMPLATES]
    for one in configuration["controller_templates"]:
        (wrapper,) = yaml.safe_load((PROJECT / one["playbook"]).read_text(encoding="utf-8"))
        collection, dummy, name = wrapper["import_playbook"].rpartition(".")
        assert collection == "meshops.istio"
        assert (ROOT / "playbooks" / f"{name}.yml").is_file()
        assert one["playbook"] == f"{name}.yml"


def test_every_playbook_of_the_collection_has_a_wrapper_and_a_template(configuration: Json) -> None:
    names = {path.name for path in (ROOT / "playbooks").glob("*.yml")}
    assert {path.name for path in PROJECT.glob("*.yml")} - {"inventory.yml"} == names
    assert {one["playbook"] for one in configuration["controller_templates"]} == names


def test_no_template_is_sliced_or_runs_twice_at_once(configuration: Json) -> None:
    for one in configuration["controller_templates"]:
        assert (one["job_slice_count"], one["ask_job_slice_count_on_launch"]) == (1, False)
        assert one["allow_simultaneous"] is False
        assert one["ask_limit_on_launch"] is True
    assert configuration["controller_workflows"][0]["allow_simultaneous"] is False


def test_templates_that_write_offer_check_mode(configuration: Json) -> None:
    for name in TEMPLATES:
        one = named(configuration, name)
        assert one.get("ask_job_type_on_launch", False) == (name in WRITING)
    plan = named(configuration, "plan")
    assert (plan["job_type"], plan["diff_mode"]) == ("check", True)
    assert named(configuration, "finalize")["extra_vars"] == {"istio_finalize": True}


def test_all_references_exist(configuration: Json) -> None:
    def names(key: str) -> set[str]:
        return {one["name"] for one in configuration[key]}

    for one in configuration["controller_templates"]:
        assert {one["project"]} == names("controller_projects")
        assert {one["inventory"]} == names("controller_inventories")
        assert {one["execution_environment"]} == names("controller_execution_environments")
        assert set(one["credentials"]) == names("controller_credentials")
    (source,) = configuration["controller_inventory_sources"]
    assert (PROJECT / source["source_path"]).is_file()
    assert {source["source_project"]} == names("controller_projects")
    assert {one["credential_type"] for one in configuration["controller_credentials"]} == names(
        "controller_credential_types"
    )


def test_the_credential_is_a_file_of_which_only_the_path_is_a_variable(configuration: Json) -> None:
    (kind,) = configuration["controller_credential_types"]
    (field,) = kind["inputs"]["fields"]
    assert (field["secret"], field["multiline"]) == (True, True)
    # These are templates of AWX, not of Ansible.
    assert kind["injectors"]["file"] == {"template": "{{ " + field["id"] + " }}"}
    assert kind["injectors"]["extra_vars"] == {"istio_kubeconfig": "{{ tower.filename }}"}
    (credential,) = configuration["controller_credentials"]
    assert credential["inputs"][field["id"]].startswith("---\n# Copyright")


def test_surveys_ask_for_variables_of_the_playbook_that_do_not_differ_between_clusters(configuration: Json) -> None:
    for one in surveyed(configuration):
        playbook = one.get("playbook", "canary.yml").removesuffix(".yml")
        guides = [playbook, "status"] + ["fleet", "canary"] * (one["name"] not in ("Istio status", "Istio precheck"))
        known = "".join((ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in guides)
        asked = [question["variable"] for question in questions(one)]
        assert len(asked) == len(set(asked))
        for name in asked:
            assert f"`{name}`" in known, (one["name"], name)
            assert CATALOGUE[name].in_survey, (one["name"], name)


def test_questions_are_valid_for_awx(configuration: Json) -> None:
    """Its surveys require these keys, and a default that is a valid answer; only texts may have an empty one."""
    for one in surveyed(configuration):
        assert {"name", "description", "spec"} == set(one["survey_spec"])
        for question in questions(one):
            assert set(question) >= {"question_name", "question_description", "variable", "type", "required", "default"}
            if question["type"] in ("text", "textarea"):
                assert question["default"] == ""
                assert (question["min"] > 0) == question["required"]
                assert question["max"] > question["min"]
            else:
                assert question["type"] == "multiplechoice"
                assert question["default"] in question["choices"]


def test_awx_accepts_the_message_for_notifications() -> None:
    """It renders a message first with a job without artifacts: nothing may be undefined, and it is one line."""
    text = (ROOT / "docs" / "awx.md").read_text(encoding="utf-8")
    (message,) = re.findall(r"```text\n(\{\{ job\.name .*?)\n```", text, re.DOTALL)
    assert "\n" not in message
    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined).from_string(message)
    job = {"name": "Istio status", "id": 7, "status": "successful", "artifacts": {}}
    assert made.render(job=job, url="https://awx") == "Istio status #7: successful, https://awx "
    full = {**job, "artifacts": {"istio_fleet_status": {"lines": ["a", "b"]}}}
    assert made.render(job=full, url="u").endswith("u a\nb")


def test_the_report_is_enabled_where_awx_reads_it() -> None:
    """AWX reads callbacks from the ansible.cfg of the project; a credential must not set an ANSIBLE_ variable."""
    text = (PROJECT / "ansible.cfg").read_text(encoding="utf-8")
    assert "\n[defaults]\ncallbacks_enabled = meshops.istio.fleet_report\n" in text


def test_the_example_inventory_has_the_rings_of_the_settings() -> None:
    rings = yaml.safe_load((PROJECT / "inventory.yml").read_text(encoding="utf-8"))["all"]["children"]
    assert [*rings] == yaml.safe_load((AWX / "settings.yml").read_text(encoding="utf-8"))["meshops_rings"]
    assert all("istio_context" in host for ring in rings.values() for host in ring["hosts"].values())


def test_the_guide_names_every_template_its_playbook_and_the_version_that_was_checked(configuration: Json) -> None:
    text = (ROOT / "docs" / "awx.md").read_text(encoding="utf-8")
    for one in configuration["controller_templates"]:
        assert f"| *{one['name']}* | [{one['playbook'].removesuffix('.yml')}](" in text
    assert f"`awx.awx` {OPTIONS['source'].split()[1]}" in text
    settings = yaml.safe_load((AWX / "settings.yml").read_text(encoding="utf-8"))
    assert set(re.findall(r"`(meshops_\w+)", text)) <= set(settings)
