# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.finalize_moves: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: finalize_moves
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Say whether the default may move, and who is restarted then
description:
  - The default takes along all that follows it, so it may move only if no namespace that follows it is left out by a
    limit.
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
    description: Whether the default is moved by this run and not by somebody else.
    type: bool
    required: true
extends_documentation_fragment:
  - meshops.istio.limits.filter
"""

EXAMPLES = r"""
- name: Refuse to move the default
  ansible.builtin.fail:
    msg: "{{ picked.refused }}"
  when: picked.refused | length > 0
  vars:
    picked: "{{ mesh | meshops.istio.finalize_moves('1-31-0', true, {'exclude': ['pay-*']}) }}"
"""

RETURN = r"""
_value:
  description: What finalizing comes to.
  type: dict
  contains:
    refused:
      description: Why the default cannot move, with the names. Empty if it can.
      type: str
      sample: ""
    restarts:
      description: Namespaces to restart once it has moved, as their pods follow it by labels of their own.
      type: list
      elements: str
      sample: [tools]
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.waves import finalize


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"finalize_moves": finalize}
