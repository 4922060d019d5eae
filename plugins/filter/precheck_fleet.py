# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter meshops.istio.precheck_fleet: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: precheck_fleet
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Sum up the prechecks of several clusters
description:
  - Says which finding of M(meshops.istio.istio_precheck) there is on how many clusters, which clusters could not be
    read, and which are clean.
positional: _input
options:
  _input:
    description: Name of each cluster, with the result of M(meshops.istio.istio_precheck) there, failed or not.
    type: dict
    required: true
seealso:
  - module: meshops.istio.istio_precheck
  - plugin: meshops.istio.precheck_verdict
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Sum up what was registered as precheck on each host
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
      description: One entry for each code and severity, worst first. What is waived has the severity V(waived).
      type: list
      elements: dict
      sample:
        - code: MU010
          severity: error
          title: dangling injection label
          clusters: [paris-1, paris-2]
          objects: 3
          examples: [namespace lost, namespace sandbox-1]
          remedy: correct the label, or create the tag
          docs: https://github.com/meshops/istio/blob/main/docs/findings.md#mu010
    unread:
      description: Clusters that could not be read, with the kind of the failure and its sentence.
      type: list
      elements: dict
      sample:
        - cluster: paris-3
          kind: ClusterError
          message: Cluster paris-3 cannot be reached.
    clean:
      description: Clusters that were read and have no error and no warning but what is waived.
      type: list
      elements: str
      sample: [paris-4]
    lines:
      description: The same for people.
      type: list
      elements: str
"""

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.precheck_summary import summarize_fleet


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, object]:
        """Return it by its name."""
        return {"precheck_fleet": summarize_fleet}
