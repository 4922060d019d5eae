# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.finalize_plan: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: finalize_plan
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Plan the move of the default revision, and the restarts after it
description:
  - The default moves all namespaces that follow it, so it may move only if the limits exclude none of them.
positional: _input, revision, moves_default, limits
options:
  _input:
    description: Result of M(meshops.istio.istio_info).
    type: dict
    required: true
  revision:
    description: The revision that stays.
    type: str
    required: true
  moves_default:
    description: Whether this run moves the default, and not the operator or another installer.
    type: bool
    required: true
extends_documentation_fragment:
  - meshops.istio.limits.filter
"""

EXAMPLES = r"""
- name: Refuse to move the default
  ansible.builtin.fail:
    msg: "{{ plan.refused }}"
  when: plan.refused | length > 0
  vars:
    plan: "{{ mesh | meshops.istio.finalize_plan('1-31-0', moves_default=true, limits={'exclude': ['pay-*']}) }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    refused:
      description: Why the default cannot move, with the names. Empty if it can.
      type: str
      sample: ""
    restarts:
      description: Namespaces to restart after the move, because labels of their pods follow the default.
      type: list
      elements: str
      sample: [tools]
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.finalize_plan import plan_finalize


class FilterModule:
    """Provide the filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return the filter by its name."""
        return {"finalize_plan": plan_finalize}
