# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide from one reading of a cluster whether a run would find nothing to do.

A run that completes leaves a fingerprint of the state it has read. As long as the same run is requested, the
fingerprint is the same and nothing is stale, repeating the run would change nothing.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import (
    DONE,
    FINGERPRINT,
    REQUEST_DIGEST,
    Record,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.default_injection import default_injection
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.put_back import MovedBy, put_back
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def completion_fingerprint(snapshot: Snapshot, revision: str) -> str:
    """Return a digest of what a run to a revision leaves: control planes, injectors, owners of names, CRDs, namespaces.

    Pods are not a part of it, and neither are namespaces that follow the revision, because they come and go.
    """
    mesh = snapshot.mesh
    state = {
        "planes": {
            name: [plane.deployment, plane.installed_by, plane.written_spec] for name, plane in mesh.revisions.items()
        },
        "injectors": [
            [injector.name, injector.revision, injector.tag, [*map(_without_bundle, injector.webhooks)]]
            for injector in mesh.injectors
        ],
        "owners": [dict(mesh.tag_services), dict(mesh.validators), dict(mesh.orphan_validators)],
        "crds": dict(snapshot.crd_versions),
        "other_revisions": {
            namespace.name: name
            for namespace in snapshot.namespaces.values()
            if (name := namespace.revision_label) and mesh.resolve(name) != revision
        },
        "other_by_default": sorted(
            name for name in snapshot.namespaces if default_injection(snapshot, name) not in (None, revision)
        ),
    }
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _without_bundle(hook: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a webhook without the certificate that istiod fills in and renews."""
    client = {key: value for key, value in (hook.get("clientConfig") or {}).items() if key != "caBundle"}
    return {**hook, "clientConfig": client}


def is_unchanged(snapshot: Snapshot, record: Record | None, request_digest: str) -> bool:
    """Return whether the last run had the same request and completed, and nothing but pods has changed since then.

    Args:
        request_digest: the digest of the request of this run (option ``run.request_digest``). Without one, a cluster is
            never unchanged.
    """
    if not record or not request_digest or record.get("state") != DONE:
        return False
    if record.get(REQUEST_DIGEST) != request_digest:
        return False
    revision = str(record.get("revision"))
    plane = snapshot.mesh.revisions.get(revision)
    if plane is None or not (plane.rolled_out or snapshot.mesh.is_remote(revision)):
        return False
    injectors = [injector for injector in snapshot.mesh.injectors if injector.revision == revision]
    trusted = all(injector.has_ca_bundle for injector in injectors)
    return (
        trusted
        and completion_fingerprint(snapshot, revision) == record.get(FINGERPRINT)
        and not put_back(snapshot, MovedBy(revision=revision))
    )


def is_up_to_date(snapshot: Snapshot, record: Record | None, request_digest: str) -> bool:
    """Return whether a cluster is unchanged and has nothing to restart; the snapshot has pods and their owners."""
    return is_unchanged(snapshot, record, request_digest) and not snapshot.stale_workloads()
