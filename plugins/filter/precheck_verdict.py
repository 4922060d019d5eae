# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.precheck_verdict: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: precheck_verdict
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Say why a cluster does not pass its precheck
description:
  - Judges a result of M(meshops.istio.istio_precheck) that was taken with
    O(meshops.istio.istio_precheck#module:fail_on=never), so that a playbook looks at all clusters before one fails.
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
- name: Fail after all clusters were looked at
  ansible.builtin.fail:
    msg: "{{ verdict }}"
  vars:
    verdict: "{{ precheck | meshops.istio.precheck_verdict('error') }}"
  when: verdict | length > 0
"""

RETURN = r"""
_value:
  description: The sentence of the failure. Empty if the cluster passes. A cluster that was not read never passes.
  type: str
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.precheck_summary import failure_of_cluster


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"precheck_verdict": failure_of_cluster}
