# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dry run that stands for a pod: that of its workload's own template, or of a pod with its labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.dry_run_pods import (
    pod_of_template,
    stand_in,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import RESTARTED_AT, STATUS, Pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload

#: Namespace and digest of a template.
QuestionKey = tuple[str, str]
#: Labels of single pods or generations, which their controllers set.
_GENERATED = ("pod-template-hash", "controller-revision-hash", "controller-uid", "job-name")
_GENERATED_GROUPS = ("batch.kubernetes.io/", "statefulset.kubernetes.io/", "apps.kubernetes.io/")


def workload_key(workload: Workload) -> QuestionKey:
    """Return the key of the question about the new pods of a workload."""
    return workload.namespace, workload.shape


def pod_key(pod: Pod) -> QuestionKey:
    """Return the key of the question about a pod of no known workload."""
    text = json.dumps([_own_labels(pod), _own_annotations(pod), pod.host_network], sort_keys=True)
    return pod.namespace, hashlib.sha256(text.encode()).hexdigest()


def workload_body(workload: Workload, image: str) -> Json:
    """Return the pod that the controller of a workload would create.

    Args:
        workload: the workload.
        image: an image of a registry that the cluster trusts, for a workload with its template in another object.
    """
    if not workload.template:
        annotations = workload.template_annotations
        return stand_in(workload.template_labels, annotations, image, host_network=workload.host_network)
    template = json.loads(workload.template)
    return pod_of_template(workload.ref, workload.uid, template, workload.template_labels)


def pod_body(pod: Pod, image: str) -> Json:
    """Return a pod that stands for a pod of no known workload."""
    return stand_in(_own_labels(pod), _own_annotations(pod), image, host_network=pod.host_network)


def _own_labels(pod: Pod) -> Mapping[str, str]:
    return {
        key: value
        for key, value in pod.labels.items()
        if key not in _GENERATED and not key.startswith(_GENERATED_GROUPS)
    }


def _own_annotations(pod: Pod) -> Mapping[str, str]:
    added = (STATUS, REVISION_LABEL, RESTARTED_AT)
    return {key: value for key, value in pod.annotations.items() if key not in added}
