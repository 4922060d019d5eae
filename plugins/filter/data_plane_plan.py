# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.data_plane_plan: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: data_plane_plan
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Plan the waves of an upgrade
description:
  - Decides from one reading of a cluster which namespaces and tags move to a revision, in which waves, and what stays.
  - A tag moves all namespaces that follow it, so it moves only if the limits exclude none of them.
positional: _input, revision, source_revision, limits, tagged_namespaces, wave_size
options:
  _input:
    description: Result of M(meshops.istio.istio_info).
    type: dict
    required: true
  revision:
    description: The revision to move to.
    type: str
    required: true
  source_revision:
    description: The revision to move away from. Empty if it was replaced in place.
    type: str
    required: true
  tagged_namespaces:
    description:
      - How namespaces move that follow a tag other than C(default), with the tag, by a label of their own, or not.
    type: str
    choices: [tag, label, stay]
    default: tag
  wave_size:
    description: Number of namespaces in a wave if the limits have no waves.
    type: int
    default: 5
extends_documentation_fragment:
  - meshops.istio.limits.filter
"""

EXAMPLES = r"""
- name: Show what a canary would move
  ansible.builtin.debug:
    msg: "{{ mesh | meshops.istio.data_plane_plan('1-31-0', '1-30-3', limits={'exclude': ['pay-*']}) }}"
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
      description: Namespaces that follow the revision already, or whose pods select it; they keep their labels.
      type: list
      elements: str
      sample: []
    selected_per_workload:
      description: Namespaces in which labels of pods select the revision.
      type: list
      elements: str
      sample: [tools]
    skipped:
      description: Namespaces and tags that the limits leave out, with the reason.
      type: list
      elements: dict
      sample:
        - object: namespace reports
          reason: "is not moved: istio_exclude_namespaces names it."
    lines:
      description: The same as a sentence for each.
      type: list
      elements: str
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.data_plane_plan import plan_data_plane


class FilterModule:
    """Provide the filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return the filter by its name."""
        return {"data_plane_plan": plan_data_plane}
