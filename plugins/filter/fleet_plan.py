# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.fleet_plan: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_plan
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Say what a run will do to a fleet
description:
  - Sums up what M(meshops.istio.istio_info) with O(meshops.istio.istio_info#module:record=true) and
    M(meshops.istio.istio_precheck) say of several clusters before the first of them is changed.
positional: _input, gates, version, of
options:
  _input:
    description: Name of each cluster, in order, with the result of M(meshops.istio.istio_info) there, failed or not.
    type: dict
    required: true
  gates:
    description: The same for M(meshops.istio.istio_precheck). Empty where it was not made.
    type: dict
    required: true
  version:
    description: Istio version that the fleet is to run.
    type: str
    required: true
  of:
    description: Ring of each cluster, as P(meshops.istio.rings#filter) returns it.
    type: dict
    required: true
seealso:
  - plugin: meshops.istio.fleet_status
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the plan
  ansible.builtin.debug:
    msg: "{{ (dict(hosts | zip(meshes)) | meshops.istio.fleet_plan(dict(hosts | zip(gates)), '1.31.0', {})).lines }}"
  vars:
    hosts: "{{ ansible_play_hosts_all }}"
    meshes: "{{ hosts | map('extract', hostvars, 'mesh') }}"
    gates: "{{ hosts | map('extract', hostvars, 'gate') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    clusters:
      description:
        - One entry for each cluster, in order. The C(state) is one of P(meshops.istio.fleet_status#filter), or
          V(refused) by its precheck.
        - A cluster that is C(up_to_date) has nothing to do, which its record and one reading prove.
      type: list
      elements: dict
      sample:
        - cluster: paris-1
          ring: istio_ring_1
          up_to_date: false
          state: half done
          why: 9 of 28 proxies run 1.31.0
          versions: [1.30.3, 1.31.0]
          proxies: {1.30.3: 19, 1.31.0: 9}
    counts:
      description: Number of clusters in each state that occurs.
      type: dict
      sample: {"half done": 1, "done": 4}
    findings:
      description: What the prechecks found, as P(meshops.istio.precheck_fleet#filter) returns it.
      type: list
      elements: dict
    same:
      description: A sentence for each cluster that has two names.
      type: list
      elements: str
      sample: []
    lines:
      description:
        - The same for people. Of several clusters they have a line for each finding that is no error and no warning, so
          that O(meshops.istio.istio_precheck#module:show=warning) can leave it out on each cluster.
      type: list
      elements: str
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.plan import plan


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"fleet_plan": plan}
