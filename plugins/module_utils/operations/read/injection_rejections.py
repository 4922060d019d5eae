# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks by dry run whether an istiod rejects new pods, because it reads the injector configuration of another version.

Only istiods whose version differs from that of their injector configuration are asked, so that other meshes cost no
request: an istiod may not know what newer templates use (istio/istio #38145).
"""

from __future__ import annotations

import dataclasses
import itertools

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import shown
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.dry_run_pods import stand_in
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal, RefusedBy
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL, Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.admission import dry_run
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.readiness import PLACES, probe_namespaces


def has_mixed_versions(revision: Revision) -> bool:
    """Return whether the injector configuration of a revision is of another release than its running istiod."""
    if not revision.deployment or not revision.ready or revision.config is None:
        return False
    configured, running = parse_version(revision.config.tag), parse_version(revision.version)
    return configured is not None and running is not None and not running.matches(configured)


def with_rejections(client: Client, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot with the words of the istiods that reject new pods; asks only those with mixed versions."""
    mixed = [revision.name for revision in snapshot.mesh.revisions.values() if has_mixed_versions(revision)]
    if not mixed:
        return snapshot
    answers = {name: _rejection(client, snapshot, name) for name in mixed}
    rejections = {name: words for name, words in answers.items() if words}
    inputs = dataclasses.replace(snapshot.precheck_inputs, rejections=rejections)
    return dataclasses.replace(snapshot, precheck_inputs=inputs)


def _rejection(client: Client, snapshot: Snapshot, revision: str) -> str:
    """Return the words with which the injector of a revision rejects a pod, or an empty text."""
    body = stand_in({REVISION_LABEL: revision}, image=snapshot.mesh.revisions[revision].image)
    places = probe_namespaces(snapshot.mesh, snapshot.namespaces, revision)
    for namespace in itertools.islice(places, PLACES):
        try:
            made = dry_run(client, namespace, body)
        except ApiError:
            return ""
        if not isinstance(made, Refusal):
            return ""
        if made.by is RefusedBy.INJECTOR:
            return shown(made.text, 400).rstrip(".")
    return ""
