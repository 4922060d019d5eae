# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.stages: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: stages
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Say which stages of a playbook tags ask for
description:
  - Refuses tags that no stage has, and stages that are skipped, because each stage builds on those before it. Ansible
    would skip all tasks without a word.
positional: _input, skipped, staged
options:
  _input:
    description: C(ansible_run_tags).
    type: list
    elements: str
    required: true
  skipped:
    description: C(ansible_skip_tags).
    type: list
    elements: str
    required: true
  staged:
    description: Whether the playbook has stages.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Upgrade the clusters, up to the stage that --tags names
  hosts: "{{ 'all' if (ansible_run_tags | meshops.istio.stages(ansible_skip_tags)).run }}"
  tasks: []
"""

RETURN = r"""
_value:
  description: The stages, in their order.
  type: dict
  contains:
    run:
      description: Those that run. V([all]) for a playbook without stages.
      type: list
      elements: str
      sample: [precheck, control_plane]
    left:
      description: Those that are left to a later run.
      type: list
      elements: str
      sample: [data_plane, verify, finalize]
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.stages import select_stages


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"stages": select_stages}
