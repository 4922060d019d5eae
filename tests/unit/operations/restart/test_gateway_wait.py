# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Managed gateways, which istiod replaces when the labels of their namespace move (G4)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import gateway_wait
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.restarts import MOVED, restart, restarted

MANAGED = {"gateway.istio.io/managed": "istio.io-gateway-controller", "gateway.networking.k8s.io/gateway-name": "edge"}
ROW = {"gateway": "Deployment shop/edge-istio", "before": b.OLD, "revision": b.NEW, "pods": 1}


def gateway(revision: str = b.OLD) -> list[b.Json]:
    """The Deployment that istiod of a revision made for Gateway shop/edge."""
    return b.deployed("edge-istio", revision=revision, pod_labels=MANAGED)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """Namespace shop after its move, with a workload and a gateway."""
    monkeypatch.setattr(gateway_wait, "PAUSE", 0.01)
    with FakeApi(*MOVED, *b.deployed(), *gateway()) as found:
        yield found


def replaced_after(api: FakeApi, monkeypatch: pytest.MonkeyPatch, reads: int) -> None:
    """Let istiod replace the gateway after some reads of its pods."""
    seen: list[str] = []
    read = gateway_wait._read_pods

    def answer(context: gateway_wait.RestartContext, namespaces: set[str]) -> dict[str, list[b.Json]]:
        seen.append("")
        if len(seen) == reads:
            others = [obj for obj in api.objects if "edge-istio" not in obj["metadata"]["name"]]
            api.objects = [*others, *gateway(b.NEW)]
        return read(context, namespaces)

    monkeypatch.setattr(gateway_wait, "_read_pods", answer)


def test_workloads_are_restarted_after_the_gateway_is_replaced(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    replaced_after(api, monkeypatch, 3)
    result = restart(api, progress=lines.append)
    assert (result["managed_gateways"], restarted(api)) == ([ROW], ["web"])
    assert lines[0] == (
        f"waiting: istiod of revision {b.NEW} replaces Deployment shop/edge-istio (1 pod of revision {b.OLD})"
    )


def test_a_gateway_that_is_not_replaced_fails_the_restart_before_its_first_batch(api: FakeApi) -> None:
    result = restart(api)
    assert result["msg"].startswith(
        f"istiod of revision {b.NEW} has not replaced the pods of Deployment shop/edge-istio within 1 s."
    )
    assert (result["failed"], restarted(api), result["failure"]["caused_by"]) == (True, [], "revision")


def test_check_mode_shows_the_gateway_and_does_not_wait(api: FakeApi) -> None:
    lines: list[str] = []
    result = restart(api, check_mode=True, progress=lines.append)
    assert result["managed_gateways"] == [ROW]
    assert lines[0].startswith(f"istiod of revision {b.NEW} replaces Deployment shop/edge-istio")


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([*MOVED, *gateway(b.NEW)], id="it is replaced already"),
        pytest.param([*b.two_planes(), *b.namespaces(shop=b.OLD), *gateway()], id="its namespace has not moved"),
        pytest.param(
            [*MOVED, *b.deployed("edge-istio", pod_labels={**MANAGED, REV: b.OLD})], id="its Gateway has a label"
        ),
        pytest.param([*b.two_planes(), *b.namespaces(shop="gone"), *gateway()], id="no istiod owns it"),
    ],
)
def test_a_gateway_that_is_not_replaced_is_not_awaited(objects: list[b.Json]) -> None:
    with FakeApi(*objects) as api:
        result = restart(api)
    assert result["managed_gateways"] == [], result
