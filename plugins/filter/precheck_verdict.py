# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.precheck_verdict: documentation; the code is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: precheck_verdict
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Return why a cluster does not pass its precheck
description:
  - Evaluates a result of M(meshops.istio.istio_precheck) with
    O(meshops.istio.istio_precheck#module:fail_on=never), so that a playbook checks all clusters before one of them
    fails.
positional: _input, fail_on, allow
options:
  _input:
    description: The result of M(meshops.istio.istio_precheck), failed or not.
    type: dict
    required: true
  fail_on:
    description: Lowest severity that counts.
    type: str
    choices: [error, warning, never]
    required: true
  allow:
    description: Codes of findings that do not count.
    type: list
    elements: str
    default: []
seealso:
  - module: meshops.istio.istio_precheck
  - plugin: meshops.istio.precheck_fleet
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Fail after all clusters were checked
  ansible.builtin.fail:
    msg: "{{ verdict }}"
  vars:
    verdict: "{{ precheck | meshops.istio.precheck_verdict('error') }}"
  when: verdict | length > 0
"""

RETURN = r"""
_value:
  description: The message of the failure. Empty if the cluster passes. A cluster that was not read never passes.
  type: str
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.precheck_summary import failure_of_cluster


class FilterModule:
    """Provide the filter."""

    def filters(self) -> dict[str, object]:
        """Return the filter by its name."""
        return {"precheck_verdict": failure_of_cluster}
