# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.inventory_faults: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_faults
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Say what is wrong with the variables of a fleet
description:
  - Finds clusters that are not named, one cluster under two names, variables with the prefix C(istio_) that nobody
    knows, values that can never be right, and what the playbooks set themselves, before any cluster is asked.
  - Variables that C(-e) gives are those of the command line of the run.
  - Empty values, as surveys of AWX send them, count as not given.
positional: _input, shared, played, playbook
options:
  _input:
    description: Name of each cluster, with its variables.
    type: dict
    required: true
  shared:
    description:
      - C(kubeconfig), C(context) and C(host) that stand for what a cluster does not name itself.
      - Without it the names of clusters are not looked at.
    type: dict
  played:
    description:
      - What the play of an upgrade gives to all clusters that do not say otherwise. Only then a version is needed.
    type: dict
  playbook:
    description:
      - V(canary), V(in_place), V(downgrade) or V(rollback), whose strategy is their name. No C(-e) may say otherwise.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Refuse an inventory with faults
  ansible.builtin.assert:
    that: faults | length == 0
    fail_msg: "{{ faults | join(' ') }}"
  vars:
    clusters: "{{ dict(ansible_play_hosts_all | zip(ansible_play_hosts_all | map('extract', hostvars))) }}"
    faults: "{{ clusters | meshops.istio.inventory_faults({}) }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: A sentence for each fault.
  type: list
  elements: str
  sample: ["Unknown variable istio_finalise. Did you mean istio_finalize?"]
"""

import typing as t
from collections.abc import Mapping

from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.inventory_check import find_problems

Variables = Mapping[str, t.Any]


def of_this_run(
    clusters: Mapping[str, Variables],
    shared: Variables | None = None,
    played: Variables | None = None,
    playbook: str = "",
) -> list[str]:
    """Add what -e gives, which core has read once for the whole run."""
    return find_problems(clusters, shared, played, playbook, load_extra_vars(DataLoader()))


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"inventory_faults": of_this_run}
