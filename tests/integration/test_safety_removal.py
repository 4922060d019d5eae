# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A revision or tag goes only when nothing needs it any more (safety rule S4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.removal import terminating_proxies
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import remove_revision
from integration.meshes import ADMISSION, MERGE
from integration.objects import INJECTION, REV, Key, changed, labels, objects, pods
from integration.safety import container, no_write, refusal, until
from integration.support import REVISION, VERSION, Desk
from integration.uses import BY_REVISION, SPARE, USER, USES, Use, of_pods, used
from lab import Cluster

Json = dict[str, Any]
JOURNAL = "meshops.istio/journal"
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
    """A revision that nothing needs."""
    if SPARE not in planes(meshes[0]):
        install(desk, meshes[0])
    return SPARE


@pytest.fixture
def leaving(meshes: list[Cluster], spare: str) -> Iterator[Cluster]:
    """The cluster that the spare revision is removed from; every other pod stays as it is."""
    cluster = meshes[0]
    running = {key: pod for key, pod in pods(cluster).items() if not key[1].startswith(f"istiod-{spare}-")}
    yield cluster
    assert pods(cluster) == running


def install(desk: Desk, cluster: Cluster, **values: Json) -> None:
    """Bring the spare revision up."""
    result = desk.tool(cluster, "istio_revision", revision=SPARE, version=VERSION, values=values)
    assert not result.get("failed"), result


def planes(cluster: Cluster) -> set[str]:
    """Revisions with an istiod."""
    found = cluster.items("/apis/apps/v1/namespaces/istio-system/deployments", {"labelSelector": "app=istiod"})
    return {one["metadata"]["labels"][REV] for one in found}


def remove(desk: Desk, cluster: Cluster, **options: Any) -> Json:
    """Remove the spare revision, or try to."""
    return desk.tool(cluster, "istio_revision", revision=SPARE, state="absent", **options)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_each_use_alone_keeps_a_revision(desk: Desk, calm: Cluster, spare: str, use: Use) -> None:
    with used(desk, calm, use), no_write(calm):
        result = remove(desk, calm)
    refusal(result, "SafetyError")
    assert {(one["code"], one["object"]) for one in result["failure"]["blockers"]} == use.blockers


def test_f6_a_pod_on_its_way_out_keeps_a_revision(
    desk: Desk, calm: Cluster, spare: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finalizer holds it as a dead node would."""
    monkeypatch.setattr(terminating_proxies, "OVERDUE", 0)
    monkeypatch.setattr(remove_revision, "OVERDUE", 0)
    held = of_pods("Pod", "held", **container())
    held["metadata"]["finalizers"] = ["lab.meshops.dev/stay"]
    path = f"/api/v1/namespaces/{USER}/pods/held"
    with used(desk, calm, Use(set(), (held,), BY_REVISION, live=True)):
        until(lambda: pods(calm, [USER]))
        calm.delete(path)
        until(lambda: calm.request("GET", path)["metadata"].get("deletionGracePeriodSeconds") == 0)
        try:
            with no_write(calm):
                [blocker] = remove(desk, calm)["failure"]["blockers"]
        finally:
            calm.request("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)
    assert (blocker["code"], blocker["object"]) == ("terminating_proxy", f"Pod {USER}/held")
    assert blocker["remedy"].startswith("it had to be gone at ")


def test_only_the_codes_that_are_named_are_overridden(desk: Desk, calm: Cluster, spare: str) -> None:
    with used(desk, calm, USES["istio-injection"]), no_write(calm):
        result = remove(desk, calm, allow_blockers=["tag", "namespace"])
        planned = remove(desk, calm, check=True, allow_blockers=["tag", "namespace", "default_validator"])
    refusal(result, "SafetyError")
    assert [one["code"] for one in result["failure"]["blockers"]] == ["default_validator"]
    assert len(planned["warnings"]) == len({one["code"] for one in planned["overridden"]}) == 3


def without_journal(item: Json) -> Json:
    """An object without what it remembers of runs."""
    notes = {key: value for key, value in item["metadata"].get("annotations", {}).items() if key != JOURNAL}
    return {**item, "metadata": {**item["metadata"], "annotations": notes}}


def gone(before: dict[Key, Json], after: dict[Key, Json]) -> set[str]:
    """The objects that were deleted between two readings; only journals of the removed revision may change beside."""
    found = changed(*({key: without_journal(item) for key, item in each.items()} for each in (before, after)))
    assert set(found.values()) <= {"delete"}, found
    return {f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}" for kind, namespace, name in found}


def test_everything_that_would_dangle_goes_and_check_mode_lists_it(desk: Desk, leaving: Cluster) -> None:
    # a tag that tag set made, and a kind that istioctl never removes
    install(desk, leaving, **{"global": {"networkPolicy": {"enabled": True}}})
    leaving.istioctl(VERSION, "tag", "set", "experiment", "--revision", SPARE, "-y")
    planned = remove(desk, leaving, check=True, allow_blockers=["tag"])
    before = objects(leaving)
    result = remove(desk, leaving, allow_blockers=["tag"])
    assert (result["actions"], result["diff"]) == (planned["actions"], planned["diff"])
    assert result["diff"]["after"]["objects"] == {}
    assert gone(before, objects(leaving)) == set(result["diff"]["before"]["objects"])
    assert {one[2] for one in objects(leaving) if SPARE in one[2] or "experiment" in one[2]} == set()
    with no_write(leaving):
        assert remove(desk, leaving)["changed"] is False


@pytest.fixture
def namesake(leaving: Cluster) -> Iterator[str]:
    """Another mesh in the cluster, with a revision of the same name; istioctl installs none beside the other one."""
    space = "istio-two"
    flags = ("--revision", SPARE, "--set", "profile=minimal", "--set", f"values.global.istioNamespace={space}")
    rendered = leaving.istioctl(VERSION, "manifest", "generate", *flags).stdout
    documents = [one for one in yaml.safe_load_all(rendered) if one and one["kind"] != "CustomResourceDefinition"]
    leaving.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}, *documents])
    yield space
    for one in documents:
        leaving.delete(leaving.path(one))
    leaving.delete(f"/api/v1/namespaces/{space}")
    until(lambda: space not in labels(leaving), seconds=60)


def test_f9_a_revision_of_another_mesh_with_the_same_name_stays(desk: Desk, leaving: Cluster, namesake: str) -> None:
    planned = remove(desk, leaving, check=True)
    before = objects(leaving)
    result = remove(desk, leaving)
    assert (result["actions"], result["diff"]) == (planned["actions"], planned["diff"])
    # istiod of the other mesh may write to its own objects meanwhile
    after = objects(leaving)
    theirs = {key for key in before if namesake in key[1:] or key[2].endswith(namesake)}
    assert ("Deployment", namesake, f"istiod-{SPARE}") in theirs
    assert theirs <= set(after)
    removed = {
        f"{kind} {space}/{name}" if space else f"{kind} {name}" for kind, space, name in set(before) - set(after)
    }
    assert removed == set(result["diff"]["before"]["objects"])


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(("deployments", "services"), id="the Deployment and the Service are gone"),
        pytest.param(("mutatingwebhookconfigurations",), id="the webhook is gone, so istioctl does not know the rest"),
    ],
)
def test_a_removal_that_was_killed_is_finished(desk: Desk, leaving: Cluster, broken: tuple[str, ...]) -> None:
    paths = {
        "deployments": f"/apis/apps/v1/namespaces/istio-system/deployments/istiod-{SPARE}",
        "services": f"/api/v1/namespaces/istio-system/services/istiod-{SPARE}",
        "mutatingwebhookconfigurations": f"{ADMISSION}/mutatingwebhookconfigurations/istio-sidecar-injector-{SPARE}",
    }
    for resource in broken:
        leaving.request("DELETE", paths[resource])
    before = objects(leaving)
    result = remove(desk, leaving)
    assert result["changed"], result
    assert gone(before, objects(leaving)) == set(result["diff"]["before"]["objects"])
    assert {one[2] for one in objects(leaving) if SPARE in one[2]} == set()
    assert remove(desk, leaving)["changed"] is False
    assert [one["revision"] for one in desk.tool(leaving, "istio_info")["control_planes"]] == [REVISION]


def test_an_unknown_blocker_is_refused_in_one_sentence(desk: Desk) -> None:
    message = refusal(remove(desk, desk.lab.clusters[0], allow_blockers=["everything"]), "ParameterError")
    assert message.startswith("Parameter allow_blockers: unknown blocker everything; known are tag, namespace,")


def test_a_tag_that_is_followed_is_not_removed(desk: Desk, calm: Cluster) -> None:
    with no_write(calm):
        named = desk.tool(calm, "istio_tag", name="prod", state="absent")
        default = desk.tool(calm, "istio_tag", name="default", state="absent")
    assert "Tag prod is in use by namespace reports" in refusal(named, "SafetyError")
    assert "Tag default is in use by namespace catalog" in refusal(default, "SafetyError")
