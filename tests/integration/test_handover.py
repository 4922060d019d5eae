# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of profile default with CNI: its gateway and CNI are handed over before the old revision goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import assert_no_orphan, assert_one_default
from integration.objects import REV, changed, objects, pods
from integration.safety import container, no_write, refusal
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
SYSTEM = "istio-system"
GATEWAY = f"Deployment {SYSTEM}/istio-ingressgateway"
CNI = f"DaemonSet {SYSTEM}/istio-cni-node"
SETTINGS = (
    "components.cni.enabled=true",
    "values.gateways.istio-ingressgateway.serviceAnnotations.team=edge",
    "values.gateways.istio-ingressgateway.autoscaleMin=2",
)
FOLLOWERS = {"shop": {REV: REVISION}, "tools": {REV: "prod"}, "edge": {}, "plain": {}}


def follower(namespace: str, **own: str) -> list[Json]:
    """A namespace with a Deployment, which ask for a proxy by the one's labels or the other's."""
    labels = {"app": "web", **own}
    spec = {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": labels}, "spec": container()},
    }
    metadata = {"name": namespace, "labels": FOLLOWERS[namespace]}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": spec,
        },
    ]


@pytest.fixture(scope="module")
def mesh(desk: Desk) -> Cluster:
    """Istio 1.30.3 with gateway and CNI, and pods that follow it in every way."""
    cluster, desk.state = desk.lab.clusters[1], ""
    cluster.reset()
    cluster.install_istio(VERSION, REVISION, profile="default", sets=SETTINGS)
    cluster.istioctl(VERSION, "tag", "set", "prod", "--revision", REVISION, "-y")
    cluster.apply(
        [
            *follower("shop"),
            *follower("tools"),
            *follower("edge", **{"sidecar.istio.io/inject": "true"}),
            *follower("plain", **{REV: "prod"}),
        ]
    )
    cluster.wait_ready()
    return cluster


@dataclass(frozen=True)
class Story:
    """Finalize without the variable, in check mode, for real, and again."""

    cluster: Cluster
    refused: Play
    checked: Play
    writes: list[Json]
    real: Play
    before: dict[Any, Json]
    after: dict[Any, Json]
    again: Play


@pytest.fixture(scope="module")
def story(desk: Desk, mesh: Cluster) -> Story:
    """Run the story."""
    mark = mesh.audit_mark()
    checked = desk.play([mesh], "--check", "--diff", istio_finalize=True, istio_adopt_shared_components=True)
    writes = mesh.writes_since(mark)
    refused = desk.play([mesh], istio_finalize=True)
    mesh.wait_ready()
    before = objects(mesh)
    real = desk.play([mesh], "--diff", istio_finalize=True, istio_adopt_shared_components=True)
    mesh.wait_ready()
    after = objects(mesh)
    again = desk.play([mesh], istio_finalize=True)
    return Story(mesh, refused, checked, writes, real, before, after, again)


def test_without_the_variable_the_remedy_names_it(story: Story) -> None:
    assert story.refused.returncode != 0
    result = story.refused.of(story.cluster, "istio_revision")[-1]
    assert "variable istio_adopt_shared_components" in result["msg"]
    assert {(one["code"], one["object"]) for one in result["failure"]["blockers"]} == {
        ("shared_component", GATEWAY),
        ("shared_component", CNI),
    }


def test_check_mode_tells_the_whole_way(story: Story) -> None:
    story.checked.require_success()
    assert story.writes == []
    results = story.checked.of(story.cluster, "istio_revision")
    handover = next(one for one in results if one.get("taken_over") and one["changed"])
    assert f"take over {GATEWAY} from {REVISION}" in handover["actions"][0]
    assert {GATEWAY, CNI} < set(handover["taken_over"])
    assert set(handover["taken_over"]) == set(handover["diff"]["after"]["objects"])
    assert results[-1]["actions"] == [f"remove revision {REVISION} ({VERSION})"]


def test_the_gateway_serves_with_the_new_proxy_and_the_old_revision_is_gone(story: Story) -> None:
    story.real.require_success()
    running = {key[1].rsplit("-", 2)[0]: pod for key, pod in pods(story.cluster, [SYSTEM]).items()}
    assert (running["istio-ingressgateway"].version, running["istio-ingressgateway"].annotated) == (
        NEW_VERSION,
        NEW_REVISION,
    )
    assert running["istio-ingressgateway"].ready
    assert not [name for name in running if REVISION in name]
    left = {key for key, one in story.after.items() if one["metadata"].get("labels", {}).get(REV) == REVISION}
    assert {kind for kind, *dummy in left} <= {"CustomResourceDefinition"}
    assert_one_default(story.cluster, NEW_REVISION)
    assert_no_orphan(story.cluster)


def test_nothing_of_the_gateway_was_lost(story: Story) -> None:
    service = story.after["Service", SYSTEM, "istio-ingressgateway"]
    assert service["metadata"]["annotations"]["team"] == "edge"
    assert service["spec"] == story.before["Service", SYSTEM, "istio-ingressgateway"]["spec"]
    assert story.after["HorizontalPodAutoscaler", SYSTEM, "istio-ingressgateway"]["spec"]["minReplicas"] == 2
    config = story.after["ConfigMap", SYSTEM, f"values-{NEW_REVISION}"]["data"]["original-values"]
    assert '"cni": {' in config, "proxies of the new revision use the CNI from the start"


def test_everybody_follows_also_by_the_labels_of_pods(story: Story) -> None:
    found = {key[0]: pod for key, pod in pods(story.cluster, FOLLOWERS).items()}
    assert {name: pod.version for name, pod in found.items()} == dict.fromkeys(FOLLOWERS, NEW_VERSION)


def test_the_diff_lists_all_that_was_deleted(story: Story) -> None:
    real = changed(story.before, story.after)
    deleted = {
        f"{kind} {space}/{name}" if space else f"{kind} {name}"
        for (kind, space, name), what in real.items()
        if what == "delete"
    }
    retired = story.real.of(story.cluster, "istio_revision")[-1]
    assert set(retired["diff"]["before"]["objects"]) == deleted


def test_a_second_run_changes_nothing_although_nobody_names_the_gateway(desk: Desk, story: Story) -> None:
    story.again.require_success()
    assert story.again.recap[story.cluster.name]["changed"] == 0


def test_an_install_never_takes_it_back_by_the_way(desk: Desk, story: Story) -> None:
    with no_write(story.cluster):
        result = desk.tool(story.cluster, "istio_revision", revision="1-31-1", version="1.31.1", profile="default")
    assert f"would also take ownership of {GATEWAY} from revision {NEW_REVISION}" in refusal(result, "SafetyError")


def test_settings_that_no_value_holds_stop_a_handover(desk: Desk, story: Story) -> None:
    cluster = story.cluster
    overlay = ["components.ingressGateways[0].name=istio-ingressgateway", "components.ingressGateways[0].enabled=true"]
    node = "components.ingressGateways[0].k8s.nodeSelector.disk=fast"
    sets = [*SETTINGS[:1], *overlay, node, "values.gateways.istio-ingressgateway.serviceAnnotations.team=edge"]
    cluster.install_istio(NEW_VERSION, NEW_REVISION, profile="default", sets=sets, timeout="5s", check=False)
    given: dict[str, Any] = {"revision": "1-31-1", "version": "1.31.1"}
    assert desk.tool(cluster, "istio_revision", **given)["changed"]
    with no_write(cluster):
        lost = desk.tool(cluster, "istio_revision", adopt_shared_components=True, check=True, **given)
    assert f"{GATEWAY} spec.template.spec.nodeSelector.disk: 'fast' -> None" in refusal(lost, "SafetyError")
    k8s = {"ingressGateways": [{"name": "istio-ingressgateway", "k8s": {"nodeSelector": {"disk": "fast"}}}]}
    kept = desk.tool(cluster, "istio_revision", adopt_shared_components=True, check=True, components=k8s, **given)
    assert GATEWAY in kept["taken_over"], kept
    assert desk.tool(
        cluster, "istio_revision", adopt_shared_components=True, check=True, allow_setting_changes=[GATEWAY], **given
    )["changed"]
