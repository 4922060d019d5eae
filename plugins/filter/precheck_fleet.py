# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.precheck_fleet: documentation; the code is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: precheck_fleet
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Summarize the prechecks of several clusters
description:
  - Lists the findings of M(meshops.istio.istio_precheck) with the clusters that have them, the clusters that could not
    be read, and the clean clusters.
positional: _input
options:
  _input:
    description: Name of each cluster, and the result of M(meshops.istio.istio_precheck) there, failed or not.
    type: dict
    required: true
seealso:
  - module: meshops.istio.istio_precheck
  - plugin: meshops.istio.precheck_verdict
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Summarize the results that each host has registered as precheck
  ansible.builtin.debug:
    msg: "{{ (dict(ansible_play_hosts | zip(results)) | meshops.istio.precheck_fleet).lines }}"
  vars:
    results: "{{ ansible_play_hosts | map('extract', hostvars, 'precheck') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description: The summary.
  type: dict
  contains:
    clusters:
      description: Number of clusters.
      type: int
      sample: 3
    findings:
      description: One entry for each code and severity, worst first. Waived findings have the severity V(waived).
      type: list
      elements: dict
      sample:
        - code: MU010
          severity: error
          title: dangling injection label
          clusters: [paris-1, paris-2]
          objects: 3
          examples: [namespace lost, namespace sandbox-1]
          remedy: label the namespace with a revision or tag that exists
          docs: https://github.com/meshops/istio/blob/main/docs/findings.md#mu010
    unread:
      description: Clusters that could not be read, with the kind and the message of the failure.
      type: list
      elements: dict
      sample:
        - cluster: paris-3
          kind: ClusterError
          message: Cluster paris-3 cannot be reached.
    clean:
      description: Clusters that were read and have no errors and warnings, except waived ones.
      type: list
      elements: str
      sample: [paris-4]
    lines:
      description: The summary as lines of text.
      type: list
      elements: str
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.precheck_summary import summarize_fleet


class FilterModule:
    """Provide the filter."""

    def filters(self) -> dict[str, object]:
        """Return the filter by its name."""
        return {"precheck_fleet": summarize_fleet}
