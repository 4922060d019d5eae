# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes that Helm has installed: one goes by canary from release to release, one is replaced in place."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import (
    ADMISSION,
    ENABLED,
    MERGE,
    PATCH_VERSION,
    Probe,
    assert_no_orphan,
    assert_sound,
    bare,
    drop_unrestartable,
)
from integration.objects import INJECTION, REV, changed, injected, objects
from integration.safety import no_write, refusal
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, UNREVISIONED, VERSION, Desk, Play
from lab import Cluster
from lab.process import clean_environment

Json = dict[str, Any]
pytestmark = pytest.mark.lab
SETTINGS = ("meshConfig.accessLogFile=/dev/stdout", "pilot.traceSampling=7")
SECRETS = "/api/v1/namespaces/istio-system/secrets"
SHOP = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {INJECTION: "enabled"}}}
STORAGE = "sh.helm.release.v1."


def revisioned(cluster: Cluster) -> None:
    """Release istiod-1-30-3 with a default and a tag, and the population on it."""
    bare(cluster)
    cluster.helm_install(VERSION, REVISION, sets=SETTINGS)
    for tag in ("default", "prod"):
        cluster.istioctl(VERSION, "tag", "set", tag, "--revision", REVISION, "-y")
    cluster.seed(REVISION)
    for name in ENABLED:
        patch = {"metadata": {"labels": {INJECTION: "enabled", REV: None}}}
        cluster.request("PATCH", f"/api/v1/namespaces/{name}", patch, content_type=MERGE)
    cluster.wait_ready()
    drop_unrestartable(cluster)


def unrevisioned(cluster: Cluster) -> None:
    """Release istiod, without a tag and without workloads."""
    bare(cluster)
    cluster.helm_install(VERSION, sets=SETTINGS)
    cluster.apply([SHOP])


@pytest.fixture(scope="module")
def meshes(desk: Desk) -> Iterator[list[Cluster]]:
    """One mesh of each kind; afterwards there is nothing left that only Helm may write."""
    desk.state = ""
    first, second = desk.lab.clusters
    with ThreadPoolExecutor(2) as pool:
        for job in [pool.submit(revisioned, first), pool.submit(unrevisioned, second)]:
            job.result()
    yield desk.lab.clusters
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(bare, desk.lab.clusters))


def releases(cluster: Cluster) -> dict[str, tuple[str, str]]:
    """Name to (chart, status) of every release."""
    rows = json.loads(cluster.helm("list", "--pending", "--failed", "--deployed", "-o", "json").stdout)
    return {row["name"]: (row["chart"], row["status"]) for row in rows}


def values(cluster: Cluster, revision: str) -> Json:
    """The settings that a revision was installed with."""
    suffix = "" if revision == UNREVISIONED else f"-{revision}"
    found = cluster.request("GET", f"/api/v1/namespaces/istio-system/configmaps/values{suffix}")
    given: Json = json.loads(found["data"]["original-values"])
    return given


@dataclass(frozen=True)
class Canary:
    """Check mode, the upgrade with finalize, and the same again; with what check mode and the last one wrote."""

    checked: Play
    play: Play
    again: Play
    writes: list[Json]


@pytest.fixture(scope="module")
def canary(desk: Desk, meshes: list[Cluster]) -> Canary:
    """The revisioned mesh goes to 1.31.0, and its old release goes."""
    cluster = meshes[0]
    options: Json = {"istio_installer": "helm", "istio_helm": str(desk.lab.helm), "istio_finalize": True}
    options["istio_charts"] = desk.lab.charts_template
    mark = cluster.audit_mark()
    checked = desk.play([cluster], "--check", "--diff", **options)
    writes = cluster.writes_since(mark)
    play = desk.play([cluster], **options)
    mark = cluster.audit_mark()
    again = desk.play([cluster], **options)
    return Canary(checked, play, again, writes + cluster.writes_since(mark))


def test_a_canary_ends_with_the_new_release_alone(canary: Canary, meshes: list[Cluster]) -> None:
    canary.play.require_success()
    assert_sound(meshes[0], NEW_VERSION, NEW_REVISION)
    assert releases(meshes[0]) == {
        "istio-base": (f"base-{NEW_VERSION}", "deployed"),
        f"istiod-{NEW_REVISION}": (f"istiod-{NEW_VERSION}", "deployed"),
    }
    assert not [key for key in objects(meshes[0]) if REVISION in key[2] and not key[2].startswith(STORAGE)]


def test_settings_go_along(canary: Canary, meshes: list[Cluster]) -> None:
    canary.play.require_success()
    assert values(meshes[0], NEW_REVISION) == {
        "meshConfig": {"accessLogFile": "/dev/stdout"},
        "pilot": {"traceSampling": 7},
        "revision": NEW_REVISION,
    }


def test_check_mode_says_what_the_canary_then_does(canary: Canary, meshes: list[Cluster]) -> None:
    canary.checked.require_success()
    said, done = (
        [(one.task, one.result["actions"]) for one in play.ours(meshes[0]) if one.result["changed"]]
        for play in (canary.checked, canary.play)
    )
    assert [one for one in said if "restart" not in one[0].lower()] == [
        one for one in done if "restart" not in one[0].lower()
    ]
    planned, installed = (play.of(meshes[0], "istio_revision")[0] for play in (canary.checked, canary.play))
    assert planned["changes"] == installed["changes"]


def test_the_second_canary_changes_nothing_and_check_mode_never_does(canary: Canary, meshes: list[Cluster]) -> None:
    canary.again.require_success()
    assert canary.again.recap[meshes[0].name]["changed"] == 0
    assert canary.writes == []


def helm(desk: Desk, cluster: Cluster, version: str, **options: Any) -> Json:
    """The module istio_revision on the mesh without a revision, in place."""
    given: Json = {"revision": UNREVISIONED, "version": version, "strategy": "in_place", "installer": "helm"}
    place: Json = {"helm": str(desk.lab.helm), "charts": desk.lab.charts_template}
    return desk.tool(cluster, "istio_revision", **{**given, **place, **options})


@pytest.fixture(scope="module")
def plain(meshes: list[Cluster]) -> Cluster:
    """The mesh without a revision."""
    return meshes[1]


def test_the_wrong_chart_and_the_wrong_installer_are_refused(desk: Desk, plain: Cluster) -> None:
    with no_write(plain):
        other = desk.lab.charts_template.format(version=PATCH_VERSION)
        assert "but version is 1.31.0" in refusal(helm(desk, plain, NEW_VERSION, charts=other), "ParameterError")
        by_istioctl = refusal(helm(desk, plain, NEW_VERSION, installer="istioctl"), "SafetyError")
    assert "was installed by Helm release istiod, not by istioctl: set installer=helm" in by_istioctl


def test_in_place_is_exact_and_pods_can_be_created_throughout(desk: Desk, plain: Cluster) -> None:
    with no_write(plain):
        assert helm(desk, plain, VERSION, check=True)["changes"] == []
        planned = helm(desk, plain, NEW_VERSION, check=True)
    before = objects(plain)
    with Probe(plain, namespaces=("shop",)) as probe:
        result = helm(desk, plain, NEW_VERSION)
    assert "failed" not in result, result.get("msg")
    assert probe.problems == []
    assert len(probe.versions) > 10
    assert injected(plain, "shop").version == NEW_VERSION
    assert result["diff"] == planned["diff"]
    done = {key: change for key, change in changed(before, objects(plain)).items() if not key[2].startswith(STORAGE)}
    assert {(one["kind"], one["namespace"], one["name"]): one["change"] for one in planned["changes"]} == done
    with no_write(plain):
        assert helm(desk, plain, NEW_VERSION)["changed"] is False
    assert values(plain, UNREVISIONED)["pilot"] == {"traceSampling": 7}
    assert_no_orphan(plain)


def kill_half_way(cluster: Cluster, desk: Desk, version: str) -> None:
    """Start helm upgrade, and end it without a chance to tidy up once its record says pending."""
    chart = desk.lab.charts_template.format(version=version) + "/istiod"
    access = ["--kubeconfig", str(cluster.kubeconfig), "--kube-context", cluster.context, "-n", "istio-system"]
    command = [str(desk.lab.helm), "upgrade", "istiod", chart, *access]
    process = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not cluster.items(SECRETS, {"labelSelector": "owner=helm,status=pending-upgrade"}):
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    process.kill()
    process.wait(10)


def test_a_release_that_somebody_elses_helm_left_pending_is_finished_once_its_name_is_given(
    desk: Desk, plain: Cluster
) -> None:
    kill_half_way(plain, desk, PATCH_VERSION)
    assert releases(plain)["istiod"] == (f"istiod-{PATCH_VERSION}", "pending-upgrade")
    planned = helm(desk, plain, PATCH_VERSION, check=True)
    assert [one["name"] for one in planned["changes"] if one["kind"] == "Release"] == ["istiod"]
    # A helm that works on it has that many seconds; after that it cannot be known whether it is dead.
    with no_write(plain):
        refused = helm(desk, plain, PATCH_VERSION, timeout=3)
    assert refused["failure"]["release"]["name"] == "istiod"
    result = helm(desk, plain, PATCH_VERSION, end_pending_releases=["istiod"])
    assert "failed" not in result, result.get("msg")
    assert releases(plain) == {
        "istio-base": (f"base-{PATCH_VERSION}", "deployed"),
        "istiod": (f"istiod-{PATCH_VERSION}", "deployed"),
    }
    with no_write(plain):
        assert helm(desk, plain, PATCH_VERSION)["changed"] is False


def test_helm_does_not_touch_what_istioctl_has_installed(desk: Desk, plain: Cluster) -> None:
    validator = f"{ADMISSION}/validatingwebhookconfigurations/istiod-default-validator"
    plain.install_istio(PATCH_VERSION, "other")
    assert plain.request("GET", validator)["metadata"]["labels"][REV] == "other"
    with no_write(plain):
        message = refusal(helm(desk, plain, PATCH_VERSION, revision="other"), "SafetyError")
        kept = refusal(helm(desk, plain, PATCH_VERSION, revision=UNREVISIONED), "SafetyError")
    assert "Revision other was installed by istioctl, not by helm: set installer=istioctl" in message
    assert "The tag default points at other" in kept
