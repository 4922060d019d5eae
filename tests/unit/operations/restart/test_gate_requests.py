# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests of gates: the timeout of an answer, logins, and the proxy of the environment."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.http_get import fetch, url_without_login, usable
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, ProbeError
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import Endpoint, HttpGate
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE, check
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart import gate_queries
from unit.support import builders as b
from unit.support.gates import serving
from unit.support.running import params


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
        assert gate_queries.check_http(HttpGate(Endpoint(url, 5))) == []


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
        assert gate_queries.check_http(HttpGate(Endpoint(url.replace("//", f"//{login}"), 5, **options))) == []
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
    assert url_without_login(url) == expected


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
