# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run would find nothing to do, told by one reading of the cluster.

A run that came to its end leaves a fingerprint of what it had looked at. As long as the same run is asked for, the
fingerprint is the same and nothing is stale, a repetition would change nothing.
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
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def fingerprint(snapshot: Snapshot, revision: str) -> str:
    """Return what a run to a revision leaves: control planes, injectors, owners of names, CRDs, who is elsewhere.

    Pods are no part of it, and neither is a namespace that follows the revision: they come and go.
    """
    mesh = snapshot.mesh
    told = {
        "planes": {name: [one.deployment, one.installed_by, one.written] for name, one in mesh.revisions.items()},
        "injectors": [
            [one.name, one.revision, one.tag, [*map(_without_bundle, one.webhooks)]] for one in mesh.injectors
        ],
        "owners": [dict(mesh.tag_services), dict(mesh.validators), dict(mesh.orphan_validators)],
        "crds": dict(snapshot.crd_versions),
        "elsewhere": {
            namespace.name: name
            for namespace in snapshot.namespaces.values()
            if (name := namespace.revision_label) and mesh.resolve(name) != revision
        },
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _without_bundle(hook: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return a webhook without the certificate that istiod fills in and renews."""
    client = {key: value for key, value in (hook.get("clientConfig") or {}).items() if key != "caBundle"}
    return {**hook, "clientConfig": client}


def unchanged(snapshot: Snapshot, record: Record | None, wanted: str) -> bool:
    """Return whether the last run was the wanted one, came to its end, and all is as it left it, but for the pods.

    Args:
        wanted: what the run that is asked for leads to, as ``run.request_digest`` says it. Empty is never settled.
    """
    if not record or not wanted or record.get("state") != DONE or record.get(REQUEST_DIGEST) != wanted:
        return False
    revision = str(record.get("revision"))
    plane = snapshot.mesh.revisions.get(revision)
    if plane is None or not (plane.rolled_out or snapshot.mesh.is_remote(revision)):
        return False
    trusted = all(one.has_ca_bundle for one in snapshot.mesh.injectors if one.revision == revision)
    return trusted and fingerprint(snapshot, revision) == record.get(FINGERPRINT)


def settled(snapshot: Snapshot, record: Record | None, wanted: str) -> bool:
    """Return whether a cluster is `unchanged` and has nothing to restart; the snapshot has pods and their owners."""
    return unchanged(snapshot, record, wanted) and not snapshot.stale_workloads()
