# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Raw pods, workloads, their owners and budgets, as a cluster would return them."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from unit.support.planes import HUB, OLD, OLD_VERSION, SYSTEM, Json, meta, proxy, version_of


def pod(
    name: str = "web-1",
    in_namespace: str = "shop",
    *,
    revision: str | None = OLD,
    image: str | None = None,
    native: bool = True,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owner: tuple[str, str] | None = ("ReplicaSet", "web-abc"),
    phase: str = "Running",
    host_network: bool = False,
    ready: bool = True,
    gone_at: str = "",
    home: str = SYSTEM,
) -> Json:
    """A pod; with a proxy of a revision unless ``revision`` is None. ``home`` is the namespace of its istiod.

    With ``gone_at`` it is on its way out.
    """
    containers: dict[str, list[Json]] = {"containers": [{"name": "app", "image": "app:1"}], "initContainers": []}
    carried = dict(annotations or {})
    if revision is not None:
        version = image or proxy(version_of(revision))
        config = json.dumps({"discoveryAddress": f"istiod-{revision}.{home}.svc:15012"})
        sidecar = {"name": "istio-proxy", "image": version, "env": [{"name": "PROXY_CONFIG", "value": config}]}
        containers["initContainers" if native else "containers"].append(sidecar)
        carried = {REV: revision, "sidecar.istio.io/status": json.dumps({"revision": revision}), **carried}
    references = [{"controller": True, "kind": owner[0], "name": owner[1]}] if owner else []
    return {
        "kind": "Pod",
        "metadata": {
            **meta(name, in_namespace, labels, carried),
            "ownerReferences": references,
            **({"deletionTimestamp": gone_at} if gone_at else {}),
        },
        "spec": {**containers, **({"hostNetwork": True} if host_network else {})},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def workload(
    kind: str = "Deployment",
    name: str = "web",
    in_namespace: str = "shop",
    *,
    replicas: int = 1,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    containers: list[Json] | None = None,
    **spec: t.Any,
) -> Json:
    """A Deployment, StatefulSet or DaemonSet that is completely rolled out."""
    template = {
        "metadata": {"labels": {"app": name, **(labels or {})}, "annotations": dict(annotations or {})},
        "spec": {"containers": containers or [{"name": "app", "image": "app:1"}]},
    }
    by_kind = (
        {"desiredNumberScheduled": replicas, "updatedNumberScheduled": replicas, "numberAvailable": replicas}
        if kind == "DaemonSet"
        else {
            "replicas": replicas,
            "updatedReplicas": replicas,
            "availableReplicas": replicas,
            "readyReplicas": replicas,
        }
    )
    return {
        "kind": kind,
        "metadata": meta(name, in_namespace, generation=1, resourceVersion="7"),
        "spec": {
            **({} if kind == "DaemonSet" else {"replicas": replicas}),
            "selector": {"matchLabels": {"app": name}},
            "template": template,
            **spec,
        },
        "status": {"observedGeneration": 1, **by_kind, "currentRevision": "a", "updateRevision": "a"},
    }


def replica_set(name: str, deployment: str, in_namespace: str = "shop") -> Json:
    """A ReplicaSet of a Deployment."""
    return owned("ReplicaSet", name, ("Deployment", deployment), in_namespace)


def owned(kind: str, name: str, owner: tuple[str, str] | None, in_namespace: str = "shop") -> Json:
    """A ReplicaSet or Job, with what owns it."""
    references = [{"controller": True, "kind": owner[0], "name": owner[1]}] if owner else []
    return {"kind": kind, "metadata": {**meta(name, in_namespace), "ownerReferences": references}}


def deployed(
    name: str = "web",
    in_namespace: str = "shop",
    *,
    revision: str | None = OLD,
    pods: int = 1,
    image: str | None = None,
    pod_labels: Mapping[str, str] | None = None,
    **of_workload: t.Any,
) -> list[Json]:
    """A Deployment with its ReplicaSet and pods."""
    labels = {"app": name, **(pod_labels or {})}
    set_name = f"{name}-abc"
    return [
        workload("Deployment", name, in_namespace, replicas=pods, labels=pod_labels, **of_workload),
        replica_set(set_name, name, in_namespace),
        *(
            pod(
                f"{set_name}-{at}",
                in_namespace,
                revision=revision,
                image=image,
                labels=labels,
                owner=("ReplicaSet", set_name),
            )
            for at in range(pods)
        ),
    ]


def naming_istiod(kind: str, name: str, in_namespace: str, revision: str, annotation: str | None = None) -> Json:
    """A workload outside of the mesh whose pods name an istiod by address, as those of ztunnel's chart do."""
    address = {"name": "XDS_ADDRESS", "value": f"https://istiod-{revision}.{SYSTEM}.svc:15012"}
    containers = [{"name": "istio-proxy", "image": f"{HUB}/ztunnel:{OLD_VERSION}", "env": [address]}]
    annotations = {"sidecar.istio.io/inject": "false", **({REV: annotation} if annotation else {})}
    labels = {"sidecar.istio.io/inject": "false"}
    return workload(kind, name, in_namespace, labels=labels, annotations=annotations, containers=containers)


def budget(name: str, selector: Json, allowed: int, in_namespace: str = "shop") -> Json:
    """A PodDisruptionBudget."""
    return {
        "kind": "PodDisruptionBudget",
        "metadata": meta(name, in_namespace),
        "spec": {"selector": selector, "minAvailable": 1},
        "status": {"disruptionsAllowed": allowed},
    }


def node(name: str = "a", *, kubelet: str = "v1.36.3", cpu: str = "4", memory: str = "8Gi") -> Json:
    """A node that takes pods."""
    status = {"allocatable": {"cpu": cpu, "memory": memory}, "nodeInfo": {"kubeletVersion": kubelet}}
    return {"kind": "Node", "metadata": meta(name), "spec": {}, "status": status}


def configuration(kind: str, name: str, in_namespace: str = "shop", revision: str | None = OLD) -> Json:
    """An object of Istio's configuration, or of the Gateway API, with a revision's label or (None) without."""
    return {"kind": kind, "metadata": meta(name, in_namespace, {} if revision is None else {REV: revision}), "spec": {}}


def envoy_filter(name: str = "tweak", in_namespace: str = "shop", *versions: str, anchor: str = "") -> Json:
    """An EnvoyFilter with a patch for each proxyVersion, or one that is placed beside a filter."""
    patches = [{"applyTo": "CLUSTER", "match": {"proxy": {"proxyVersion": text}}, "patch": {}} for text in versions]
    if anchor:
        listener = {"filterChain": {"filter": {"name": "hcm", "subFilter": {"name": anchor}}}}
        patches.append({"applyTo": "HTTP_FILTER", "match": {"listener": listener}, "patch": {}})
    return {"kind": "EnvoyFilter", "metadata": meta(name, in_namespace), "spec": {"configPatches": patches}}
