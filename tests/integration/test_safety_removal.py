# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A revision or tag goes only when nothing needs it any more (safety rule S4)."""

from __future__ import annotations

from typing import Any

import pytest

from integration.objects import INJECTION, REV, labels, pods
from integration.safety import container, no_write, refusal
from integration.support import REVISION, VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab


def test_a_revision_in_use_stays_and_every_blocker_is_named(desk: Desk, calm: Cluster) -> None:
    with no_write(calm):
        result = desk.tool(calm, "istio_revision", revision=REVISION, state="absent")
    message = refusal(result, "SafetyError")
    assert f"Revision {REVISION} on cluster {calm.name} is still needed and was not removed" in message
    found = {(one["code"], one["object"]) for one in result["failure"]["blockers"]}
    assert {one for one in found if one[0] != "live_proxy"} == {
        ("tag", "tag default"),
        ("tag", "tag prod"),
        ("default_validator", "istiod-default-validator"),
        *(("namespace", f"namespace {name}") for name, own in labels(calm).items() if {REV, INJECTION} & set(own)),
    }
    assert {("live_proxy", "Job batch/reindex"), ("live_proxy", "Pod batch/migration-shell")} < found
    assert all(one["remedy"] and one["message"] for one in result["failure"]["blockers"])


@pytest.fixture
def spare(desk: Desk, meshes: list[Cluster]) -> str:
    """A revision that nothing needs, for one blocker at a time."""
    result = desk.tool(meshes[0], "istio_revision", revision="spare", version=VERSION)
    assert not result.get("failed"), result
    return "spare"


def namespace(**own: str) -> Json:
    """The namespace of what uses the spare revision."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "spare-user", "labels": own}}


def sleeper(replicas: int) -> Json:
    """A Deployment whose pods ask for the spare revision by their own label."""
    own = {"app": "sleeper"}
    template = {"metadata": {"labels": {**own, REV: "spare"}}, "spec": container()}
    spec = {"replicas": replicas, "selector": {"matchLabels": own}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "sleeper", "namespace": "spare-user"},
        "spec": spec,
    }


def bare_pod() -> Json:
    """A pod without an owner."""
    metadata = {"name": "alone", "namespace": "spare-user"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": container()}


def unlabel(cluster: Cluster) -> None:
    """Take the namespace out of the mesh; its pods keep their proxies."""
    patch = {"metadata": {"labels": {REV: None}}}
    cluster.request("PATCH", "/api/v1/namespaces/spare-user", patch, content_type="application/merge-patch+json")


def use(desk: Desk, cluster: Cluster, kind: str) -> None:
    """Need the spare revision in exactly one way."""
    if kind == "tag":
        cluster.istioctl(VERSION, "tag", "set", "experiment", "--revision", "spare", "-y")
    elif kind == "default":
        assert desk.tool(cluster, "istio_tag", name="default", revision="spare")["changed"]
    elif kind == "pod label":
        cluster.apply([namespace(), sleeper(0)])
    elif kind == "namespace":
        cluster.apply([namespace(**{REV: "spare"})])
    else:
        cluster.apply([namespace(**{REV: "spare"}), bare_pod()])
        unlabel(cluster)


def let_go(desk: Desk, cluster: Cluster, kind: str) -> None:
    """Need it no more."""
    if kind == "tag":
        assert desk.tool(cluster, "istio_tag", name="experiment", state="absent")["changed"]
    elif kind == "default":
        assert desk.tool(cluster, "istio_tag", name="default", revision=REVISION)["changed"]
    else:
        at_once = {"gracePeriodSeconds": "0"}
        cluster.delete("/apis/apps/v1/namespaces/spare-user/deployments/sleeper")
        cluster.delete("/api/v1/namespaces/spare-user/pods/alone", at_once)
        unlabel(cluster)


@pytest.mark.parametrize(
    ("kind", "blockers"),
    [
        ("namespace", {("namespace", "namespace spare-user")}),
        ("tag", {("tag", "tag experiment")}),
        ("pod label", {("selects_revision", "Deployment spare-user/sleeper")}),
        ("live proxy", {("live_proxy", "Pod spare-user/alone")}),
        ("default", {("tag", "tag default"), ("default_validator", "istiod-default-validator"),
                     ("namespace", "namespace catalog")}),
    ],
)  # fmt: skip
def test_each_use_alone_keeps_a_revision(
    desk: Desk, calm: Cluster, spare: str, kind: str, blockers: set[tuple[str, str]]
) -> None:
    use(desk, calm, kind)
    try:
        with no_write(calm):
            result = desk.tool(calm, "istio_revision", revision=spare, state="absent")
    finally:
        let_go(desk, calm, kind)
    refusal(result, "SafetyError")
    assert {(one["code"], one["object"]) for one in result["failure"]["blockers"]} == blockers


def test_an_unused_revision_goes(desk: Desk, meshes: list[Cluster], spare: str) -> None:
    cluster = meshes[0]
    running = {key: pod for key, pod in pods(cluster).items() if not key[1].startswith(f"istiod-{spare}-")}
    assert desk.tool(cluster, "istio_revision", revision=spare, state="absent")["changed"]
    assert desk.tool(cluster, "istio_revision", revision=spare, state="absent")["changed"] is False
    assert [one["revision"] for one in desk.tool(cluster, "istio_info")["control_planes"]] == [REVISION]
    assert pods(cluster) == running


def test_a_tag_that_is_followed_is_not_removed(desk: Desk, calm: Cluster) -> None:
    with no_write(calm):
        named = desk.tool(calm, "istio_tag", name="prod", state="absent")
        default = desk.tool(calm, "istio_tag", name="default", state="absent")
    assert "Tag prod is in use by namespace reports" in refusal(named, "SafetyError")
    assert "Tag default is in use by namespace catalog" in refusal(default, "SafetyError")
