# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks by dry run whether an istiod rejects new pods, because it reads the injector configuration of another version.

Only istiods whose version differs from that of their injector configuration are asked, so that other meshes cost no
request: an istiod may not know what newer templates use (istio/istio #38145).
"""

from __future__ import annotations

import dataclasses

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    UnauthorizedError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import shown
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.injection_proof import ask_for_pod_of


def has_mixed_versions(revision: Revision) -> bool:
    """Return whether the injector configuration of a revision is of another release than its running istiod."""
    if not revision.deployment or not revision.ready or revision.config is None:
        return False
    configured, running = parse_version(revision.config.tag), parse_version(revision.version)
    return configured is not None and running is not None and not running.matches(configured)


def with_rejections(client: Client, snapshot: Snapshot) -> Snapshot:
    """Return a snapshot with the words of the istiods that reject new pods; asks only those with mixed versions.

    Where nothing could be asked, the reason is in ``unread``.

    Raises:
        UnauthorizedError: the API server does not accept the login.
    """
    rejections: dict[str, str] = {}
    unasked: list[str] = []
    for revision in filter(has_mixed_versions, snapshot.mesh.revisions.values()):
        try:
            answers = ask_for_pod_of(client, snapshot.mesh, snapshot.namespaces, revision.name)
        except UnauthorizedError:
            raise
        except (ApiError, ClusterError) as exc:
            unasked.append(f"revision {revision.name}: {exc.message}")
            continue
        if answers.rejection:
            rejections[revision.name] = shown(answers.rejection, 400).rstrip(".")
        elif doubt := answers.doubt(revision.name):
            unasked.append(f"revision {revision.name}: {doubt}")
    inputs = snapshot.precheck_inputs
    unread = {**inputs.unread, **({"rejections": "; ".join(unasked)} if unasked else {})}
    inputs = dataclasses.replace(inputs, rejections=rejections, unread=unread)
    return dataclasses.replace(snapshot, precheck_inputs=inputs)
