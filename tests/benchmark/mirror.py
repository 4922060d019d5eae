# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve one real cluster as many: each answer is requested once and cached, and only the identity differs.

Real API servers run on other machines. This one runs beside the controller, so it must need almost no CPU time.
"""

from __future__ import annotations

import asyncio
import re
import threading

import urllib3

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import connection
from ansible_collections.meshops.istio.plugins.module_utils.client.session import Session
from lab import Cluster

REQUEST = re.compile(rb"GET /(\S+?)(/\S*) HTTP/1\.1\r\n")
ACCEPT = re.compile(rb"\r\naccept: ([^\r]*)", re.IGNORECASE)


class Mirror:
    """Serves ``/cluster-N/...`` for any N; read-only."""

    def __init__(self, cluster: Cluster) -> None:
        conn = connection({"kubeconfig": str(cluster.kubeconfig), "context": cluster.context})
        self._session = Session(conn)
        self._uid = cluster.uid.encode()
        self._server = cluster.server
        self._cached: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._loop = asyncio.new_event_loop()
        self._port = 0

    def url(self, number: int) -> str:
        """Return the URL of a cluster."""
        return f"http://127.0.0.1:{self._port}/cluster-{number}"

    def answer(self, head: bytes) -> bytes:
        """Return the answer of the real API server to the same request, with another identity."""
        request, accept = REQUEST.match(head), ACCEPT.search(head)
        if not request:
            return b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n"
        key = request[2].decode(), accept[1].decode() if accept else "*/*"
        if key not in self._cached:
            self._cached[key] = self._request(*key)
        head, body = self._cached[key]
        body = body.replace(self._uid, request[1] + b"-" + self._uid[-12:])
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body

    def _request(self, path: str, accept: str) -> tuple[bytes, bytes]:
        response: urllib3.BaseHTTPResponse = self._session.pool.request(
            "GET", self._server + path, headers={**self._session.headers(), "Accept": accept}
        )
        return (
            f"HTTP/1.1 {response.status} OK\r\nContent-Type: {response.headers['Content-Type']}\r\n".encode(),
            response.data,
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self.answer(head))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def __enter__(self) -> Mirror:
        # Accept the connections of all workers at the same time: refused connections would retry after a second.
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024))
        self._port = server.sockets[0].getsockname()[1]
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
