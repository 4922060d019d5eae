# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""R11: two meshes in one cluster; a run upgrades its own, and neither judges, counts nor touches the other one."""

from __future__ import annotations

from typing import Any

import pytest

from field.meshes import delete_a_pod, proxies, web
from field.other_meshes import OTHER, TEAM, second_mesh
from field.playbooks import canary, changed, play
from integration.meshes import ADMISSION
from integration.objects import INJECTION, REV
from integration.safety import refusal
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from integration.workloads import namespace
from lab import Cluster

Json = dict[str, Any]


def with_other(cluster: Cluster, revision: str | None) -> None:
    """Install mesh B beside BASE, and a namespace with workloads that follows it."""
    second_mesh(cluster, revision)
    label = {REV: revision} if revision else {INJECTION: "enabled"}
    cluster.apply([namespace(TEAM, usergroup="b", **label), web(place=TEAM)])
    cluster.wait_ready()


def state_of_other(cluster: Cluster) -> dict[str, Json]:
    """Every object of mesh B that a run could touch, without what its controllers write."""
    paths = [f"{ADMISSION}/{kind}webhookconfigurations" for kind in ("mutating", "validating")]
    paths += [f"/apis/apps/v1/namespaces/{place}/deployments" for place in (OTHER, TEAM)]
    paths += [f"/api/v1/namespaces/{OTHER}/{kind}" for kind in ("services", "configmaps")]
    paths += [f"/api/v1/namespaces/{TEAM}/pods"]
    objects = [item for path in paths for item in cluster.items(path)]
    found = {}
    for item in objects:
        text = str(item.get("webhooks", ""))
        meta = item["metadata"]
        if (meta.get("namespace") or (OTHER if f"'namespace': '{OTHER}'" in text else "")) in (OTHER, TEAM):
            content = {key: item.get(key) for key in ("webhooks", "data")}
            found[f"{meta.get('namespace', '')}/{meta['name']}"] = {"uid": meta["uid"], **content}
    assert any(name.startswith("/") for name in found), "mesh B has no webhook"
    # The istiods of both meshes write their root certificate into every namespace, and elect a leader by a ConfigMap.
    return {name: item for name, item in found.items() if not name.endswith(("istio-ca-root-cert", "leader"))}


def findings_about_other(result: Json) -> list[str]:
    """The findings that name an object of mesh B, except that it exists."""
    rows = [row for row in result["findings"] if row["code"] != "MU063"]
    return [f"{row['code']} {row['object']}" for row in rows if OTHER in str(row) or TEAM in str(row)]


@pytest.mark.parametrize("revision", ["usergroup-2", None], ids=["R11 revision", "R11b without revision"])
def test_r11_a_canary_upgrades_its_own_mesh_only(desk: Desk, based: Cluster, revision: str | None) -> None:
    with_other(based, revision)
    before = state_of_other(based)
    precheck = play(desk, based, "precheck").require_success()
    assert findings_about_other(precheck.of(based, "istio_precheck")[0]) == []
    run = canary(desk, based).require_success()
    assert {image.rpartition(":")[2] for image in proxies(based).values()} == {NEW_VERSION}
    assert [findings_about_other(result) for result in run.of(based, "istio_precheck")] == [[], []]
    again = canary(desk, based).require_success()
    assert changed(again, based) == 0
    play(desk, based, "verify").require_success()
    status = play(desk, based, "status").require_success()
    assert TEAM not in status.output
    info = desk.tool(based, "istio_info")
    assert {name: sum(versions.values()) for name, versions in info["proxies"].items()} == {NEW_REVISION: 2}
    assert [row["revision"] for row in info["control_planes"]] == [REVISION, NEW_REVISION]
    assert state_of_other(based) == before
    assert delete_a_pod(based, TEAM).endswith(VERSION)


def test_r11_finalize_beside_a_mesh_with_a_revision(desk: Desk, based: Cluster) -> None:
    with_other(based, "usergroup-2")
    before = state_of_other(based)
    canary(desk, based, istio_finalize=True).require_success()
    info = desk.tool(based, "istio_info")
    assert [row["revision"] for row in info["control_planes"]] == [NEW_REVISION]
    assert info["default"]["revision"] == NEW_REVISION
    assert state_of_other(based) == before
    assert changed(canary(desk, based, istio_finalize=True).require_success(), based) == 0


def test_r11b_finalize_is_refused_before_it_changes_anything(desk: Desk, based: Cluster) -> None:
    """``istioctl tag set default`` reaches every mesh of the cluster, and mesh B has a default too."""
    with_other(based, None)
    before = state_of_other(based)
    run = canary(desk, based, istio_finalize=True)
    assert run.returncode != 0
    message = run.failure(based)
    assert "MU145 tag default" in message
    assert f"the mesh of namespace {OTHER}" in message
    assert "istio_tag name=default state=absent" in message
    info = desk.tool(based, "istio_info")
    assert info["default"]["revision"] == REVISION
    assert [row["revision"] for row in info["control_planes"]] == [REVISION]
    accepted = canary(desk, based, istio_finalize=True, istio_allow=["MU145"])
    assert accepted.returncode != 0
    assert "istioctl cannot distinguish them" in accepted.failure(based)
    assert desk.tool(based, "istio_info")["default"]["revision"] == REVISION
    again = canary(desk, based, istio_finalize=True)
    assert (again.returncode != 0, again.failure(based), changed(again, based)) == (True, message, 0)
    desk.tool(based, "istio_tag", name="default", state="absent")
    canary(desk, based, istio_finalize=True).require_success()
    assert [row["revision"] for row in desk.tool(based, "istio_info")["control_planes"]] == [NEW_REVISION]
    assert state_of_other(based) == before


def test_r11_parts_of_the_other_mesh_are_refused_by_name(desk: Desk, based: Cluster) -> None:
    with_other(based, "usergroup-2")
    before = state_of_other(based)
    tasks: list[tuple[str, Json]] = [
        ("namespace_revision", {"namespaces": [TEAM], "revision": REVISION}),
        ("rollout_restart", {"namespaces": [TEAM], "scope": "all"}),
        ("istio_tag", {"name": "usergroup-2", "revision": REVISION}),
        ("istio_revision", {"revision": "usergroup-2", "version": NEW_VERSION}),
    ]
    for module, options in tasks:
        message = refusal(desk.tool(based, module, **options), "SafetyError")
        assert f"mesh of namespace {OTHER}" in message, module
    run = canary(desk, based, istio_waves=[[TEAM]])
    assert f"namespace {TEAM} belongs to the mesh of namespace {OTHER} (it has {REV}=usergroup-2)" in run.failure(based)
    assert state_of_other(based) == before
