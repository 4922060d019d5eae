# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client against a real HTTP server: retries, and errors that are sentences."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import typing as t
from collections.abc import Iterator

import pytest
from urllib3.exceptions import SSLError

from ansible_collections.meshops.istio.plugins.module_utils.client import retries as retries_module
from ansible_collections.meshops.istio.plugins.module_utils.client import transport
from ansible_collections.meshops.istio.plugins.module_utils.client.api import APPLY_PATCH, MERGE_PATCH, Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.request_kinds import RequestCounts
from ansible_collections.meshops.istio.plugins.module_utils.client.transport import TRIES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    NotFoundError,
)
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi

SHOP = "/api/v1/namespaces/shop"
BROKEN = Answer(broken=True)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A server with namespace shop; the waits between tries are left out."""
    monkeypatch.setattr(retries_module, "backoff_seconds", lambda *dummy: 0.0)
    with FakeApi(b.namespace("shop")) as found:
        yield found


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("method", ["GET", "PATCH", "POST"])
def test_what_the_server_turned_away_is_sent_again(api: FakeApi, method: str, status: int) -> None:
    api.script(method, SHOP, failure(status), failure(status), Answer({"ok": True}))
    assert api.client().request(method, SHOP) == {"ok": True}
    assert len(api.seen) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_retrying_ends(api: FakeApi, status: int) -> None:
    api.script("GET", SHOP, *[failure(status, "still busy")] * TRIES)
    with pytest.raises(ApiError, match="still busy"):
        api.client().get(SHOP)
    assert len(api.seen) == TRIES


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_other_errors_are_not_sent_again(api: FakeApi, status: int) -> None:
    api.script("GET", SHOP, failure(status))
    with pytest.raises(ApiError):
        api.client().get(SHOP)
    assert len(api.seen) == 1


@pytest.mark.parametrize(
    ("attempt", "asked", "low", "high"),
    [(1, "7", 7, 7), (1, "900", 30, 30), (1, "0", 0, 0), (1, None, 0.2, 0.4), (1, "soon", 0.2, 0.4), (9, None, 2.5, 5)],
)
def test_retry_after_decides_how_long_to_wait(attempt: int, asked: str | None, low: float, high: float) -> None:
    assert low <= retries_module.backoff_seconds(attempt, asked) <= high


def test_retry_after_is_read_from_the_answer(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str | None] = []

    def backoff(dummy: int, header: str | None) -> float:
        asked.append(header)
        return 0.0

    monkeypatch.setattr(retries_module, "backoff_seconds", backoff)
    api.script("GET", SHOP, failure(503, Retry_After="3"), failure(503))
    api.client().get(SHOP)
    assert asked == ["3", None]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_reads_and_patches_survive_a_broken_connection(api: FakeApi, method: str) -> None:
    api.script(method, SHOP, BROKEN, Answer({"ok": True}))
    assert api.client().request(method, SHOP) == {"ok": True}


def test_a_dry_run_survives_a_broken_connection(api: FakeApi) -> None:
    api.script("POST", SHOP, BROKEN, Answer({"ok": True}))
    assert api.client().request("POST", SHOP, body={}, params={"dryRun": "All"}) == {"ok": True}


@pytest.mark.parametrize(
    ("cause", "survived"),
    [
        pytest.param(ssl.SSLEOFError("unexpected EOF"), True, id="cut off"),
        pytest.param(ssl.SSLCertVerificationError("self-signed"), False, id="not to be trusted"),
    ],
)
def test_only_tls_that_was_cut_off_is_tried_again(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, cause: ssl.SSLError, survived: bool
) -> None:
    client, errors = api.client(), [SSLError(cause)]
    request = client._session.pool.request

    def fails_once(*args: t.Any, **options: t.Any) -> t.Any:
        if errors:
            raise errors.pop()
        return request(*args, **options)

    monkeypatch.setattr(client._session.pool, "request", fails_once)
    if survived:
        assert client.get(SHOP)
    else:
        with pytest.raises(ClusterError, match="TLS to .* was refused"):
            client.get(SHOP)


@pytest.mark.parametrize("method", ["POST"])
def test_a_post_is_not_repeated_on_a_broken_connection(api: FakeApi, method: str) -> None:
    """It may have been carried out."""
    api.script(method, SHOP, BROKEN)
    with pytest.raises(ClusterError, match=f"Doing it on cluster {api.url} failed: .* cannot be reached"):
        api.client().request(method, SHOP, doing="Doing it")
    assert len(api.seen) == 1


def test_nobody_listens(api: FakeApi) -> None:
    client = Client(Connection(host="http://127.0.0.1:1"))
    with pytest.raises(ClusterError, match="Reading namespaces on cluster .* cannot be reached"):
        client.get(SHOP, doing="Reading namespaces")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (410, GoneError),
        (422, ApiError),
    ],
)
def test_errors_are_sentences(api: FakeApi, status: int, kind: type[ApiError]) -> None:
    api.script("GET", SHOP, failure(status, "this is why", "Because"))
    with pytest.raises(kind) as failed:
        api.client().get(SHOP, doing="Reading shop")
    assert failed.value.message == f"Reading shop on cluster {api.url} failed with HTTP {status}: this is why"
    assert failed.value.details == {"status": status, "reason": "Because"}


@pytest.mark.parametrize(
    ("body", "expected_text"),
    [(b"<html>Bad Gateway</html>", "<html>Bad Gateway"), ([], "no explanation"), ({}, "no explanation")],
)
def test_an_error_that_is_no_status_is_shown_as_it_is(api: FakeApi, body: t.Any, expected_text: str) -> None:
    api.script("GET", SHOP, *[Answer(body, 500)] * TRIES)
    with pytest.raises(ApiError, match=expected_text):
        api.client().get(SHOP)


def test_an_answer_that_is_no_json_is_a_sentence(api: FakeApi) -> None:
    """A proxy's login page comes with 200."""
    api.script("GET", SHOP, Answer(b"<html>log in</html>"))
    with pytest.raises(ClusterError, match="not JSON"):
        api.client().get(SHOP)


def test_an_empty_answer_is_an_empty_object(api: FakeApi) -> None:
    api.script("DELETE", SHOP, Answer(b""))
    assert api.client().request("DELETE", SHOP) == {}


def test_traffic_counts_what_was_done(api: FakeApi) -> None:
    client = api.client()
    client.get(SHOP)
    client.merge(SHOP, {"metadata": {}}, dry_run=True)
    client.merge(SHOP, {"metadata": {}})
    client.apply(SHOP, {"metadata": {}}, manager="m")
    assert client.request_counts == RequestCounts(reads=1, writes=1, dry_runs=2)


@pytest.mark.parametrize("answer", [failure(403), failure(409), failure(422)])
def test_a_refused_write_is_no_write(api: FakeApi, answer: Answer) -> None:
    api.script("PATCH", SHOP, answer)
    client = api.client()
    with pytest.raises(ApiError):
        client.merge(SHOP, {})
    assert client.request_counts.writes == 0


def test_writes_name_their_field_manager(api: FakeApi) -> None:
    client = api.client()
    client.merge(SHOP, {})
    client.apply(SHOP, {}, manager="istio-operator")
    assert [seen.query["fieldManager"] for seen in api.seen] == ["meshops.istio", "istio-operator"]
    assert [seen.headers["Content-Type"] for seen in api.seen] == [MERGE_PATCH, APPLY_PATCH]
    assert api.seen[1].query["dryRun"] == "All"


def test_login_and_impersonation_are_sent_with_every_request(api: FakeApi) -> None:
    api.client(api_key="key", impersonate_user="ops", impersonate_groups=("a", "b")).get(SHOP)
    headers = api.seen[0].headers
    assert (headers["Authorization"], headers["Impersonate-User"]) == ("Bearer key", "ops")
    assert headers.get_all("Impersonate-Group") == ["a", "b"]


def test_an_address_that_swallows_packets_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.1)
    monkeypatch.setattr(retries_module, "backoff_seconds", lambda *dummy: 0)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for dummy in range(4):
            # No thread accepts these, so a client that connects after them gets no answer.
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        client = Client(Connection(host=f"http://127.0.0.1:{server.getsockname()[1]}"), timeout=60)
        begin = time.monotonic()
        with pytest.raises(ClusterError, match="cannot be reached"):
            client.get(SHOP)
    assert time.monotonic() - begin < 30
