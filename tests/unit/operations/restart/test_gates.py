# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gates after a batch: each passes, and each fails with a sentence, before the next batch starts."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, UnansweredError
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE, check
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import gate_queries
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import gates as gates_module
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi
from unit.support.gates import QUERY, fails, restart, serving, vector
from unit.support.running import params


@pytest.fixture
def api(quick: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """Two stale Deployments."""
    monkeypatch.setattr(gates_module, "RETRY_SECONDS", 0.02)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed(), *b.deployed("xeno")) as found:
        yield found


@pytest.mark.parametrize(
    ("gates", "message"),
    [
        ({"soak": -1}, "gates.soak: -1 is below 0"),
        ({"timeout": -1}, "gates.timeout: -1 is below 0"),
        ({"http": [{"url": "file:///etc/passwd"}]}, r"gates.http\[0\].url is not an http or https URL"),
        ({"http": [{"url": "https://"}]}, r"gates.http\[0\].url is not an http or https URL"),
        ({"http": [{"url": "http://[1"}]}, r"gates.http\[0\].url is not an http or https URL"),
        ({"http": [{"url": "http://a", "timeout": 0}]}, r"gates.http\[0\].timeout: 0 is not"),
        ({"prometheus": [{"url": "a", **QUERY}]}, r"gates.prometheus\[0\].url is not an http or https URL"),
        ({"prometheus": [{"url": "http://a", **QUERY, "value": "nan"}]}, r"gates.prometheus\[0\].value"),
    ],
)
def test_gates_that_can_never_be_passed(gates: b.Json, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check(params(CORE, namespaces=["shop"], gates=gates))


def test_without_gates_no_option_is_refused() -> None:
    check(params(CORE, namespaces=["shop"]))


def test_an_expected_status_lets_the_next_batch_go(api: FakeApi) -> None:
    with serving((204, {})) as url:
        assert not restart(api, http=[{"url": url, "status": [200, 204]}]).get("failed")
    assert len(api.writes()) == 2


def test_another_status_stops(api: FakeApi) -> None:
    with serving((503, {})) as url:
        message = fails(api, http=[{"url": f"{url}/healthz?key=secret"}])
    assert f"batch 1 of 2 did not pass gate http {url}/healthz within 0 s" in message
    assert f"http: {url}/healthz answers with HTTP 503, not 200" in message
    assert "secret" not in message


def test_a_redirect_is_an_answer_and_not_followed(api: FakeApi) -> None:
    with serving((302, {})) as url:
        assert "answers with HTTP 302, not 200" in fails(api, http=[{"url": url}])


def test_a_url_without_a_server_stops(api: FakeApi) -> None:
    assert "does not answer" in fails(api, http=[{"url": "http://127.0.0.1:9"}])


def test_a_gate_is_queried_until_its_time_is_over(api: FakeApi) -> None:
    with serving((503, {}), (503, {}), (200, {})) as url:
        assert not restart(api, timeout=30, http=[{"url": url}]).get("failed")


def test_a_query_that_passes(api: FakeApi) -> None:
    seen: list[t.Any] = []
    with serving((200, vector("0.001", "0")), seen=seen) as url:
        assert not restart(api, prometheus=[{"url": f"{url}/", **QUERY, "token": "t0k3n"}]).get("failed")
    assert seen[0][0] == "/api/v1/query?query=errors"
    assert seen[0][1]["Authorization"] == "Bearer t0k3n"


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        pytest.param(200, vector("0.5"), "query errors: the value is 0.5, not < 0.01", id="too much"),
        pytest.param(200, vector(), "its result is empty: nothing was measured", id="nothing"),
        pytest.param(200, vector("NaN"), "the value is NaN", id="NaN"),
        pytest.param(400, {"status": "error", "error": "parse error"}, "HTTP 400: parse error", id="an error"),
    ],
)
def test_a_query_that_stops(api: FakeApi, status: int, body: b.Json, message: str) -> None:
    with serving((status, body)) as url:
        failure = fails(api, prometheus=[{"url": url, **QUERY, "token": "t0k3n"}])
    assert message in failure
    assert "t0k3n" not in failure


def test_an_istiod_that_is_still_ready(api: FakeApi) -> None:
    assert not restart(api, istiod=True).get("failed")


def test_an_istiod_that_is_no_longer_ready(api: FakeApi) -> None:
    def on_patch(obj: b.Json) -> None:
        api.roll_out(obj)
        api.get("Deployment", f"istiod-{b.NEW}")["status"]["readyReplicas"] = 0

    api.on_patch = on_patch
    message = fails(api, istiod=True)
    assert f"did not pass gate istiod within 0 s: istiod: revision {b.NEW}: its Deployment istiod-{b.NEW}" in message


@pytest.mark.parametrize(
    ("revision", "rejected", "message"),
    [
        pytest.param(b.NEW, {}, None, id="connected"),
        pytest.param(b.OLD, {}, f"its proxy is not connected to revision {b.NEW}", id="to another revision"),
        pytest.param(b.NEW, {"Listener": "too new"}, "its proxy rejects Listener: too new", id="rejects"),
    ],
)
def test_connections(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, revision: str, rejected: dict[str, str], message: str | None
) -> None:
    def proxies_of(*dummy: t.Any) -> tuple[Connected, ...]:
        names = (f"{name}-abc-0" for name in ("web", "xeno"))
        return tuple(Connected("shop", name, "sidecar", "1", "istiod", revision, rejected) for name in names)

    monkeypatch.setattr(gate_queries, "proxies_of", proxies_of)
    if message is None:
        assert not restart(api, connected=True).get("failed")
    else:
        assert message in fails(api, connected=True)


def test_an_istiod_that_cannot_be_queried_stops(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def proxies_of(*dummy: t.Any) -> tuple[Connected, ...]:
        raise UnansweredError("No istiod is ready.")

    monkeypatch.setattr(gate_queries, "proxies_of", proxies_of)
    assert "connected: No istiod is ready." in fails(api, connected=True)


PODS = "/api/v1/namespaces/istio-system/pods"
FORWARD = f"{PODS}/istiod-{b.NEW}-0/portforward"
ASKED = [
    pytest.param("istiod", "GET", "/apis/apps/v1/namespaces/istio-system/deployments", id="reading the mesh"),
    pytest.param("istiod", "POST", PODS, id="a probe"),
    pytest.param("connected", "GET", PODS, id="reading istiods"),
    pytest.param("connected", "GET", FORWARD, id="a port-forward"),
]


HOOK = '"rev.object.sidecar-injector.istio.io"'


def once_restarted(api: FakeApi, method: str, path: str, *answers: Answer) -> None:
    """Script answers for requests after the first batch."""

    def on_patch(obj: b.Json) -> None:
        api.roll_out(obj)
        api.script(method, path, *answers)
        api.on_patch = api.roll_out

    api.on_patch = on_patch


@pytest.mark.parametrize("status", [401, 403, 429, 503])
@pytest.mark.parametrize(("gate", "method", "path"), ASKED)
def test_an_error_of_the_api_server_is_not_attributed_to_the_revision(
    api: FakeApi, gate: str, method: str, path: str, status: int
) -> None:
    once_restarted(api, method, path, *[failure(status, "not now")] * 50)
    result = restart(api, on_failure="rollback", **{gate: True})
    assert (result["failure"]["caused_by"], result["failure"]["rolled_back"]) == ("cluster", False)
    assert "not now" in result["msg"]
    assert "so they keep their new pods; run again to continue" in result["msg"]
    assert len(api.writes()) == 1


@pytest.mark.parametrize(("gate", "method", "path"), ASKED)
def test_a_query_that_failed_is_repeated(api: FakeApi, gate: str, method: str, path: str) -> None:
    once_restarted(api, method, path, failure(403, "not now"), failure(403, "not now"))
    assert not restart(api, timeout=30, **{gate: True}).get("failed")


@pytest.mark.parametrize(
    ("gate", "method", "path", "answer"),
    [
        pytest.param("connected", "GET", FORWARD, Answer(forwarded=b"{}"), id="another answer"),
        pytest.param(
            "istiod", "POST", PODS, failure(500, f"failed calling webhook {HOOK}: refused"), id="its webhook is down"
        ),
        pytest.param(
            "istiod",
            "POST",
            PODS,
            failure(400, f"admission webhook {HOOK} denied the request"),
            id="its pods are refused",
        ),
    ],
)
def test_a_wrong_answer_of_istiod_is_attributed_to_the_revision(
    api: FakeApi, gate: str, method: str, path: str, answer: Answer
) -> None:
    once_restarted(api, method, path, answer)
    result = restart(api, on_failure="rollback", **{gate: True})
    assert (result["failure"]["caused_by"], result["failure"]["rolled_back"]) == ("revision", True)


def test_a_pod_that_went_before_it_could_be_watched_is_asked_for_by_no_gate(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one that was evicted between the reading of the cluster and the first batch."""
    injected = api.injected

    def evicted(namespace: str, pod: b.Json) -> b.Json:
        # The proof of the revision comes between the two.
        for obj in b.of_kind(api.objects, "Pod"):
            if obj["metadata"]["name"] == "web-abc-0":
                obj["metadata"].update(name="web-abc-1", uid="its successor")
        return injected(namespace, pod)

    monkeypatch.setattr(api, "injected", evicted)
    assert not restart(api, connected=True).get("failed")
