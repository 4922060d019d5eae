# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run apply.yml with stand-ins for awx.awx that take the recorded options and record their calls."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from unit.awx.described import AWX, LISTS
from unit.playbooks.playing import ROOT, start

Json = dict[str, Any]
OPTIONS = ROOT / "tests" / "unit" / "fixtures" / "awx-options.json"
NODE = "workflow_job_template_node"
MODULE = """#!/usr/bin/python
import json
import os
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec=json.loads({spec!r}))
with open(os.environ["FAKE_AWX_NOTES"], "a") as notes:
    notes.write(json.dumps([{name!r}, module.params]) + chr(10))
module.exit_json(changed=False)
"""
LOOKUP = """
DOCUMENTATION = '''
name: controller_api
short_description: a stand-in
description: a stand-in
options:
  query_params: {description: x, type: dict}
  return_all: {description: x, type: bool}
'''
import json
import os
from ansible.plugins.lookup import LookupBase


class LookupModule(LookupBase):
    def run(self, terms, variables=None, **kwargs):
        self.set_options(var_options=variables, direct=kwargs)
        with open(os.environ["FAKE_AWX_NOTES"], "a") as notes:
            notes.write(json.dumps([terms[0], self.get_option("query_params")]) + chr(10))
        return json.loads(os.environ["FAKE_AWX_HAS"])[terms[0]]
"""


def stand_in(folder: Path) -> Path:
    """Write a collection awx.awx."""
    plugins = folder / "ansible_collections" / "awx" / "awx" / "plugins"
    (plugins / "modules").mkdir(parents=True)
    (plugins / "lookup").mkdir()
    (plugins / "lookup" / "controller_api.py").write_text(LOOKUP, encoding="utf-8")
    for name, options in json.loads(OPTIONS.read_text(encoding="utf-8"))["modules"].items():
        text = MODULE.format(name=name, spec=json.dumps(options))
        (plugins / "modules" / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def apply(folder: Path, **has: list[Json]) -> tuple[str, list[tuple[str, Json]]]:
    """Run it for an AWX that has workflow jobs and nodes; return the output, and the calls in their order."""
    notes = folder / "notes"
    notes.touch()
    collections = f"{stand_in(folder / 'collections')}:{ROOT / '.cache' / 'collections'}"
    existing = json.dumps({"workflow_jobs": [], "workflow_job_template_nodes": [], **has})
    more = {"ANSIBLE_COLLECTIONS_PATH": collections, "FAKE_AWX_NOTES": str(notes), "FAKE_AWX_HAS": existing}
    rings = json.dumps({"meshops_rings": ["istio_ring_0"]})
    output = start(folder, {"localhost": {}}, AWX / "apply.yml", "-e", rings, more=more)
    return output, [tuple(json.loads(line)) for line in notes.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Json]]:
    """Apply the configuration to an AWX whose workflow had two rings, and has one now."""
    nodes = ["precheck", "plan", "canary-istio_ring_0", "approve-istio_ring_1", "canary-istio_ring_1"]
    has = [{"id": number, "identifier": name} for number, name in enumerate(nodes)]
    output, calls = apply(tmp_path_factory.mktemp("apply"), workflow_job_template_nodes=has)
    assert "failed=0" in output, output
    return calls


def test_a_running_workflow_is_not_changed(tmp_path: Path) -> None:
    output, calls = apply(tmp_path, workflow_jobs=[{"id": 30, "status": "running"}, {"id": 31, "status": "pending"}])
    assert "Workflow Istio upgrade is running in AWX (workflow job 30, 31); nothing was changed." in " ".join(
        output.split()
    )
    assert {name for name, dummy in calls} == {"workflow_jobs"}
    query = calls[0][1]
    assert query["status__in"] == "new,pending,waiting,running"
    assert query["workflow_job_template__name"] == "Istio upgrade"


def test_nodes_of_removed_rings_are_deleted_by_their_identifiers_and_all_others_stay(
    applied: list[tuple[str, Json]],
) -> None:
    deleted = [call for name, call in applied if name == NODE]
    assert [(one["identifier"], one["state"], one["workflow_job_template"]) for one in deleted] == [
        ("approve-istio_ring_1", "absent", "Istio upgrade"),
        ("canary-istio_ring_1", "absent", "Istio upgrade"),
    ]
    (workflow,) = [call for name, call in applied if name == "workflow_job_template"]
    assert workflow["destroy_current_nodes"] is False
    assert {"precheck", "canary-istio_ring_0"} <= {node["identifier"] for node in workflow["workflow_nodes"]}


def test_running_workflows_are_read_before_anything_is_written(applied: list[tuple[str, Json]]) -> None:
    assert applied[0][0] == "workflow_jobs"
    names = [name for name, dummy in applied]
    assert set(names) == {*LISTS, NODE, "workflow_jobs", "workflow_job_template_nodes"}
    # A node without a parent would start immediately.
    assert names.index(NODE) < names.index("workflow_job_template")


def test_a_project_that_exists_is_updated_before_the_templates_are_made(applied: list[tuple[str, Json]]) -> None:
    (project,) = [call for name, call in applied if name == "project"]
    assert (project["update_project"], project["wait"]) == (True, True)
    names = [name for name, dummy in applied]
    assert names.index("project") < names.index("job_template")


def test_no_file_of_the_configuration_destroys_nodes() -> None:
    for path in [*AWX.rglob("*.yml"), *AWX.rglob("*.j2")]:
        for line in path.read_text(encoding="utf-8").splitlines():
            value = re.search(r"destroy_current_(?:nodes|schema): *(.*)", line)
            assert value is None or value[1] in ("false", '"{{ item.destroy_current_nodes }}"'), path
    assert yaml.safe_load((AWX / "config" / "workflow.yml").read_text(encoding="utf-8"))
