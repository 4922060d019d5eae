# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds out before an upgrade whether a dry run will be able to prove the target revision (safety rule S3).

A target that is not installed yet cannot inject, so the source revision injects the pod, in the namespaces in which a
pod will lead to the target. Nothing is asked if nothing acts on such a pod in one of them.
"""

from __future__ import annotations

import dataclasses

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    UnauthorizedError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import with_revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.injection_proof import (
    StandInAnswers,
    ask_for_stand_in,
    probe_namespaces,
    stand_in_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.readiness import gets_no_pods


def with_proof_doubt(client: Client, snapshot: Snapshot, target: str, version: str, source: str | None) -> Snapshot:
    """Return a snapshot with the reason why no dry run can prove the target; why it was not asked is in ``unread``.

    Raises:
        UnauthorizedError: the API server does not accept the login.
    """
    inputs = snapshot.precheck_inputs
    try:
        doubt = _find_doubt(client, snapshot, target, version, source)
    except UnauthorizedError:
        raise
    except (ApiError, ClusterError) as exc:
        inputs = dataclasses.replace(inputs, unread={**inputs.unread, "proof_doubts": exc.message})
    else:
        inputs = dataclasses.replace(inputs, proof_doubts={target: doubt} if doubt else {})
    return dataclasses.replace(snapshot, precheck_inputs=inputs)


def _find_doubt(client: Client, snapshot: Snapshot, target: str, version: str, source: str | None) -> str:
    if gets_no_pods(snapshot.mesh, target):
        return ""
    places = probe_namespaces(with_revision(snapshot.mesh, target, version), snapshot.namespaces, target)
    if any(_admits_all(snapshot, place, target) for place in places):
        return ""
    installed = target if target in snapshot.mesh.revisions else source or target
    answers = ask_for_stand_in(client, places, stand_in_of(snapshot.mesh, installed)) if places else StandInAnswers()
    return answers.doubt(target)


def _admits_all(snapshot: Snapshot, namespace: str, revision: str) -> bool:
    """Whether nothing that was read may refuse a pod of a revision in a namespace."""
    labels = snapshot.namespaces[namespace].labels
    has_quota = namespace == snapshot.mesh.namespace and bool(snapshot.precheck_inputs.quotas)
    return not has_quota and not snapshot.admission.may_refuse(namespace, labels, {REVISION_LABEL: revision})
