# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.rings: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rings
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Put clusters into the order of their rings
description:
  - A ring is an inventory group C(istio_ring_0), C(istio_ring_1) and so on. Clusters of no ring go last.
  - Refuses a ring without clusters and a cluster in several rings.
positional: _input, groups, limit, width
options:
  _input:
    description: Names of the clusters.
    type: list
    elements: str
    required: true
  groups:
    description: Groups of the inventory.
    type: dict
    required: true
  limit:
    description: Names of the clusters that the run is limited to.
    type: list
    elements: str
    required: true
  width:
    description: How many clusters of a ring go side by side, a number or a percentage of the ring.
    type: str
    default: 100%
"""

EXAMPLES = r"""
- name: Go through a fleet ring by ring
  hosts: "{{ fleet.hosts }}"
  serial: "{{ fleet.sizes or ['100%'] }}"
  gather_facts: false
  vars:
    limited: "{{ query('ansible.builtin.inventory_hostnames', ansible_limit | default('all')) }}"
    fleet: "{{ groups.all | meshops.istio.rings(groups, limited) }}"
  tasks:
    - name: Show who goes together
      ansible.builtin.debug:
        var: ansible_play_batch
      run_once: true
"""

RETURN = r"""
_value:
  description: The order.
  type: dict
  contains:
    hosts:
      description: The clusters, ring by ring.
      type: list
      elements: str
      sample: [test-1, paris-1, paris-2]
    sizes:
      description: Sizes of the batches, for the keyword C(serial). No batch has clusters of two rings.
      type: list
      elements: int
      sample: [1, 2]
    of:
      description: Ring of each cluster. Empty for one that is in none.
      type: dict
      sample: {test-1: istio_ring_0, paris-1: istio_ring_1, paris-2: istio_ring_1}
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.rings import rings


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"rings": rings}
