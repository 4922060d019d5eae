# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retiring a revision: what refuses it, what goes with it, and what an interrupted removal has left (S4, S12)."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL as COMPONENT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import (
    OwnedObject,
    read_owned_object,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import RemovalOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.remove_revision import (
    read_owned_objects,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.removal import MOVED, OF_OLD, Remover

PROD = (
    "remove MutatingWebhookConfiguration istio-revision-tag-prod of tag prod",
    "remove Service istio-system/istiod-revision-tag-prod of tag prod",
)


def owned_by_revision(run: TaskContext, mesh: Mesh) -> list[OwnedObject]:
    """Return the objects that a removal would delete."""
    return read_owned_objects(run, RemovalOptions.from_params(run.params), mesh)[0]


@pytest.fixture
def remover(tmp_path: Path) -> Iterator[Remover]:
    """A cluster on which everything has moved to the new revision."""
    with FakeApi(*MOVED, *b.deployed(revision=b.NEW)) as api:
        yield Remover(api, tmp_path)


def test_s4_a_revision_that_nothing_needs_is_retired(remover: Remover) -> None:
    result = remover.run()
    assert result["actions"] == ["remove revision 1-30-3 (1.30.3)"]
    assert result["diff"]["before"]["objects"] == dict.fromkeys(OF_OLD, "present")
    assert result["diff"]["after"] == {"control_planes": {b.NEW: "1.31.0"}, "objects": {}}
    assert (remover.commands, result["overridden"], result.get("warnings")) == (["uninstall"], [], None)
    assert remover.run()["changed"] is False
    assert remover.commands == ["uninstall"]


def test_s4_a_revision_in_use_is_kept_and_every_blocker_is_listed(remover: Remover) -> None:
    shared = b.workload("DaemonSet", "istio-cni-node", b.SYSTEM)
    shared["metadata"]["labels"] = {REV: b.OLD, COMPONENT: "Cni"}
    used = [*b.two_planes(), *b.namespaces(shop=b.OLD), *b.deployed(revision=b.OLD), shared]
    result = remover.run(*used)
    codes = [blocker["code"] for blocker in result["failure"]["blockers"]]
    assert codes == ["tag", "tag", "namespace", "default_validator", "live_proxy", "shared_component"]
    assert "is still needed and was not removed: tag default points at revision 1-30-3" in result["msg"]
    assert "in allow_blockers (variable istio_allow_blockers): tag, namespace, default_validator" in result["msg"]
    assert (result["changed"], remover.commands) == (False, [])


def test_check_mode_of_a_retirement_follows_the_plan(remover: Remover) -> None:
    before = [*b.two_planes(), *b.namespaces(shop=b.OLD, reports="prod"), *b.deployed(revision=b.OLD)]
    planned = {"revision": b.NEW, "version": b.NEW_VERSION, "namespaces": ["shop"], "tags": ["prod", "default"]}
    result = remover.run(*before, check_mode=True, planned=planned)
    assert result["actions"] == ["remove revision 1-30-3 (1.30.3)"]
    assert result["diff"]["before"]["objects"] == dict.fromkeys(OF_OLD, "present")
    assert remover.commands == []
    assert "is still needed" in remover.run(planned=planned)["msg"]


def test_a_planned_finalize_resolves_only_the_blockers_that_it_restarts(remover: Remover) -> None:
    """Workloads that follow the default by their namespace are not restarted when it moves: they still block."""
    inject = {"sidecar.istio.io/inject": "true"}
    before = [
        *b.two_planes(),
        *b.namespaces(shop=b.NEW, tools=None),
        b.namespace("late", {INJECTION: "enabled"}),
        *b.deployed("web", "late", revision=b.OLD),
        *b.deployed("own", "tools", revision=b.OLD, pod_labels=inject),
    ]

    def needed(**planned: t.Any) -> set[tuple[str, str]]:
        told = {"revision": b.NEW, "tags": ["default", "prod"], **planned}
        result = remover.run(*before, check_mode=True, planned=told)
        found = (result.get("failure") or {}).get("blockers", [])
        return {(one["code"], one["object"]) for one in found}

    assert needed(namespaces=["late"]) == set(), "in check mode of a whole playbook the steps before it restart"
    assert needed() == {("live_proxy", "Deployment late/web")}, "and nothing else"
    assert needed(restarted=["tools"]) == {("live_proxy", "Deployment late/web")}
    assert needed(restarted=[]) == {("live_proxy", "Deployment late/web"), ("live_proxy", "Deployment tools/own")}


def test_a_planned_handover_resolves_the_blockers_of_shared_components(remover: Remover) -> None:
    gateway = b.deployed("gateway", b.SYSTEM, revision=b.OLD)
    gateway[0]["metadata"]["labels"] = {REV: b.OLD, COMPONENT: "IngressGateways"}
    remover.api.objects += gateway
    blocked = remover.run(check_mode=True)["failure"]["blockers"]
    place = "Deployment istio-system/gateway"
    assert [(one["code"], one["object"]) for one in blocked] == [("shared_component", place)]
    planned = {"revision": b.NEW, "version": b.NEW_VERSION, "taken_over": [place]}
    assert remover.run(check_mode=True, planned=planned)["changed"]


def test_separate_releases_are_not_part_of_the_release_of_istiod(remover: Remover) -> None:
    """The charts of CNI and gateways stamp the same labels as istioctl does."""
    cni = b.workload("DaemonSet", "istio-cni-node", b.SYSTEM)
    cni["metadata"]["labels"] = {REV: b.OLD, COMPONENT: "Cni"}
    remover.api.objects.append(cni)
    mesh = b.mesh_of(remover.api.objects)
    found = {installer: owned_by_revision(remover.run_of(installer), mesh) for installer in ("istioctl", "helm")}
    assert {name: any(one.shared for one in owned) for name, owned in found.items()} == {
        "istioctl": True,
        "helm": False,
    }
    assert {str(one) for one in found["helm"]} == OF_OLD


def test_only_the_named_codes_are_overridden(remover: Remover) -> None:
    remover.api.objects += [*b.revision_tag("prod", b.OLD), b.namespace("reports", {REV: "prod"})]
    refused = remover.run(allow_blockers=["tag"])
    assert [one["code"] for one in refused["failure"]["blockers"]] == ["namespace"]
    planned = remover.run(check_mode=True, allow_blockers=["tag", "namespace"])
    result = remover.run(allow_blockers=["tag", "namespace"])
    assert (planned["diff"], planned["actions"]) == (result["diff"], result["actions"])
    assert [one["code"] for one in result["overridden"]] == ["tag", "namespace"]
    assert [text.partition(" blockers")[0] for text in result["warnings"]] == [
        f"Removing revision 1-30-3 despite {code}" for code in ("tag", "namespace")
    ]


def test_domain_9_tags_that_an_uninstall_leaves_are_removed_too(remover: Remover) -> None:
    remover.api.objects += b.revision_tag("prod", b.OLD)
    result = remover.run(allow_blockers=["tag"])
    assert result["actions"] == ["remove revision 1-30-3 (1.30.3)", *PROD]
    assert not {name for name in remover.names if "prod" in name or b.OLD in name}
    assert remover.run()["changed"] is False


@pytest.mark.parametrize(
    ("left", "uninstalls"),
    [
        pytest.param([b.injector(b.OLD)], True, id="a webhook without istiod"),
        pytest.param([b.istiod(b.OLD)], False, id="domain 9, trap 5: istiod without a webhook"),
        pytest.param([b.istiod_service(b.OLD)], False, id="a Service"),
        pytest.param([b.values_map(b.OLD, {})], False, id="a ConfigMap"),
        pytest.param(
            [{"kind": "NetworkPolicy", "metadata": b.meta("istiod", b.SYSTEM, {REV: b.OLD, COMPONENT: "Pilot"})}],
            False,
            id="a kind that istioctl never removes",
        ),
    ],
)
def test_an_interrupted_removal_is_finished(remover: Remover, left: list[b.Json], uninstalls: bool) -> None:
    moved = [obj for obj in MOVED if obj["metadata"].get("labels", {}).get(REV) != b.OLD]
    result = remover.run(*moved, *left, version=b.OLD_VERSION)
    assert result["changed"], result
    assert ("uninstall" in remover.commands) is uninstalls
    assert remover.run()["changed"] is False
    assert {name for name in remover.names if b.OLD in name} == set()


def test_domain_10_an_uninstall_without_effect_is_completed(remover: Remover) -> None:
    remover.api.istioctl_does = lambda dummy: (0, "No resources will be pruned", "")
    assert remover.run()["changed"]
    assert {name for name in remover.names if b.OLD in name} == set()


def test_objects_of_an_operator_are_not_removed(remover: Remover) -> None:
    kept = b.injector(b.OLD, tag="prod")
    kept["metadata"]["ownerReferences"] = [
        {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevisionTag", "name": "prod"}
    ]
    remover.api.objects.append(kept)
    result = remover.run(allow_blockers=["tag"])
    said = f"istio-revision-tag-prod on cluster {remover.api.url} belongs to IstioRevisionTag prod of the Sail Operator"
    assert said in result["msg"]
    assert (remover.commands, result["changed"]) == ([], False)


def test_objects_that_are_not_deleted_are_named(remover: Remover) -> None:
    remover.api.get("Deployment", f"istiod-{b.OLD}")["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    remover.api.istioctl_does = lambda dummy: (0, "", "")
    assert "still there: Deployment istio-system/istiod-1-30-3" in remover.run(timeout=3)["msg"]
    asked = [seen.path for seen in remover.api.seen if "/leases" not in seen.path]
    assert asked[-1:] == ["/apis/apps/v1/deployments"]


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        pytest.param(b.injector(b.OLD), True, id="its webhook"),
        pytest.param(b.validator(b.OLD), True, id="the default validator"),
        pytest.param(b.istiod_service(b.OLD, "prod"), True, id="a tag's Service"),
        pytest.param({"kind": "ClusterRole", "metadata": b.meta("x", labels={COMPONENT: "Pilot"})}, True, id="a role"),
        pytest.param(
            {"kind": "ClusterRole", "metadata": b.meta("x", labels={COMPONENT: "Base"})}, False, id="the base"
        ),
        pytest.param(b.workload("Deployment", "web"), False, id="a user's workload"),
        pytest.param(
            {"kind": "MutatingWebhookConfiguration", "metadata": b.meta("x"), "webhooks": [{"name": "x.example.com"}]},
            False,
            id="a user's webhook",
        ),
    ],
)
def test_which_objects_belong_to_a_revision(obj: b.Json, expected: bool) -> None:
    assert (read_owned_object(obj["kind"], obj) is not None) is expected


def test_istio_injection_of_a_default_that_is_removed_is_a_blocker(remover: Remover) -> None:
    everything = [*b.two_planes(), *b.namespaces(), b.namespace("shop", {INJECTION: "enabled"})]
    found = {(one["code"], one["object"]) for one in remover.run(*everything)["failure"]["blockers"]}
    assert ("namespace", "namespace shop") in found


def test_an_external_revision_that_nothing_needs_is_reported_and_kept(remover: Remover) -> None:
    result = remover.run(installer="external")
    assert (result["changed"], result["removable"], remover.commands) == (False, True, [])
    remover.api.objects += b.revision_tag("prod", b.OLD)
    refused = remover.run(installer="external")
    assert [blocker["code"] for blocker in refused["failure"]["blockers"]] == ["tag"]
