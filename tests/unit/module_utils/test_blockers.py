# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each thing that keeps a revision from being removed (S4, S12)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils._blockers import of_names, of_pods, of_shared, of_workloads
from ansible_collections.meshops.istio.plugins.module_utils._mesh import INJECTION, REV
from unit.module_utils import builders as b

PLANES = [*b.plane(b.OLD), *b.plane(b.NEW)]


def codes(*objects: b.Json, revision: str = b.OLD) -> list[tuple[str, str]]:
    """Code and object of every blocker that a cluster with both revisions shows."""
    snapshot = b.snapshot_of([*PLANES, *objects])
    found = [*of_names(snapshot, revision), *of_pods(snapshot, revision), *of_workloads(snapshot, revision)]
    assert all(blocker.message and blocker.remedy for blocker in found)
    return [(blocker.code, blocker.object) for blocker in found]


def test_s4_a_revision_that_nothing_needs_may_go() -> None:
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


def test_domain_9_connected_or_not_counts_nothing() -> None:
    """Istioctl counts connected clients only; a pod that is not Ready still carries the revision."""
    assert codes(*b.namespaces(shop=b.NEW), b.pod(owner=None, ready=False, phase="Pending")) != []


def test_a_managed_gateway_on_the_revision_blocks() -> None:
    gateway = b.pod("waypoint", labels={"gateway.istio.io/managed": "x"}, owner=None)
    assert codes(*b.namespaces(shop=b.NEW), gateway) == [("live_proxy", "Pod shop/waypoint")]


def test_the_message_counts_the_proxies() -> None:
    snapshot = b.snapshot_of([*PLANES, *b.namespaces(shop=b.NEW), *b.deployed(pods=3)])
    assert "Deployment shop/web has 3 live proxies" in of_pods(snapshot, b.OLD)[0].message


def test_s12_shared_objects_would_be_deleted_with_the_revision() -> None:
    shared = {
        "kind": "DaemonSet",
        "metadata": b.meta("istio-cni-node", b.SYSTEM, {"operator.istio.io/component": "Cni"}),
    }
    found = of_shared([shared], b.NEW)
    assert [(blocker.code, blocker.object) for blocker in found] == [("shared_component", "DaemonSet istio-cni-node")]
    assert "Cni istio-cni-node belongs to revision 1-31-0" in found[0].as_dict()["message"]
