# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to a port of a pod, through the port-forward of the API server.

Protocol: Kubernetes, k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go. One port has two channels, data and
errors; the first message on each only repeats the port's number. The end of the pod's side is not passed on, so an
answer ends where its length says.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import time
import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import PodError

with contextlib.suppress(ImportError):  # _auth reports the kubernetes library, which brings it
    import websocket

PROTOCOL = "v4.channel.k8s.io"
DATA, ERRORS = 0, 1


class _Stream(io.RawIOBase):
    """The bytes that a pod sends, read from the messages of one websocket until a deadline."""

    def __init__(self, socket: t.Any, deadline: float) -> None:
        self._socket = socket
        self._deadline = deadline
        self._rest = b""
        self._greeted: set[int] = set()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        while not self._rest:
            self._rest = self._next()
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size

    def _next(self) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("it did not answer in time")
        self._socket.settimeout(left)
        message = self._socket.recv()
        if not message:
            raise ConnectionError("the API server ended the port-forward")
        channel, data = message[0], bytes(message[1:])
        if channel not in self._greeted:
            self._greeted.add(channel)
            return b""
        if channel == ERRORS and data:
            raise ConnectionError(data.decode(errors="replace").strip())
        return data if channel == DATA else b""

    def makefile(self, dummy: str) -> io.BufferedReader:
        """Return what http.client reads from."""
        return io.BufferedReader(self)


def get_from_pod(client: Client, namespace: str, pod: str, port: int, path: str, *, timeout: float) -> bytes:
    """Return the body that a pod answers with to one GET request.

    Raises:
        ApiError: (or a subclass) the API server refused the port-forward.
        ClusterError: the API server cannot be reached.
        PodError: the pod cannot be reached, did not answer in time, or answered with an error.
    """
    doing = f"Asking pod {namespace}/{pod} for {path} on port {port}"
    deadline = time.monotonic() + timeout
    place = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    socket = client.open_websocket(place, doing=doing, protocol=PROTOCOL, timeout=timeout, ports=port)
    answer = http.client.HTTPResponse(t.cast("t.Any", _Stream(socket, deadline)))
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
        socket.send_binary(bytes([DATA]) + request.encode())
        answer.begin()
        body = answer.read()
    except (OSError, http.client.HTTPException, websocket.WebSocketException) as exc:
        raise PodError(f"{doing} on cluster {client.connection.label} failed: {exc}") from exc
    finally:
        answer.close()
        socket.shutdown()
    if answer.status != 200:
        text = body[:200].decode(errors="replace").strip()
        raise PodError(
            f"{doing} on cluster {client.connection.label} failed: it answered with HTTP {answer.status}: {text}"
        )
    return body
