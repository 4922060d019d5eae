# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A1 and R32: pods whose labels lead to no injector are named, and no restart takes them out of the mesh."""

from __future__ import annotations

from typing import Any

import pytest

from field.meshes import SHOP, label, proxies, web
from field.playbooks import canary, changed, play
from integration.objects import INJECTION, REV
from integration.support import NEW_VERSION, REVISION, VERSION, Desk
from integration.workloads import namespace
from lab import Cluster

Json = dict[str, Any]
INJECT = "sidecar.istio.io/inject"
GONE = "1-28-4"


def restart_all(desk: Desk, cluster: Cluster, place: str, *, check: bool = False) -> Json:
    return dict(desk.tool(cluster, "rollout_restart", namespaces=[place], scope="all", check=check))


@pytest.mark.parametrize("check", [True, False])
def test_a1_a_label_that_leads_nowhere_is_refused(desk: Desk, based: Cluster, *, check: bool) -> None:
    based.istioctl(VERSION, "tag", "set", "default", "--revision", REVISION, "--overwrite")
    based.apply([namespace("old", **{INJECTION: "enabled"})])
    based.apply([{**web("app", "old")}, {**web("app2", "old", replicas=1)}])
    based.wait_ready()
    images = proxies(based, "old")
    assert all(images.values())
    based.istioctl(VERSION, "tag", "remove", "default", "--skip-confirmation")
    result = restart_all(desk, based, "old", check=check)
    assert result["failed"]
    assert "would come back without a proxy" in str(result["msg"])
    assert proxies(based, "old") == images


def test_a1b_pods_that_lost_their_label_are_refused(desk: Desk, based: Cluster) -> None:
    images = proxies(based)
    label(based, SHOP, {REV: None})
    result = restart_all(desk, based, SHOP)
    assert result["failed"]
    assert f"{INJECT}=false" in str(result["msg"])
    assert proxies(based) == images


def test_pods_that_opted_out_leave_the_mesh_with_a_warning(desk: Desk, based: Cluster) -> None:
    label(based, SHOP, {REV: None, INJECTION: "disabled"})
    result = restart_all(desk, based, SHOP, check=True)
    assert not result.get("failed"), result
    assert any("2 pods" in line and "lose" in line for line in result["warnings"]), result
    result = restart_all(desk, based, SHOP)
    assert any("2 pods" in line and "lose" in line for line in result["warnings"]), result
    assert set(proxies(based).values()) == {""}


def wiki(rev: str) -> Json:
    return dict(web("wiki", "tools", labels={REV: rev, INJECT: "true"}))


def test_r32a_a_template_that_names_a_revision_that_is_gone(desk: Desk, based: Cluster) -> None:
    based.apply([namespace("tools"), wiki(GONE)])
    based.wait_ready()
    before = play(desk, based, "precheck").require_success()
    assert "MU133" in before.output
    assert f"{REV}={GONE}, which no injector owns" in before.output
    canary(desk, based).require_success()
    assert "MU133" in play(desk, based, "verify").require_success().output
    assert set(proxies(based, "tools").values()) == {""}
    assert changed(canary(desk, based).require_success(), based) == 0


def test_r32b_pods_that_still_have_the_proxy_of_that_revision(desk: Desk, based: Cluster) -> None:
    based.install_istio("1.30.2", GONE)
    based.apply([namespace("tools"), wiki(GONE)])
    based.wait_ready()
    based.istioctl("1.30.2", "uninstall", "--revision", GONE, "--skip-confirmation")
    images = proxies(based, "tools")
    assert all(images.values())
    before = play(desk, based, "precheck").require_success()
    assert "MU022" in before.output
    assert before.output.count("Deployment tools/wiki") == 1, before.output
    canary(desk, based, istio_finalize=True).require_success()
    assert proxies(based, "tools") == images
    assert {image.rpartition(":")[2] for image in proxies(based).values()} == {NEW_VERSION}
