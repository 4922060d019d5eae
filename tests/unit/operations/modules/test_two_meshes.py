# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two meshes in one cluster: objects of the other mesh with the same names are not checked, needed or removed (F9)."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_rows import describe_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import namespaces_selecting_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL as COMPONENT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    OWNER_NAMESPACE_LABEL as OWNER_NAMESPACE,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    RELEASE_NAMESPACE_ANNOTATION as RELEASE_NAMESPACE,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.configuration_blockers import (
    configuration_blockers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.name_blockers import name_blockers
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import (
    read_owned_object,
    split_by_mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import handover
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import (
    istio_info,
    istio_precheck,
    istio_tag,
)
from unit.support import builders as b
from unit.support.checking import HEALTHY, UPGRADE, of
from unit.support.fake_api import FakeApi
from unit.support.removal import MOVED, OF_OLD, Remover
from unit.support.running import task

TWO = "istio-two"
#: Mesh two has a revision of a name of its own, with a namespace that follows it.
OTHERS = [
    *b.in_mesh(TWO, b.plane("two", "1.29.2")),
    b.namespace(TWO),
    b.namespace("foreign", {REV: "two"}),
    *(
        obj if obj["kind"] != "Pod" else b.pod("web-abc-0", "foreign", revision="two", home=TWO)
        for obj in b.deployed("web", "foreign")
    ),
]
#: The same with the name of a revision of ours; the API server gives its namespaces to whom its webhooks name.
NAMESAKES = [
    *b.in_mesh(TWO, b.plane(b.OLD)),
    b.namespace(TWO),
    *b.deployed("web", "foreign", revision=None, pods=0),
    b.namespace("foreign", {REV: b.OLD}),
    b.pod("web-abc-0", "foreign", home=TWO, owner=("ReplicaSet", "web-abc")),
]


@pytest.mark.parametrize("upgrade", [UPGRADE, Upgrade("canary", None, b.NEW, b.OLD, AFTER)], ids=["before", "after"])
def test_the_gate_of_one_mesh_reports_only_that_the_other_exists(upgrade: Upgrade) -> None:
    alone = {(one.code, one.object) for one in run_checks(b.snapshot_of(HEALTHY, proxies=()), upgrade)}
    both = {(one.code, one.object) for one in run_checks(b.snapshot_of([*HEALTHY, *OTHERS], proxies=()), upgrade)}
    expected = {("MU063", f"namespace {TWO}")} if upgrade is UPGRADE else set()
    assert both - alone == expected
    assert alone <= both


def test_a_clash_of_names_is_reported() -> None:
    [row] = of("MU063", [*HEALTHY, *NAMESAKES])
    assert "Both meshes own 1-30-3" in row.message
    assert "MU016" not in {one.code for one in run_checks(b.snapshot_of([*HEALTHY, *NAMESAKES]), UPGRADE)}


def test_the_whole_gate_reads_and_checks_one_mesh() -> None:
    with FakeApi(*HEALTHY, *OTHERS) as api:
        result = task(api, istio_precheck.CORE, version=b.NEW_VERSION, revision=b.NEW, source_revision=b.OLD)
        info = task(api, istio_info.CORE)
    assert not result.get("failed"), result["msg"]
    assert result["proxies"] == info["proxies"] == {b.OLD: {b.OLD_VERSION: 1}}
    assert [row["revision"] for row in info["control_planes"]] == [b.OLD]
    assert [row["name"] for row in info["namespaces"] if row["proxies"]] == ["shop"]
    assert info["default"]["other_mesh"] is None


@pytest.fixture
def remover(tmp_path: Path) -> Iterator[Remover]:
    """Mesh one has left the old revision; mesh two has a revision of the same name, which is in use."""
    with FakeApi(*MOVED, *b.deployed(revision=b.NEW), *NAMESAKES) as api:
        yield Remover(api, tmp_path)


def objects_of_mesh_two(api: FakeApi) -> list[str]:
    """The objects of mesh two."""
    return sorted(
        obj["kind"]
        for obj in api.objects
        if TWO in (obj["metadata"].get("namespace"), obj["metadata"]["name"]) or obj["metadata"]["name"].endswith(TWO)
    )


def test_a_removal_neither_deletes_nor_needs_objects_of_a_namesake(remover: Remover) -> None:
    before = objects_of_mesh_two(remover.api)
    planned = remover.run(check_mode=True)
    result = remover.run()
    assert result["changed"], result
    assert (result["actions"], result["diff"]) == (planned["actions"], planned["diff"])
    assert result["diff"]["before"]["objects"] == dict.fromkeys(OF_OLD, "present")
    assert objects_of_mesh_two(remover.api) == before
    # istioctl would take the other one too
    assert remover.commands == []
    assert remover.run()["changed"] is False


@pytest.mark.parametrize(
    ("namespace", "named"),
    [
        pytest.param("foreign", None, id="a namespace that the other mesh injects"),
        pytest.param(TWO, None, id="the namespace of the other mesh"),
        pytest.param("shop", False, id="a namespace of ours"),
        pytest.param("plain", True, id="a namespace without a label"),
        pytest.param("", True, id="the whole cluster"),
        pytest.param(b.SYSTEM, True, id="our root namespace"),
    ],
)
def test_configuration_of_a_namesake_is_not_a_blocker(namespace: str, named: bool | None) -> None:
    rule = b.configuration("AuthorizationPolicy", "deny", namespace)
    snapshot = b.snapshot_of([*MOVED, *NAMESAKES, b.namespace("plain"), rule])
    found = configuration_blockers(snapshot, b.OLD, snapshot.precheck_inputs.configuration)
    assert len(found) == (named is not None)
    for blocker in found:
        assert (f"the mesh of namespace {TWO}" in blocker.message) is named
        assert (f"meant for the mesh of namespace {TWO}, leave it as it is" in blocker.remedy) is named
        assert "remove its label istio.io/rev" in blocker.remedy


def test_a_namespace_that_the_other_default_injects_is_not_one_of_this_mesh() -> None:
    """R11b: both meshes own istio-injection=enabled, and the webhook of the other one is called last."""
    other = b.in_mesh(TWO, [*b.plane("default", parked=True), *b.revision_tag("default", "default")])
    team = [b.namespace("team", {INJECTION: "enabled"}), b.pod("web", "team", revision="default", home=TWO)]
    snapshot = b.snapshot_of([*HEALTHY, *other, *team])
    assert [row["name"] for row in describe_namespaces(snapshot)] == ["shop"]
    assert namespaces_selecting_tag(snapshot, "default") == []


def test_a_tag_of_both_meshes_is_removed_and_not_moved() -> None:
    both = [*MOVED, *b.revision_tag("prod", b.OLD), *b.in_mesh(TWO, [*b.plane("two"), *b.revision_tag("prod", "two")])]
    [blocker] = [found for found in name_blockers(b.snapshot_of(both), b.OLD) if found.code == "tag"]
    assert f"the mesh of namespace {TWO} owns prod too, and istioctl cannot distinguish them" in blocker.remedy
    assert blocker.remedy.endswith("istio_tag name=prod state=absent")


def test_a_removal_is_not_refused_by_configuration_of_a_namesake(remover: Remover) -> None:
    remover.api.objects.append(json.loads(json.dumps(b.configuration("AuthorizationPolicy", "deny", "foreign"))))
    assert remover.run(check_mode=True)["changed"]


def test_without_a_namesake_the_installer_removes(remover: Remover) -> None:
    remover.api.objects = json.loads(json.dumps([*MOVED, *b.deployed(revision=b.NEW), *OTHERS]))
    assert remover.run()["changed"]
    assert remover.commands == ["uninstall"]


def obj(kind: str, name: str, namespace: str = "", component: str = "Pilot", **marks: str) -> b.Json:
    """An object with the label of a revision."""
    notes = {RELEASE_NAMESPACE: marks.pop("release")} if "release" in marks else {}
    labels = {REV: b.OLD, COMPONENT: component, **({OWNER_NAMESPACE: marks["owner"]} if marks else {})}
    return {"kind": kind, "metadata": b.meta(name, namespace, labels, notes)}


FOREIGN_WEBHOOK = b.in_mesh(TWO, [b.injector(b.OLD)])[0]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(obj("ClusterRole", "istiod", owner=b.SYSTEM), True, id="by the label of its owner"),
        pytest.param(obj("ClusterRole", "istiod", owner=TWO), False, id="by the label of another owner"),
        pytest.param(obj("ClusterRole", "istiod", release=TWO), False, id="by the release of another mesh"),
        pytest.param(obj("ClusterRole", f"istiod-{b.SYSTEM}"), True, id="by its name"),
        pytest.param(obj("ClusterRole", f"istiod-{TWO}"), False, id="by the name of another"),
        pytest.param(obj("ConfigMap", "values", b.SYSTEM), True, id="by its place"),
        pytest.param(obj("ConfigMap", "values", TWO), False, id="by another place"),
        pytest.param(obj("Deployment", "in", "ingress", "IngressGateways"), True, id="a gateway anywhere"),
        pytest.param(obj("Deployment", "in", TWO, "IngressGateways"), False, id="a gateway beside the other mesh"),
        pytest.param(
            obj("Deployment", "in", "ingress", "IngressGateways", owner=TWO), False, id="its gateway elsewhere"
        ),
        pytest.param(obj("Deployment", "in", TWO, "IngressGateways", owner=b.SYSTEM), True, id="ours beside it"),
    ],
)
def test_which_mesh_an_object_belongs_to(raw: b.Json, expected: bool) -> None:
    both = [owned for each in (raw, FOREIGN_WEBHOOK) if (owned := read_owned_object(each["kind"], each))]
    of_mesh, others = split_by_mesh(both, b.SYSTEM)
    assert (both[0] in of_mesh, both[0] in others) == (expected, not expected)
    assert both[1] in others


def test_an_istiod_in_another_namespace_belongs_to_another_mesh_without_a_mark() -> None:
    raw = b.in_mesh(TWO, [b.istiod(b.OLD)])[0]
    alone = read_owned_object("Deployment", raw)
    assert alone
    assert split_by_mesh([alone], b.SYSTEM) == ([], [alone])


def test_pods_of_the_other_mesh_are_neither_stale_nor_restarted() -> None:
    """The last webhook by name injects, here that of mesh two."""
    snapshot = b.snapshot_of([*MOVED, *b.deployed(revision=b.NEW), *NAMESAKES])
    assert snapshot.namespaces_selecting(b.OLD) == {}
    assert snapshot.injection_of("foreign").other_mesh == TWO
    assert snapshot.count_proxies() == {b.NEW: {b.NEW_VERSION: 1}}
    assert not [pod for pod, proxy_status in snapshot.proxy_statuses if pod.namespace == "foreign"]


def test_a_pod_of_the_other_mesh_in_a_namespace_of_this_mesh_is_stale() -> None:
    moved = [*MOVED, *b.in_mesh(TWO, b.plane("two")), b.pod("old", revision=b.NEW, home=TWO, owner=None)]
    [(dummy, proxy_status)] = b.snapshot_of(moved).proxy_statuses
    assert proxy_status.condition.value == "stale_revision"


@pytest.mark.parametrize(
    ("address", "home"),
    [
        ("istiod-1-30-3.istio-two.svc:15012", TWO),
        ("istiod.istio-two.svc.cluster.local:15012", TWO),
        ("istiod.example.com:15012", ""),
        ("10.0.0.1:15012", ""),
    ],
)
def test_which_istiod_a_proxy_connects_to(address: str, home: str) -> None:
    raw = b.pod()
    config = json.dumps({"discoveryAddress": address, "tracing": {}}, separators=(",", ":"))
    raw["spec"]["initContainers"][0]["env"] = [{"name": "PROXY_CONFIG", "value": config}]
    assert read_pod(raw).home == home


def test_a_namespace_that_follows_the_default_of_the_other_mesh_does_not_dangle() -> None:
    others = b.in_mesh(TWO, [*b.plane("two"), b.injector("two", tag="default")])
    objects = [*b.plane(b.OLD), *b.namespaces(shop=b.OLD), *others, b.namespace("on", {INJECTION: "enabled"})]
    assert of("MU010", objects) == []
    assert of("MU010", [obj for obj in objects if not obj["metadata"]["name"].endswith(TWO)]) != []


def tags(api: FakeApi, folder: Path, **options: t.Any) -> b.Json:
    """The result of a task of istio_tag."""
    for version in (b.OLD_VERSION, b.NEW_VERSION):
        api.istioctl(folder, version)
    return task(api, istio_tag.CORE, istioctl=str(folder / "istioctl-{version}"), **options)


@pytest.mark.parametrize(
    ("others", "name", "message"),
    [
        pytest.param(b.plane(b.NEW), "prod", "has a revision 1-31-0 too", id="a revision of the same name"),
        pytest.param(b.revision_tag("prod", "two"), "prod", "has a tag prod too", id="a tag of the same name"),
        pytest.param(b.plane("default"), "default", "has a revision default too", id="its default without a tag"),
    ],
)
def test_names_that_istioctl_cannot_distinguish_are_refused(
    others: list[b.Json], name: str, message: str, tmp_path: Path
) -> None:
    with FakeApi(*b.two_planes(), *b.namespaces(), *b.in_mesh(TWO, others)) as api:
        result = tags(api, tmp_path, name=name, revision=b.NEW)
        assert message in result["msg"]
        assert f"the mesh of namespace {TWO}" in result["msg"]
        assert not api.writes()


def test_a_tag_is_removed_without_its_namesake(tmp_path: Path) -> None:
    with FakeApi(*b.two_planes(), *b.namespaces(), *b.in_mesh(TWO, b.revision_tag("prod", "two"))) as api:
        before = objects_of_mesh_two(api)
        assert tags(api, tmp_path, name="prod", state="absent")["changed"]
        assert "prod" not in b.mesh_of(api.objects).tags
        assert objects_of_mesh_two(api) == before


def test_shared_components_of_the_other_mesh_are_not_handed_over() -> None:
    gateway = obj("Deployment", "in", "ingress", "IngressGateways", owner=TWO)
    with FakeApi({**b.workload("Deployment", "in", "ingress"), "metadata": gateway["metadata"]}) as api:
        assert handover.read_owned_components(api.client(), b.SYSTEM, [b.OLD]) == {}
