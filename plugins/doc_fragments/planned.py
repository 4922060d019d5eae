# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``planned``, which gives a task in check mode the steps that earlier tasks would have done."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment meshops.istio.planned."""

    DOCUMENTATION = r"""
options:
  planned:
    description:
      - For check mode only. A task that really runs ignores it.
      - Steps that the tasks before this one would have done. In check mode they wrote nothing, so this task cannot read
        them from the cluster.
      - A task without earlier tasks of an upgrade does not need it.
    type: dict
    suboptions:
      revision:
        description:
          - Target revision of the earlier tasks.
        type: str
      version:
        description:
          - Istio version of O(planned.revision). Set it if an earlier task would have installed that revision.
        type: str
      tag:
        description:
          - Image tag of O(planned.revision). By default it is derived from O(planned.version) and the tag of the
            running revision.
        type: str
      namespaces:
        description:
          - Namespaces that would have been moved to O(planned.revision), or restored if O(planned.restored=true).
        type: list
        elements: str
        default: []
      workloads:
        description:
          - Workloads that would have been moved to O(planned.revision) by the labels of their pods, such as
            V(Deployment tools/wiki).
        type: list
        elements: str
        default: []
      tags:
        description:
          - Tags that would have been moved to O(planned.revision).
        type: list
        elements: str
        default: []
      restarted:
        description:
          - Namespaces whose stale workloads would have been restarted. By default all of them.
        type: list
        elements: str
      taken_over:
        description:
          - Shared gateways, CNI and ztunnel objects that would belong to O(planned.revision), such as
            V(Deployment istio-system/istio-ingressgateway).
        type: list
        elements: str
        default: []
      restored:
        description:
          - Whether O(planned.namespaces) would have got back their labels from before O(planned.run_id).
        type: bool
        default: false
      restored_tags:
        description:
          - Tags that would have been restored to their revision from before O(planned.run_id).
        type: list
        elements: str
        default: []
      run_id:
        description:
          - The run that O(planned.restored) and O(planned.restored_tags) would have undone. By default the newest
            change of each object.
        type: str
"""
