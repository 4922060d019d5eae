# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each thing that keeps a revision from being removed (S4, S12)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import (
    CODES,
    Blocker,
    override_warnings,
    require_known_blockers,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blockers import shared_component_blockers
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.inputs import RemovalInputs
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.name_blockers import name_blockers
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import OwnedObject
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.workload_blockers import (
    cron_job_blockers,
    gateways_to_await,
    pod_blockers,
    workload_blockers,
)
from unit.support import builders as b

#: No facts in addition to the snapshot, and no time to wait.
NOTHING_MORE = RemovalInputs()

PLANES = [*b.plane(b.OLD), *b.plane(b.NEW)]


def codes(*objects: b.Json, revision: str = b.OLD) -> list[tuple[str, str]]:
    """Code and object of every blocker that a cluster with both revisions shows."""
    snapshot = b.snapshot_of([*PLANES, *objects])
    found = [
        *name_blockers(snapshot, revision),
        *pod_blockers(snapshot, revision, NOTHING_MORE),
        *workload_blockers(snapshot, revision),
    ]
    assert all(blocker.message and blocker.remedy for blocker in found)
    return [(blocker.code, blocker.object) for blocker in found]


def test_s4_a_revision_that_nothing_needs_has_no_blockers() -> None:
    everything = [*b.revision_tag("default", b.NEW), *b.namespaces(shop=b.NEW), *b.deployed(revision=b.NEW)]
    assert codes(*everything) == []


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([b.injector(b.OLD, tag="prod")], [("tag", "tag prod")], id="S4: a tag"),
        pytest.param(
            b.revision_tag("default", b.OLD),
            [("tag", "tag default"), ("default_validator", "istiod-default-validator")],
            id="S4: the default tag and validator",
        ),
        pytest.param(
            [b.injector(b.NEW, tag="default"), b.validator(b.OLD)],
            [("default_validator", "istiod-default-validator")],
            id="domain 4: the default validator alone",
        ),
        pytest.param(
            [b.injector(b.NEW, tag="default"), b.istiod_service(b.OLD, "default")],
            [("default_service", "istiod-revision-tag-default")],
            id="domain 4: the Service of the default tag alone",
        ),
        pytest.param(b.namespaces(shop=b.OLD), [("namespace", "namespace shop")], id="S4: a namespace by revision"),
        pytest.param(
            [b.injector(b.OLD, tag="prod"), *b.namespaces(shop="prod")],
            [("tag", "tag prod"), ("namespace", "namespace shop")],
            id="S4: a namespace by tag",
        ),
        pytest.param(
            [b.injector(b.OLD, tag="default"), b.namespace("shop", {INJECTION: "enabled"})],
            [("tag", "tag default"), ("namespace", "namespace shop")],
            id="S4: a namespace by istio-injection",
        ),
        pytest.param(
            [*b.namespaces(shop=b.NEW), b.pod(owner=None)],
            [("live_proxy", "Pod shop/web-1")],
            id="S4: a live proxy, although its namespace has moved",
        ),
        pytest.param(
            [*b.namespaces(shop=b.NEW), *b.deployed(pods=3)],
            [("live_proxy", "Deployment shop/web")],
            id="S4: live proxies, one blocker per workload",
        ),
        pytest.param(
            [*b.namespaces(shop=None), *b.deployed(revision=b.NEW, pod_labels={REV: b.OLD})],
            [("selects_revision", "Deployment shop/web")],
            id="S4: a pod label",
        ),
        pytest.param(
            [*b.namespaces(shop=None), *b.deployed(pods=0, pod_labels={REV: b.OLD})],
            [("selects_revision", "Deployment shop/web")],
            id="S4: a workload that is scaled to zero",
        ),
    ],
)
def test_s4_blockers(objects: list[b.Json], expected: list[tuple[str, str]]) -> None:
    assert codes(*objects) == expected


def test_domain_14_finished_pods_do_not_block() -> None:
    assert (
        codes(*b.namespaces(shop=b.NEW), b.pod(owner=None, phase="Succeeded"), b.pod("x", owner=None, phase="Failed"))
        == []
    )


def test_domain_9_a_disconnected_proxy_blocks_too() -> None:
    """Istioctl counts connected clients only; a pod that is not Ready still carries the revision."""
    assert codes(*b.namespaces(shop=b.NEW), b.pod(owner=None, ready=False, phase="Pending")) != []


def test_a_managed_gateway_on_the_revision_blocks() -> None:
    gateway = b.pod("waypoint", labels={"gateway.istio.io/managed": "x"}, owner=None)
    assert codes(*b.namespaces(shop=b.NEW), gateway) == [("live_proxy", "Pod shop/waypoint")]


def test_the_message_counts_the_proxies() -> None:
    snapshot = b.snapshot_of([*PLANES, *b.namespaces(shop=b.NEW), *b.deployed(pods=3)])
    assert "Deployment shop/web has 3 live proxies" in pod_blockers(snapshot, b.OLD, NOTHING_MORE)[0].message


@pytest.mark.parametrize(
    ("objects", "remedy"),
    [
        pytest.param(
            [*b.namespaces(shop=b.NEW), *b.deployed()], "restart it: rollout_restart namespaces=shop", id="moved"
        ),
        pytest.param(
            [*b.namespaces(shop=b.OLD), *b.deployed()],
            "move its namespace, tag or label",
            id="its namespace still exists",
        ),
        pytest.param(
            [*b.namespaces(shop=None), *b.deployed()], "sidecar.istio.io/inject=false", id="not in the mesh any more"
        ),
        pytest.param(
            [b.namespace("shop", {"istio-injection": "disabled"}), *b.deployed()], "scope=all", id="it opted out"
        ),
        pytest.param(
            [*b.namespaces(shop=None), *b.deployed(pod_labels={REV: "gone"})],
            "change label istio.io/rev in the pod template",
            id="its pods ask for a revision that is gone",
        ),
        pytest.param([*b.namespaces(shop=b.NEW), *b.deployed(paused=True)], "kubectl rollout resume", id="paused"),
        pytest.param([*b.namespaces(shop=b.NEW), b.pod(owner=("Job", "x"))], "wait until it ends", id="a Job"),
        pytest.param(
            [*b.namespaces(shop=b.NEW), b.pod(labels={"gateway.istio.io/managed": "x"})],
            "label its Gateway",
            id="istiod restarts a gateway that it manages",
        ),
    ],
)
def test_the_remedy_of_a_live_proxy_fits_its_owner(objects: list[b.Json], remedy: str) -> None:
    snapshot = b.snapshot_of([*PLANES, *objects])
    assert remedy in pod_blockers(snapshot, b.OLD, NOTHING_MORE)[0].remedy


def test_pods_of_a_blocking_namespace_are_not_listed_again() -> None:
    everything = [*b.namespaces(shop=b.OLD), *b.deployed(revision=b.NEW), *b.deployed("empty", pods=0)]
    assert codes(*everything) == [("namespace", "namespace shop")]


@pytest.mark.parametrize(
    ("labels", "expected"), [({REV: b.OLD}, ["CronJob shop/nightly"]), ({REV: b.NEW}, []), ({}, [])]
)
def test_a_cron_job_whose_next_run_selects_the_revision_blocks(labels: dict[str, str], expected: list[str]) -> None:
    template = {"metadata": {"labels": labels}}
    spec = {"jobTemplate": {"spec": {"template": template}}}
    snapshot = b.snapshot_of([*PLANES, *b.namespaces(shop=None)])
    found = cron_job_blockers(snapshot, b.OLD, [{"metadata": b.meta("nightly", "shop"), "spec": spec}])
    assert [blocker.object for blocker in found] == expected


def shared(kind: str, name: str, component: str = "Cni") -> OwnedObject:
    """An object of a shared component."""
    return OwnedObject(kind, b.SYSTEM, name, component)


@pytest.mark.parametrize(
    ("owned", "expected"),
    [
        pytest.param([shared("DaemonSet", "cni"), shared("ConfigMap", "cni")], ["DaemonSet"], id="a workload"),
        pytest.param([shared("ConfigMap", "cni")], ["ConfigMap"], id="without a workload"),
        pytest.param(
            [shared("DaemonSet", "cni"), shared("Deployment", "in", "IngressGateways")],
            ["DaemonSet", "Deployment"],
            id="two components",
        ),
        pytest.param([OwnedObject("Deployment", b.SYSTEM, "istiod", "Pilot")], [], id="istiod is not shared"),
    ],
)
def test_s12_shared_objects_would_be_deleted_with_the_revision(owned: list[OwnedObject], expected: list[str]) -> None:
    found = shared_component_blockers(owned, b.NEW)
    assert [blocker.object.split()[0] for blocker in found] == expected
    assert all(
        "belongs to revision 1-31-0" in one.message
        and "adopt_shared_components=true of istio_revision (variable istio_adopt_shared_components)" in one.remedy
        for one in found
    )


def test_s12_the_proxies_of_a_shared_gateway_are_not_listed_again() -> None:
    snapshot = b.snapshot_of([*PLANES, *b.namespaces(), *b.deployed("gateway", b.SYSTEM)])
    (blocker,) = pod_blockers(snapshot, b.OLD, NOTHING_MORE)
    assert blocker.object == f"Deployment {b.SYSTEM}/gateway"
    shared = OwnedObject("Deployment", b.SYSTEM, "gateway", "IngressGateways")
    assert pod_blockers(snapshot, b.OLD, RemovalInputs(owned=[shared])) == []


def test_g4_a_managed_gateway_that_istiod_replaces_is_awaited_while_there_is_time() -> None:
    gateway = b.pod("waypoint", labels={"gateway.istio.io/managed": "x"}, owner=None)
    snapshot = b.snapshot_of([*PLANES, *b.plane(b.NEW), *b.namespaces(shop=b.NEW), gateway])
    assert pod_blockers(snapshot, b.OLD, RemovalInputs(patience=60)) == []
    assert [pod.name for pod in gateways_to_await(snapshot, b.OLD, RemovalInputs(patience=60))] == ["waypoint"]
    (blocker,) = pod_blockers(snapshot, b.OLD, NOTHING_MORE)
    assert blocker.code == "live_proxy"
    assert gateways_to_await(snapshot, b.OLD, NOTHING_MORE) == []


def test_the_warning_of_every_code_has_its_consequence() -> None:
    found = [Blocker(code, "x", f"{code} x", "y") for code in CODES]
    warnings = override_warnings(found, b.OLD)
    assert len(warnings) == len(CODES)
    assert all(meaning in text for text, meaning in zip(warnings, CODES.values(), strict=True))
    assert override_warnings([], b.OLD) == []


def test_an_unknown_code_is_refused_in_one_sentence() -> None:
    require_known_blockers(CODES)
    with pytest.raises(ParameterError, match=r"unknown blocker everything, namespaces; known are tag, namespace,"):
        require_known_blockers(["everything", "namespaces", "tag"])
