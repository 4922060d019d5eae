# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends HTTP requests to a port of a pod, through the port-forward of the API server.

Protocol: Kubernetes, k8s.io/kubelet/pkg/cri/streaming/portforward/websocket.go. One port has two channels, data and
errors; the first message on each only repeats the port's number. The API server does not
forward the end of the pod's stream, so the end of an answer is known only from
its Content-Length.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import time
import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import PodError

with contextlib.suppress(ImportError):  # client/auth.py reports that the kubernetes library is missing
    import websocket

PROTOCOL = "v4.channel.k8s.io"
DATA, ERRORS = 0, 1


class _Stream(io.RawIOBase):
    """The bytes that a pod sends, read from the messages of one websocket until a deadline."""

    def __init__(self, socket: t.Any, deadline: float) -> None:
        self._socket = socket
        self._deadline = deadline
        self._buffered = b""
        self._opened: set[int] = set()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any) -> int:
        while not self._buffered:
            self._buffered = self._next()
        size = min(len(buffer), len(self._buffered))
        buffer[:size], self._buffered = self._buffered[:size], self._buffered[size:]
        return size

    def _next(self) -> bytes:
        seconds = self._deadline - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("it did not answer in time")
        self._socket.settimeout(seconds)
        message = self._socket.recv()
        if not message:
            raise ConnectionError("the API server ended the port-forward")
        channel, data = message[0], bytes(message[1:])
        if channel not in self._opened:
            self._opened.add(channel)
            return b""
        if channel == ERRORS and data:
            raise ConnectionError(data.decode(errors="replace").strip())
        return data if channel == DATA else b""

    def makefile(self, dummy: str) -> io.BufferedReader:
        """Return the file object that http.client reads from."""
        return io.BufferedReader(self)


def get_from_pod(client: Client, namespace: str, pod: str, port: int, path: str, *, timeout: float) -> bytes:
    """Return the body of a pod's answer to one GET request.

    Raises:
        ApiError: (or a subclass) the API server refused the port-forward.
        ClusterError: the API server cannot be reached.
        PodError: the pod cannot be reached, did not answer in time, or answered with an error.
    """
    doing = f"Querying pod {namespace}/{pod} for {path} on port {port}"
    deadline = time.monotonic() + timeout
    forward_path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
    socket = client.open_websocket(forward_path, doing=doing, protocol=PROTOCOL, timeout=timeout, ports=port)
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
