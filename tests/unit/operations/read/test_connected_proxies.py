# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which istiods are asked about their proxies, and the error if one does not answer."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, UnansweredError
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import connected_proxies
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies import (
    QUERIES,
    proxies_of,
    with_proxies,
)
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.builders import Json
from unit.support.checking import HEALTHY, PLANE
from unit.support.fake_api import FakeApi

PODS = "/api/v1/namespaces/istio-system/pods"
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


def istiod(name: str, revision: str, *, status: Json | None = None, **metadata: t.Any) -> Json:
    labels = {"app": "istiod", "istio.io/rev": revision}
    metadata = {"name": name, "namespace": "istio-system", "labels": labels, **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": READY if status is None else status}


OLD = istiod("old-0", "1-30-3")
NEW = istiod("new-0", "1-31-0", annotations={"prometheus.io/port": "15099"})
IDLE = (
    istiod("starts", "1-31-0", status={"conditions": [{"type": "Ready", "status": "False"}]}),
    istiod("pending", "1-31-0", status={}),
    istiod("leaves", "1-30-3", deletionTimestamp="2026-01-01T00:00:00Z"),
)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Pod to port of everything that is asked; each istiod answers with a proxy that is called like itself."""
    ports: dict[str, int] = {}

    def answer(dummy: t.Any, namespace: str, pod: str, port: int, path: str, *, timeout: float) -> bytes:
        assert (namespace, path) == ("istio-system", "/debug/syncz")
        ports[pod] = port
        if pod.startswith("broken"):
            raise ClusterError("it does not answer")
        return f'[{{"proxy": "of-{pod}.shop", "istio_version": "1.30.3"}}]'.encode() if pod != "odd" else b"{}"

    monkeypatch.setattr(connected_proxies, "get_from_pod", answer)
    return ports


def test_every_ready_istiod_of_every_revision_is_asked(asked: dict[str, int]) -> None:
    with FakeApi(OLD, NEW, *IDLE) as api:
        found = proxies_of(api.client(), "istio-system")
    assert asked == {"old-0": 15014, "new-0": 15099}
    assert {(one.name, one.istiod, one.revision) for one in found} == {
        ("of-old-0", "old-0", "1-30-3"),
        ("of-new-0", "new-0", "1-31-0"),
    }


@pytest.mark.parametrize(
    ("pods", "queried"),
    [
        pytest.param([OLD, istiod("broken-0", "1-31-0")], "it does not answer", id="one of two"),
        pytest.param([OLD, istiod("odd", "1-31-0")], "cannot be parsed", id="another answer"),
        pytest.param(IDLE, "No istiod in namespace istio-system", id="none is ready"),
        pytest.param([], "No istiod in namespace istio-system", id="none is here"),
    ],
)
def test_half_an_answer_is_none(asked: dict[str, int], pods: list[Json], queried: str) -> None:
    with FakeApi(*pods) as api, pytest.raises(UnansweredError, match=queried):
        proxies_of(api.client(), "istio-system")


def test_pods_that_may_not_be_read_are_said(asked: dict[str, int]) -> None:
    with FakeApi(OLD) as api:
        api.script("GET", PODS, failure(403, "pods is forbidden"))
        with pytest.raises(UnansweredError, match="pods is forbidden"):
            proxies_of(api.client(), "istio-system")
    assert asked == {}


OBJECTS = [*HEALTHY, *b.deployed("cart", pods=2)]
ALL = b.connected(b.of_kind(OBJECTS, "Pod"))


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Connected, ...]]:
    """The answers of istiods in their order; those that remain were not requested."""
    left: list[tuple[Connected, ...]] = []
    monkeypatch.setattr(connected_proxies, "PAUSE", 0)
    monkeypatch.setattr(connected_proxies, "proxies_of", lambda *dummy: left.pop(0))
    return left


@pytest.mark.parametrize(
    ("queried", "looks", "found"),
    [
        pytest.param([ALL], 1, ALL, id="all are there"),
        pytest.param([ALL[1:], ALL], 2, ALL, id="one came back"),
        pytest.param([ALL[1:], ALL[:1]], 2, ALL, id="one moved while others were asked"),
        pytest.param([ALL[1:]] * QUERIES, QUERIES, ALL[1:], id="one stays away"),
        pytest.param([()] * QUERIES, QUERIES, (), id="all stay away"),
    ],
)
def test_who_is_missing_is_looked_for_again(
    answers: list[tuple[Connected, ...]],
    queried: list[tuple[Connected, ...]],
    looks: int,
    found: tuple[Connected, ...],
) -> None:
    answers += [*queried, *[ALL] * 9]
    with FakeApi() as api:
        snapshot = with_proxies(api.client(), b.snapshot_of(OBJECTS))
    assert len(queried) + 9 - len(answers) == looks
    assert snapshot.precheck_inputs.proxies == tuple(sorted(found, key=lambda one: (one.namespace, one.name)))
    assert snapshot.precheck_inputs.unread == {}


def test_without_a_proxy_nobody_is_asked(answers: list[tuple[Connected, ...]]) -> None:
    with FakeApi() as api:
        snapshot = b.snapshot_of([*PLANE, *b.deployed(revision=None)])
        assert with_proxies(api.client(), snapshot) is snapshot


def test_what_could_not_be_asked_is_named() -> None:
    with FakeApi(istiod("starts", "1-30-3", status={})) as api:
        precheck_inputs = with_proxies(api.client(), b.snapshot_of(OBJECTS)).precheck_inputs
    assert precheck_inputs.proxies is None
    assert precheck_inputs.unread["proxies"].startswith("No istiod in namespace istio-system")


@pytest.mark.parametrize("port", ["", "0", "99999", "9" * 5000, "\u00b2", "15014\n", "-1", "80/../x"])
def test_f18_a_port_that_is_none_is_the_usual_one(port: str) -> None:
    odd = istiod("odd-0", "1-31-0", annotations={"prometheus.io/port": port})
    with FakeApi(odd, *b.namespaces()) as api:
        api.script("GET", PODS, Answer({"metadata": {}, "items": [odd]}))
        assert proxies_of(api.client(), b.SYSTEM) == ()
        assert [seen.query["ports"] for seen in api.seen if seen.path.endswith("/portforward")] == ["15014"]
