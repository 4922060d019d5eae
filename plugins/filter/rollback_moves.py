# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.rollback_moves: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_moves
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Plan the way back
description:
  - Says from one reading of a cluster which namespaces and tags go back to where they were, and what stays.
  - A tag takes along all that follows it, so it goes back only if no namespace that follows it is left out by a limit.
positional: _input, limits
options:
  _input:
    description: Result of M(meshops.istio.istio_info).
    type: dict
    required: true
extends_documentation_fragment:
  - meshops.istio.limits.filter
"""

EXAMPLES = r"""
- name: Show what would go back
  ansible.builtin.debug:
    msg: "{{ mesh | meshops.istio.rollback_moves({'namespaces': ['shop']}) }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    namespaces:
      description: Namespaces that get their labels back.
      type: list
      elements: str
      sample: [shop]
    run_id:
      description: The run that is undone. Empty where there is none.
      type: str
      sample: r3f9a1c22d
    tags:
      description: Tags that go back, each with the namespaces that follow it.
      type: list
      elements: dict
      sample:
        - name: prod
          namespaces: [reports]
    failures:
      description: What should go back and cannot, a sentence for each.
      type: list
      elements: str
      sample: []
    restarts:
      description: Namespaces to restart then.
      type: list
      elements: str
      sample: [reports, shop]
    choosing:
      description: Namespaces with workloads that get the labels of their pods back.
      type: list
      elements: str
      sample: []
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

from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.waves import rollback


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"rollback_moves": rollback}
