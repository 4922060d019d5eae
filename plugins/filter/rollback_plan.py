# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.rollback_plan: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: rollback_plan
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Plan a rollback
description:
  - Decides from one reading of a cluster which namespaces and tags go back to their previous revision, and what stays.
  - A tag moves all namespaces that follow it, so it goes back only if the limits exclude none of them.
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
    msg: "{{ mesh | meshops.istio.rollback_plan(limits={'namespaces': ['shop']}) }}"
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
      description: The run that is undone. Empty if no run can be undone.
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
      description: A sentence for each object that should go back and cannot.
      type: list
      elements: str
      sample: []
    restarts:
      description: Namespaces to restart then.
      type: list
      elements: str
      sample: [reports, shop]
    selected_per_workload:
      description: Namespaces with workloads whose pods get their previous labels back.
      type: list
      elements: str
      sample: []
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

from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.rollback_plan import plan_rollback


class FilterModule:
    """Provide the filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return the filter by its name."""
        return {"rollback_plan": plan_rollback}
