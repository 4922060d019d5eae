# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.data_plane_moves: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: data_plane_moves
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Plan the waves of an upgrade
description:
  - Says from one reading of a cluster which namespaces and tags move to a revision, in which waves, and what stays.
  - A tag takes along all that follows it, so it moves only if no namespace that follows it is left out by a limit.
positional: _input, revision, source, limits, tagged, wave_size
options:
  _input:
    description: Result of M(meshops.istio.istio_info).
    type: dict
    required: true
  revision:
    description: The revision to move to.
    type: str
    required: true
  source:
    description: The revision to move away from. Empty where it was replaced in place.
    type: str
    required: true
  tagged:
    description:
      - How namespaces move that follow a tag other than C(default), with the tag, by a label of their own, or not.
    type: str
    choices: [tag, label, stay]
    default: tag
  wave_size:
    description: Number of namespaces in a wave where the limits have no waves.
    type: int
    default: 5
extends_documentation_fragment:
  - meshops.istio.limits.filter
"""

EXAMPLES = r"""
- name: Show what a canary would move
  ansible.builtin.debug:
    msg: "{{ mesh | meshops.istio.data_plane_moves('1-31-0', '1-30-3', {'exclude': ['pay-*']}) }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    waves:
      description: Namespaces of each wave.
      type: list
      elements: list
      sample: [[catalog, shop]]
    tags:
      description: Tags that move after the waves.
      type: list
      elements: str
      sample: [prod]
    gateway_waves:
      description: Namespaces with gateways of each wave, which come last.
      type: list
      elements: list
      sample: [[ingress]]
    following:
      description: Namespaces that follow the revision already, or whose pods choose; they keep their labels.
      type: list
      elements: str
      sample: []
    choosing:
      description: Namespaces in which the labels of the pods count.
      type: list
      elements: str
      sample: [tools]
    left:
      description: What the limits leave out, with the reason.
      type: list
      elements: dict
      sample:
        - what: namespace reports
          why: "is not moved: istio_exclude_namespaces names it."
    lines:
      description: The same as a sentence for each.
      type: list
      elements: str
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.waves import data_plane


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"data_plane_moves": data_plane}
