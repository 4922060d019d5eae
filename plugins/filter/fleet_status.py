# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.fleet_status: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_status
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Return the state of each cluster of a fleet
description:
  - Summarizes the results of M(meshops.istio.istio_info) with O(meshops.istio.istio_info#module:record=true) on
    several clusters.
positional: _input, version, tag
options:
  _input:
    description: Name of each cluster, with its result of M(meshops.istio.istio_info), failed or not.
    type: dict
    required: true
  version:
    description:
      - Target version of Istio.
      - Without it, a cluster is done if all its proxies have one version and none of them is stale.
    type: str
    default: ""
  tag:
    description:
      - Image tag of the target version, if no version can be read from it, such as V(asm-1-23).
    type: str
    default: ""
seealso:
  - module: meshops.istio.istio_info
"""

EXAMPLES = r"""
- name: Show the state of the fleet
  ansible.builtin.debug:
    msg: "{{ (dict(ansible_play_hosts_all | zip(results)) | meshops.istio.fleet_status('1.31.0')).lines }}"
  vars:
    results: "{{ ansible_play_hosts_all | map('extract', hostvars, 'mesh') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The summary.
  type: dict
  contains:
    clusters:
      description:
        - One entry for each cluster, those with problems first.
        - The C(state) is V(unreachable), V(locked) (another run works on it), V(failed) or V(interrupted) (the last run
          that changed it), V(half done), V(not begun) or V(done); C(reason) is a sentence.
        - C(unreadable) names the objects of which a part cannot be read.
      type: list
      elements: dict
      sample:
        - cluster: paris-1
          state: half done
          reason: 9 of 28 proxies run 1.31.0
          versions: [1.30.3, 1.31.0]
          proxies: {1.30.3: 19, 1.31.0: 9}
          unreadable: []
    counts:
      description: Number of clusters in each state that occurs.
      type: dict
      sample: {"half done": 1, "done": 4}
    lines:
      description: The same for people.
      type: list
      elements: str
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.status import fleet_status


class FilterModule:
    """Provide the filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return the filter by its name."""
        return {"fleet_status": fleet_status}
