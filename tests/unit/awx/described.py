# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the configuration of AWX as Ansible passes it to the modules of awx.awx."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import yaml

from unit.playbooks.playing import ROOT, play

Json = dict[str, t.Any]
AWX = ROOT / "extensions" / "awx"
APPLY = yaml.safe_load((AWX / "apply.yml").read_text(encoding="utf-8"))[0]
#: The lists, by the module that takes their entries; roles of infra.aap_configuration take them by the same names.
LISTS = {
    "credential_type": "controller_credential_types",
    "credential": "controller_credentials",
    "execution_environment": "controller_execution_environments",
    "project": "controller_projects",
    "inventory": "controller_inventories",
    "inventory_source": "controller_inventory_sources",
    "job_template": "controller_templates",
    "workflow_job_template": "controller_workflows",
}
OWN = {"meshops_awx_folder": str(AWX), "meshops_kubeconfig": str(AWX / "settings.yml"), "meshops_forks": "5"}


def described(folder: Path, rings: dict[str, list[str]]) -> dict[str, Json]:
    """Return all lists, for each set of rings."""
    shown = {"msg": "{{ dict(names | zip(query('vars', *names))) | to_json }}"}
    settings, *files = [str(AWX / name) for name in APPLY["vars_files"]]
    # Variables of -e override the settings, so here the settings are variables of hosts.
    weakest = yaml.safe_load(Path(settings).read_text(encoding="utf-8"))
    hosts = {host: {**weakest, **OWN, "meshops_rings": names} for host, names in rings.items()}
    variables = {"names": [*LISTS.values()]}
    tasks = [{"name": "Show", "ansible.builtin.debug": shown}]
    plays = [{"name": "Read", "vars_files": files, "vars": variables, "tasks": tasks}]
    return {host: json.loads(said[0]) for host, said in play(folder, hosts, plays).items()}
