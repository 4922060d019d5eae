# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""R24: pods of owners that no rollout restarts have one line for each owner, with the remedy that works there."""

from __future__ import annotations

import contextlib
from typing import Any

from field.meshes import SHOP, proxies, web
from field.playbooks import canary
from integration.objects import until
from integration.support import NEW_REVISION, NEW_VERSION, Desk
from integration.workloads import ANYTHING
from lab import ApiError, Cluster

Json = dict[str, Any]
#: Kind -> group, version, plural and name of an owner.
OWNERS = {
    "DeploymentConfig": ("apps.openshift.io", "v1", "deploymentconfigs", "api"),
    "TaskRun": ("tekton.dev", "v1", "taskruns", "build"),
    "Workflow": ("argoproj.io", "v1alpha1", "workflows", "etl"),
    "StrimziPodSet": ("core.strimzi.io", "v1", "strimzipodsets", "kafka"),
    "CloneSet": ("apps.kruise.io", "v1alpha1", "clonesets", "clone"),
}


def put_owner(cluster: Cluster, kind: str) -> Json:
    """Create an owner of a kind, with the kind itself, and return the reference to it."""
    group, version, plural, name = OWNERS[kind]
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": ANYTHING}}
    names = {"kind": kind, "plural": plural, "singular": kind.lower()}
    spec = {"group": group, "names": names, "scope": "Namespaced", "versions": [served]}
    definition = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    cluster.apply([{**definition, "metadata": {"name": f"{plural}.{group}"}}])
    path = f"/apis/{group}/{version}/namespaces/{SHOP}/{plural}"
    body = {"apiVersion": f"{group}/{version}", "kind": kind, "metadata": {"name": name, "namespace": SHOP}}

    def created() -> bool:
        with contextlib.suppress(ApiError):
            cluster.request("POST", path, body)
            return True
        return False

    until(created, f"{kind} is not served")
    uid = cluster.request("GET", f"{path}/{name}")["metadata"]["uid"]
    return {"apiVersion": body["apiVersion"], "kind": kind, "name": name, "uid": uid, "controller": True}


def pod(name: str, owner: Json | None = None) -> Json:
    template = web(name)["spec"]["template"]
    references = [owner] if owner else []
    metadata = {**template["metadata"], "name": name, "namespace": SHOP, "ownerReferences": references}
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": metadata}


def test_r24_each_owner_has_one_line_and_a_remedy_of_its_own(desk: Desk, based: Cluster) -> None:
    references = {kind: put_owner(based, kind) for kind in OWNERS}
    template = web("api")["spec"]["template"]
    controller = {"apiVersion": "v1", "kind": "ReplicationController"}
    metadata = {"name": "api-3", "namespace": SHOP, "ownerReferences": [references["DeploymentConfig"]]}
    rollout = {"replicas": 2, "selector": {"app": "api"}, "template": template}
    based.apply([{**controller, "metadata": metadata, "spec": rollout}, pod("driver")])
    uid = based.request("GET", f"/api/v1/namespaces/{SHOP}/pods/driver")["metadata"]["uid"]
    driver = {"apiVersion": "v1", "kind": "Pod", "name": "driver", "uid": uid, "controller": True}
    based.apply([pod("exec-1", driver), pod("exec-2", driver)])
    owned = {kind: reference for kind, reference in references.items() if kind != "DeploymentConfig"}
    based.apply([pod(f"{reference['name']}-1", reference) for reference in owned.values()])
    based.wait_ready()
    before = desk.tool(
        based, "istio_precheck", version=NEW_VERSION, revision=NEW_REVISION, fail_on="never", installer="istioctl"
    )
    found = {row["object"]: row["message"] for row in before["findings"] if row["code"] == "MU021"}
    assert sum(row["code"] == "MU021" for row in before["findings"]) == len(found)
    remedies = {
        "DeploymentConfig shop/api": "oc rollout latest dc/api",
        "Pod shop/driver": "wait until the application of pod driver ends",
        "TaskRun shop/build": "its next run gets the new proxy",
        "Workflow shop/etl": "its next run gets the new proxy",
        "StrimziPodSet shop/kafka": "strimzi.io/manual-rolling-update=true",
        "CloneSet shop/clone": "kubectl kruise rollout restart cloneset/clone",
    }
    assert {owner: found[owner] for owner in remedies if remedies[owner] not in found.get(owner, "")} == {}
    assert set(found) == set(remedies)
    run = canary(desk, based, istio_finalize=True)
    assert run.returncode
    images = {name: image.rpartition(":")[2] for name, image in proxies(based).items()}
    assert {version for name, version in images.items() if name.startswith("shop/web-")} == {NEW_VERSION}
    blockers = run.failure(based)
    assert "oc rollout latest dc/api" in blockers or "DeploymentConfig shop/api" in blockers
    assert "ReplicationController" not in blockers
