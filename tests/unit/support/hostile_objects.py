# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of a cluster with every part that is read, some of which any user may write (F18)."""

from __future__ import annotations

import copy
import json

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import RECORD_KEY
from unit.support import builders as b

PREVIOUS, MEMORY = "meshops.istio/previous-labels", json.dumps({"istio.io/rev": b.OLD})


def annotated(obj: b.Json, **texts: str) -> b.Json:
    """An object with annotations."""
    found = copy.deepcopy(obj)
    found["metadata"].setdefault("annotations", {}).update({f"meshops.istio/{k}": v for k, v in texts.items()})
    return found


def record() -> b.Json:
    """The record of a run."""
    record = {"started_by": "a", "process": "p", "state": "failed", "phase": "x", "phases": {"x": "t"}, "message": "m"}
    data = {RECORD_KEY: json.dumps({**record, "previous": record})}
    return {"kind": "ConfigMap", "metadata": b.meta(STATE_NAME, b.SYSTEM, resourceVersion="1"), "data": data}


def lease() -> b.Json:
    """A lock that has run out."""
    time = "2026-01-01T00:00:00.000000Z"
    spec = {"holderIdentity": "a", "leaseDurationSeconds": 300, "acquireTime": time, "renewTime": time}
    return {"kind": "Lease", "metadata": b.meta(STATE_NAME, b.SYSTEM, resourceVersion="1"), "spec": spec}


def rollout() -> list[b.Json]:
    """An Argo Rollout with a pod."""
    rolling = {"canary": {"maxUnavailable": "25%", "maxSurge": 1}}
    found = b.workload("Rollout", "argo", strategy=rolling, restartAt="2026-01-01T00:00:00Z", labels={"a": "b"})
    found["status"] = {"phase": "Progressing", "restartedAt": "2026-01-01T00:00:00Z", "observedGeneration": "1"}
    pods = b.pod("argo-x-1", owner=("ReplicaSet", "argo-x"))
    return [found, b.owned("ReplicaSet", "argo-x", ("Rollout", "argo")), pods]


def pod() -> b.Json:
    """A pod of which only the status annotation has the revision."""
    found = b.pod("annotated", "shop", annotations={"istio.io/rev": ""}, labels={"app": "web"})
    found["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
    found["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:09Z"
    found["status"]["containerStatuses"] = [{"name": "app", "restartCount": 0, "ready": True}]
    return found


def free(kind: str, name: str) -> b.Json:
    """A workload whose pods chose for themselves, and which was moved."""
    found = b.workload(kind, name, "free", labels={"istio.io/rev": b.NEW})
    found["metadata"]["annotations"] = {PREVIOUS: MEMORY}
    return found


WORKLOAD = annotated(
    b.workload(name="moved", annotations={"sidecar.istio.io/proxyImage": "x"}), **{"restart-order": "1"}
)
WORKLOAD["metadata"]["annotations"][PREVIOUS] = MEMORY
REMOTE = {
    "kind": "Secret",
    "metadata": b.meta("far", b.SYSTEM, {"istio/multiCluster": "true"}, {"networking.istio.io/cluster": "far"}),
}
#: There may be any number of these.
MANY = [
    pod(),
    WORKLOAD,
    free("Deployment", "own"),
    free("StatefulSet", "db"),
    free("DaemonSet", "agent"),
    *rollout(),
    b.envoy_filter("tweak", "shop", r"^1\.30.*", anchor="envoy.filters.http.router"),
    {"kind": "WasmPlugin", "metadata": b.meta("wasm", "shop"), "spec": {"match": [{"a": "b"}]}},
    b.namespace("lot", {"istio.io/rev": b.NEW}, {PREVIOUS: MEMORY}),
    b.node(),
    b.budget("web", {"matchLabels": {"app": "web"}}, 1),
    b.autoscaler(),
    b.quota({"pods": "9"}, {"pods": "1"}),
    REMOTE,
]
TAG = annotated(b.injector(b.OLD, tag="prod"), **{"previous-revision": b.NEW})
#: There is one of each of these, by its name.
ONCE = [*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag("default", b.OLD), TAG, b.istiod_service(b.OLD, "prod")]
ONCE += [record(), lease(), *b.namespaces(shop=b.OLD, free=None), *b.deployed()]
