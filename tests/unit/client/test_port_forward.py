# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTP through a port-forward: how an answer ends, what is sent along, and errors that are sentences."""

from __future__ import annotations

import socket
import time

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.port_forward import get_from_pod
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, ForbiddenError, MeshError
from unit.support.fake_pod import DATA, ERRORS, Message, fake_pod

HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = (DATA, HEAD + b"Content-Length: 5\r\n\r\nhello")
REFUSED = b'{"kind": "Status", "reason": "Forbidden", "message": "pods is forbidden"}'


def ask(client: Client, timeout: float = 5.0) -> bytes:
    return get_from_pod(client, "istio-system", "istiod-0", 15014, "/debug/syncz", timeout=timeout)


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([WHOLE], id="in one message"),
        pytest.param([(DATA, WHOLE[1][i : i + 1]) for i in range(len(WHOLE[1]))], id="byte by byte"),
        pytest.param([(DATA, b""), (ERRORS, b""), WHOLE], id="with empty messages"),
        pytest.param(
            [(DATA, HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel"), (DATA, b"\r\n2\r\nlo\r\n0\r\n\r\n")],
            id="in chunks",
        ),
    ],
)
def test_an_answer_ends_where_it_says_so(messages: list[Message]) -> None:
    with fake_pod(*messages) as pod:
        assert ask(pod.client()) == b"hello"
    assert pod.requests[0].startswith(b"\0GET /debug/syncz HTTP/1.1\r\nHost: localhost:15014\r\n")


def test_login_and_impersonation_are_sent_along() -> None:
    with fake_pod(WHOLE) as pod:
        client = pod.client(api_key="secret", impersonate_user="jane", impersonate_groups=("ops", "sre"))
        assert ask(client) == b"hello"
    lines = pod.heads[0].split("\r\n")
    assert lines[0] == "GET /api/v1/namespaces/istio-system/pods/istiod-0/portforward?ports=15014 HTTP/1.1"
    login = [line for line in lines if line.startswith(("Authorization", "Impersonate"))]
    assert sorted(login) == [
        "Authorization: Bearer secret",
        "Impersonate-Group: ops",
        "Impersonate-Group: sre",
        "Impersonate-User: jane",
    ]
    assert client.request_counts.reads == 1
    assert client.request_counts.writes == 0


def test_the_proxy_of_the_connection_is_used() -> None:
    with fake_pod(refusal=b"HTTP/1.1 407 Login\r\n\r\n") as proxy:
        with pytest.raises(ClusterError, match="cannot be reached"):
            ask(Client(Connection(host="http://far.invalid", proxy=proxy.url)))
        assert proxy.heads[0].startswith("CONNECT far.invalid:80 ")


def test_a_proxy_of_the_environment_is_left_to_the_kubernetes_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    with fake_pod(WHOLE) as pod:
        client = pod.client()
        monkeypatch.delenv("no_proxy")
        assert ask(client) == b"hello"


@pytest.mark.parametrize(
    ("messages", "expected_text"),
    [
        pytest.param([(ERRORS, b"nothing listens there\n")], "nothing listens there", id="no port"),
        pytest.param([(DATA, b"SSH-2.0-OpenSSH\r\n")], "SSH-2.0", id="no HTTP"),
        pytest.param([(DATA, b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno")], "HTTP 401: no", id="401"),
    ],
)
def test_errors_of_the_pod_are_sentences(messages: list[Message], expected_text: str) -> None:
    with fake_pod(*messages) as pod, pytest.raises(ClusterError) as caught:
        ask(pod.client())
    assert caught.value.message.startswith(
        "Querying pod istio-system/istiod-0 for /debug/syncz on port 15014 on cluster"
    )
    assert expected_text in caught.value.message


def test_half_an_answer_is_an_error_in_time() -> None:
    started = time.monotonic()
    with (
        fake_pod((DATA, HEAD + b"Content-Length: 50\r\n\r\nhello")) as pod,
        pytest.raises(ClusterError, match="failed"),
    ):
        ask(pod.client(), timeout=0.3)
    assert time.monotonic() - started < 3


def test_an_end_in_the_middle_is_an_error() -> None:
    with fake_pod((DATA, HEAD + b"Content-Length: 50\r\n\r\nhello"), ends=True) as pod, pytest.raises(ClusterError):
        ask(pod.client())


@pytest.mark.parametrize(
    ("status", "kind"), [("403 Forbidden", ForbiddenError), ("500 Broken", MeshError), ("302 Found", MeshError)]
)
def test_a_refusal_of_the_api_server_is_its_status(status: str, kind: type[MeshError]) -> None:
    answer = f"HTTP/1.1 {status}\r\nLocation: http://far.invalid/\r\nContent-Length: {len(REFUSED)}\r\n\r\n"
    with fake_pod(refusal=answer.encode() + REFUSED) as pod, pytest.raises(kind):
        ask(pod.client())


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    with pytest.raises(ClusterError, match="cannot be reached"):
        ask(Client(Connection(host=url)))
