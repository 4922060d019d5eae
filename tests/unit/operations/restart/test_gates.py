# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Gates after a batch: each passes, and each fails with a sentence, before the next batch starts."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import threading
import time
import typing as t
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.http_get import fetch, shown, usable
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ForbiddenError,
    ParameterError,
    ProbeError,
    UnansweredError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.options import Endpoint, HttpGate
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE, check
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import external_gates, pod_reads
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import gates as gates_module
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.workload_tracker import WorkloadTracker
from unit.support import builders as b
from unit.support.fake_api import Answer, FakeApi, failure
from unit.support.running import params, task

QUERY = {"query": "errors", "compare": "<", "value": 0.01}


@pytest.fixture
def api(quick: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """Two stale Deployments."""
    monkeypatch.setattr(gates_module, "RETRY_SECONDS", 0.02)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed(), *b.deployed("xeno")) as found:
        yield found


def restart(api: FakeApi, **gates: t.Any) -> b.Json:
    """The result of a restart with gates; failures are held by default."""
    options = {"on_failure": gates.pop("on_failure", "hold"), "batch_timeout": gates.pop("batch_timeout", 5)}
    return task(api, CORE, namespaces=["shop"], batch_size=1, gates={"timeout": 0, **gates}, **options)


def fails(api: FakeApi, **gates: t.Any) -> str:
    """The sentence of a restart whose first batch does not pass; the second was not started."""
    result = restart(api, **gates)
    assert (result["failed"], len(api.writes())) == (True, 1)
    return str(result["msg"])


@contextlib.contextmanager
def serving(*answers: tuple[int, t.Any], seen: list[t.Any] | None = None) -> Iterator[str]:
    """A server that gives some answers in turn, the last one for ever."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            if seen is not None:
                seen.append((self.path, dict(self.headers)))
            data = json.dumps(body).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *dummy: t.Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def vector(*values: str) -> b.Json:
    """The answer to a query."""
    result = [{"metric": {}, "value": [0, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


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
        message = fails(api, prometheus=[{"url": url, **QUERY, "token": "t0k3n"}])
    assert message in message
    assert "t0k3n" not in message


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

    monkeypatch.setattr(external_gates, "proxies_of", proxies_of)
    if message is None:
        assert not restart(api, connected=True).get("failed")
    else:
        assert message in fails(api, connected=True)


def test_an_istiod_that_cannot_be_queried_stops(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def proxies_of(*dummy: t.Any) -> tuple[Connected, ...]:
        raise UnansweredError("No istiod is ready.")

    monkeypatch.setattr(external_gates, "proxies_of", proxies_of)
    assert "connected: No istiod is ready." in fails(api, connected=True)


PODS = "/api/v1/namespaces/istio-system/pods"
FORWARD = f"{PODS}/istiod-{b.NEW}-0/portforward"
ASKED = [
    pytest.param("istiod", "GET", "/apis/apps/v1/namespaces/istio-system/deployments", id="reading the mesh"),
    pytest.param("istiod", "POST", PODS, id="a probe"),
    pytest.param("connected", "GET", PODS, id="reading istiods"),
    pytest.param("connected", "GET", FORWARD, id="a port-forward"),
]


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
        pytest.param("istiod", "POST", PODS, failure(500, "failed calling webhook: refused"), id="its webhook is down"),
        pytest.param("istiod", "POST", PODS, failure(422, "no such field"), id="its pods are refused"),
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


def later(api: FakeApi, change: Callable[[b.Json], None]) -> Callable[[b.Json], None]:
    """A rollout that completes, and something that happens to its pods a moment after."""

    def on_patch(obj: b.Json) -> None:
        api.roll_out(obj)
        made = [pod for pod in b.of_kind(api.objects, "Pod") if pod["metadata"]["uid"].startswith("new-")]
        threading.Timer(0.4, lambda: change(made[0])).start()

    return on_patch


def restarts(pod: b.Json) -> None:
    """The proxy restarts."""
    pod["status"]["initContainerStatuses"] = [{"name": "istio-proxy", "restartCount": 1, "ready": True}]


def unready(pod: b.Json) -> None:
    """A pod is no longer ready."""
    pod["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(restarts, "pod web-abc-0, Restarted: 1 times", id="a restart"),
        pytest.param(unready, "pod web-abc-0, NotReady", id="unready"),
    ],
)
def test_a_batch_that_does_not_stay_ready(api: FakeApi, change: Callable[[b.Json], None], message: str) -> None:
    api.on_patch = later(api, change)
    message = fails(api, soak=30)
    assert "batch 1 of 2 did not stay ready for 30 s" in message
    assert message in message


def replaced(pod: b.Json) -> None:
    """A pod left, as with its node, and its successor is not ready."""
    pod["metadata"].update(name="web-abc-1", uid="its successor")
    unready(pod)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            restarts, "batch 1 of 2 did not stay ready for 1 s: Deployment shop/web: pod web-abc-0, Restarted"
        ),
        pytest.param(unready, "batch 1 of 2 did not stay ready for 1 s: Deployment shop/web: pod web-abc-0, NotReady"),
        pytest.param(replaced, "batch 1 of 2 made no progress for 1 s: Deployment shop/web: Incomplete"),
    ],
    ids=["a restart", "unready", "replaced"],
)
def test_a_soak_does_not_end_by_the_events_of_a_broken_watch(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, change: Callable[[b.Json], None], message: str
) -> None:
    broken = threading.Event()

    def deaf(heard: Callable[..., None]) -> Callable[..., None]:
        return lambda *given: None if broken.is_set() else heard(*given)

    for name in ("_receive_pod", "_take"):
        monkeypatch.setattr(WorkloadTracker, name, deaf(getattr(WorkloadTracker, name)))

    def unseen(pod: b.Json) -> None:
        broken.set()
        change(pod)
        api.get("Deployment", "web")["status"].update(readyReplicas=0, availableReplicas=0, updatedReplicas=0)

    api.on_patch = later(api, unseen)
    assert message in fails(api, soak=1, batch_timeout=1)


def test_a_soak_does_not_end_without_the_right_to_list_pods(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def list_states(*dummy: t.Any) -> t.Any:
        raise ForbiddenError("May not list pods.", 403)

    monkeypatch.setattr(pod_reads, "list_states", list_states)
    result = restart(api, on_failure="rollback", soak=1)
    assert (result["failure"]["caused_by"], result["failure"]["rolled_back"]) == ("cluster", False)
    assert "May not list pods. No problem of the restarted workloads is known" in result["msg"]


def test_an_application_that_restarts_beside_a_proxy_that_does_not_is_left_alone(api: FakeApi) -> None:
    def change(pod: b.Json) -> None:
        restarts(pod)
        pod["status"]["initContainerStatuses"][0]["restartCount"] = 0
        pod["status"]["containerStatuses"] = [{"name": "app", "restartCount": 1, "ready": True}]
        api.on_patch = api.roll_out

    api.on_patch = later(api, change)
    result = restart(api, soak=1)
    assert (
        "1 workload failed independently of the revision: Deployment shop/web: pod web-abc-0, Restarted: 1 times"
        in result["msg"]
    )
    assert result["failure"]["completed_before"] == ["Deployment shop/xeno"]


def test_a_batch_that_stays_ready(api: FakeApi) -> None:
    assert not restart(api, soak=1).get("failed")


@contextlib.contextmanager
def dribbling(first: bytes) -> Iterator[str]:
    """A server that begins an answer and sends a byte each tenth of a second for ever."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def serve() -> None:
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                connection.recv(65536)
                connection.sendall(first)
                while not over.wait(0.1):
                    connection.sendall(b"x")

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/slow?token=s3cr3t"
        over.set()


STATUS = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(STATUS + b"Content-Length: 1000000\r\n\r\n", id="body"),
        pytest.param(STATUS + b"Content-Type: text/event-stream\r\n\r\n", id="endless"),
        pytest.param(STATUS + b"X-Long: ", id="header"),
        pytest.param(b"HTTP/1.", id="status line"),
    ],
)
def test_the_timeout_is_that_of_the_whole_answer(first: bytes) -> None:
    with dribbling(first) as url:
        began = time.monotonic()
        with pytest.raises(ProbeError, match=r"/slow does not answer within 0\.5 s\.$"):
            fetch(url, timeout=0.5)
        assert time.monotonic() - began < 3


def test_where_the_status_is_enough_no_body_is_waited_for() -> None:
    with dribbling(STATUS + b"Content-Type: text/event-stream\r\n\r\n") as url:
        assert external_gates.check_http(HttpGate(Endpoint(url, 5))) == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"login": "me:pass@"}, "me:pass"),
        ({"login": "me:p%40s%2Fs@"}, "me:p@s/s"),
        ({"login": "m%C3%A9:%C3%BC@"}, "mé:ü"),
        ({"username": "me", "password": "p%40ss"}, "me:p%40ss"),
    ],
)
def test_a_login_is_sent_as_it_is_meant(given: b.Json, sent: str) -> None:
    seen: list[t.Any] = []
    login, options = given.get("login", ""), {name: given[name] for name in given if name != "login"}
    with serving((200, {}), seen=seen) as url:
        assert external_gates.check_http(HttpGate(Endpoint(url.replace("//", f"//{login}"), 5, **options))) == []
    headers = {name.lower(): value for name, value in seen[0][1].items()}
    assert headers["authorization"] == "Basic " + base64.b64encode(sent.encode()).decode()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"username": "me"}, "username and password belong together"),
        ({"password": "x"}, "username and password belong together"),
        ({"url": "http://me:x@a", "username": "me", "password": "x"}, "there are two logins"),
    ],
)
def test_half_a_login_or_two_are_refused(options: b.Json, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        check(params(CORE, namespaces=["shop"], gates={"http": [{"url": "http://a", **options}]}))


def test_a_proxy_of_the_environment_that_is_no_url_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://me:s3cr3t/x@proxy:3128")
    with pytest.raises(ProbeError, match="http://example.com/ cannot be queried") as failed:
        fetch("http://example.com/", timeout=5)
    assert "s3cr3t" not in failed.value.message


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://user:secret@example.com:1/a?b=c", "https://example.com:1/a"),
        ("http://example.com", "http://example.com"),
    ],
)
def test_s13_a_url_is_shown_without_secrets(url: str, expected: str) -> None:
    assert usable(url)
    assert shown(url) == expected


def test_a_login_in_a_url_is_sent_as_a_header() -> None:
    seen: list[t.Any] = []
    with serving((200, {}), seen=seen) as url:
        fetch(url.replace("//", "//me:pass@"), timeout=5)
    assert seen[0][1]["authorization"] == "Basic bWU6cGFzcw=="


def test_the_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[t.Any] = []
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with serving((200, {}), seen=seen) as url:
        monkeypatch.setenv("http_proxy", url)
        assert fetch("http://example.invalid/a", timeout=5)[0] == 200
    assert seen[0][0] == "http://example.invalid/a"
