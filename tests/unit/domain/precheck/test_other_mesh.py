# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every check, on its own fault in another mesh of the cluster: only MU063 says that this mesh is there (R11)."""

from __future__ import annotations

import json
import re

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Finding, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_findings import (
    merge_findings,
    read_findings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from unit.domain.precheck.test_registry import ROWS
from unit.support import builders as b
from unit.support.checking import HEALTHY, UPGRADE

OTHER = "istio-b"
#: Kinds that belong to no mesh: a cluster has one of each for all.
SHARED = ("Node", "Secret")
#: Names of mesh A -> names that mesh B has instead, so that only the cluster is common.
NAMES = {b.SYSTEM: OTHER, b.OLD: "b-one", b.NEW: "b-two", "prod": "b-prod"}
#: Rows whose namespace does not follow mesh B: no injector has its name, or mesh A's default injects it.
NOT_OF_OTHER = ("MU010", "MU017")
#: Kinds of the whole cluster, whose names do not contain their mesh.
CLUSTER_WIDE = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")


def in_other_mesh(objects: list[b.Json]) -> list[b.Json]:
    """The same objects in mesh B: its control planes in istio-b, and its workloads in namespaces of their own."""
    spaces = {obj["metadata"]["name"] for obj in objects if obj["kind"] == "Namespace"}
    spaces |= {obj["metadata"].get("namespace", "") for obj in objects}
    text = json.dumps([obj for obj in objects if obj["kind"] not in SHARED])
    for name, replaced in NAMES.items():
        text = re.sub(rf"(?<![0-9a-z]){re.escape(name)}(?![0-9a-z])", replaced, text)
    found: list[b.Json] = json.loads(text)
    owned = any("webhooks" in obj and obj["metadata"].get("labels", {}).get(REV) == "b-one" for obj in found)
    for obj in found:
        meta = obj["metadata"]
        if owned and obj["kind"] == "Namespace" and not {INJECTION, REV} & set(meta.get("labels") or {}):
            meta.setdefault("labels", {})[REV] = "b-one"
        if meta.get("namespace") in spaces:
            meta["namespace"] = f"b-{meta['namespace']}"
        if obj["kind"] == "Namespace" and meta["name"] in spaces:
            meta["name"] = f"b-{meta['name']}"
        if obj["kind"] in CLUSTER_WIDE:
            meta["name"] += f"-{OTHER}"
        if obj["kind"] == "Pod":
            _connect(obj)
    return [*found, b.namespace(OTHER)]


def _connect(pod: b.Json) -> None:
    """Have the proxy of a pod connect to an istiod of mesh B, as its injector writes it."""
    value = json.dumps({"discoveryAddress": f"istiod-b-one.{OTHER}.svc:15012"})
    for group in ("containers", "initContainers"):
        for container in pod["spec"].get(group) or ():
            if container["name"] == "istio-proxy":
                container["env"] = [{"name": "PROXY_CONFIG", "value": value}]


def about(rows: list[Finding]) -> set[tuple[str, str]]:
    """Code and object of findings."""
    return {(row.code, row.object) for row in rows}


@pytest.mark.parametrize("stage", ["before", "after"])
@pytest.mark.parametrize(
    ("code", "objects"),
    [pytest.param(r.values[0], r.values[2], id=r.id) for r in ROWS if r.values[0] not in NOT_OF_OTHER],
)
def test_a_fault_of_the_other_mesh_is_no_finding(code: str, objects: list[b.Json], stage: str) -> None:
    upgrade = Upgrade(UPGRADE.strategy, UPGRADE.version, UPGRADE.revision, UPGRADE.source, stage)
    alone = about(run_checks(b.snapshot_of(HEALTHY, proxies=()), upgrade))
    other = in_other_mesh(objects)
    if not any(obj["kind"] == "MutatingWebhookConfiguration" for obj in other):
        other += in_other_mesh(b.plane(b.OLD))
    objects = [*HEALTHY, *b.endpoint_slices(HEALTHY), *other]
    both = about(run_checks(b.snapshot_of(objects, proxies=()), upgrade))
    assert {(found, place) for found, place in both - alone if found != "MU063"} == set(), code


def test_what_istioctl_says_of_the_other_mesh_is_left_out() -> None:
    other = in_other_mesh([*HEALTHY, *b.namespaces(team=b.OLD)])
    snapshot = b.snapshot_of([*HEALTHY, *other], proxies=())
    webhook = f"istio-sidecar-injector-b-one-{OTHER}"
    reported = [
        ("IST0118", "Service istio-b/web", "Port name is wrong."),
        ("IST0103", "Pod b-team/web", "The pod is missing the Istio proxy."),
        ("IST0139", f"MutatingWebhookConfiguration {webhook}", "Webhook overlaps with others."),
        (
            "IST0139",
            "MutatingWebhookConfiguration istio-revision-tag-default",
            f"Webhook overlaps with others: [{webhook}].",
        ),
        ("IST0118", "Service default/web", "Port name is wrong."),
    ]
    items = [{"code": code, "origin": origin, "level": "Warning", "message": text} for code, origin, text in reported]
    merged = merge_findings([], read_findings(json.dumps(items), "istioctl analyze"), snapshot)
    assert about(merged) == {("IST0118", "Service default/web")}
