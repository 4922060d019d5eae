# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One real cluster seen as many: answers are asked for once and kept, and only the identity differs."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3

from ansible_collections.meshops.istio.plugins.module_utils.client._auth import auth_headers, connection, open_pool
from lab import Cluster


class Server(ThreadingHTTPServer):
    """Takes the connections of all workers at once; five, as by default, would let some of them try again after 1 s."""

    request_queue_size = 256
    daemon_threads = True


class Mirror:
    """Serves ``/cluster-N/...`` for any N; reads only."""

    def __init__(self, cluster: Cluster) -> None:
        conn = connection({"kubeconfig": str(cluster.kubeconfig), "context": cluster.context})
        self._configuration, self._pool = open_pool(conn)
        self._login = auth_headers(self._configuration, conn)
        self._uid = cluster.uid.encode()
        self._server = cluster.server
        self._kept: dict[tuple[str, str], tuple[int, str, bytes]] = {}
        self._door = threading.Lock()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                dummy, number, path = self.path.split("/", 2)
                status, kind, body = mirror.answer(f"/{path}", self.headers.get("Accept", "*/*"))
                body = body.replace(mirror._uid, f"{number}-{mirror._uid.decode()[-12:]}".encode())
                head = f"HTTP/1.1 {status} OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body)

            def log_message(self, *dummy: object) -> None:
                """Say nothing."""

        self._http = Server(("127.0.0.1", 0), Handler)

    def url(self, number: int) -> str:
        """Where a cluster is."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/cluster-{number}"

    def answer(self, path: str, accept: str) -> tuple[int, str, bytes]:
        """What the real API server said to the same request."""
        with self._door:
            if (path, accept) not in self._kept:
                found: urllib3.BaseHTTPResponse = self._pool.request(
                    "GET", self._server + path, headers={**self._login, "Accept": accept}
                )
                self._kept[path, accept] = found.status, found.headers.get("Content-Type", ""), found.data
            return self._kept[path, accept]

    def __enter__(self) -> Mirror:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *dummy: object) -> None:
        self._http.shutdown()
        self._http.server_close()
