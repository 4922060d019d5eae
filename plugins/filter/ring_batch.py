# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.ring_batch: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: ring_batch
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Say what a batch of a fleet begins with
description:
  - Counts the clusters that failed before it, over all batches, against a failure budget. The keyword
    C(max_fail_percentage) counts within one batch only.
positional: _input, everybody, left, budget, of, out, idle
options:
  _input:
    description: Names of the clusters of the batch, C(ansible_play_batch).
    type: list
    elements: str
    required: true
  everybody:
    description: Names of all clusters of the play, C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  left:
    description: Names of those that did not fail, C(ansible_play_hosts).
    type: list
    elements: str
    required: true
  budget:
    description: How many clusters may fail, a number or a percentage of all.
    type: str
    required: true
  of:
    description: Ring of each cluster, as P(meshops.istio.rings#filter) returns it.
    type: dict
    required: true
  out:
    description: Names of the clusters that had failed before the play began, in a play before it.
    type: list
    elements: str
    default: []
  idle:
    description: Number of clusters of the fleet that have nothing to do, and are not in the play.
    type: int
    default: 0
"""

EXAMPLES = r"""
- name: Begin with no other cluster once two have failed
  ansible.builtin.meta: end_play
  when: (ansible_play_batch | meshops.istio.ring_batch(ansible_play_hosts_all, ansible_play_hosts, 1, fleet.of)).spent
"""

RETURN = r"""
_value:
  description: What is so when the batch begins.
  type: dict
  contains:
    clusters:
      description: Number of clusters of the fleet.
      type: int
      sample: 5
    rings:
      description: Rings of its clusters.
      type: list
      elements: str
      sample: [istio_ring_1]
    first:
      description: Whether no cluster has begun before it.
      type: bool
      sample: false
    begins_ring:
      description: Whether it is the first batch of its ring, and the ring not the first one.
      type: bool
      sample: true
    failed:
      description: Clusters that have failed.
      type: list
      elements: str
      sample: []
    budget:
      description: How many may fail.
      type: int
      sample: 1
    spent:
      description: Whether more have failed.
      type: bool
      sample: false
    untouched:
      description: Clusters that have not begun.
      type: list
      elements: str
      sample: [paris-1, paris-2]
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.rings import standing_of


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"ring_batch": standing_of}
