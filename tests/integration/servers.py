# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that stand in for others in tests of restarts: one fixed answer, and connections that are cut."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lab import Cluster

Json = dict[str, Any]


@contextlib.contextmanager
def serving(status: int, body: Json) -> Iterator[str]:
    """A server that always gives one answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_dummy: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def answer(value: str) -> Json:
    """The answer of Prometheus."""
    return {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [0, value]}]}}


class Cutter:
    """Stands between a client and the API server, and cuts all connections every two seconds."""

    def __init__(self, cluster: Cluster) -> None:
        host, _colon, port = cluster.server.removeprefix("https://").partition(":")
        self.there = (host, int(port))
        self.cuts = 0
        self.open: list[socket.socket] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.ended = threading.Event()
        for work in (self._accept, self._cut):
            threading.Thread(target=work, daemon=True).start()

    @property
    def url(self) -> str:
        """Where to go instead of the API server."""
        return f"https://127.0.0.1:{self.server.getsockname()[1]}"

    def _accept(self) -> None:
        while not self.ended.is_set():
            try:
                here, _address = self.server.accept()
                there = socket.create_connection(self.there)
            except OSError:
                return
            self.open += [here, there]
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    def _copy(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cut(self) -> None:
        while not self.ended.wait(2.0):
            for end in self.open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            self.cuts += 1
            self.open = []

    def close(self) -> None:
        """End it."""
        self.ended.set()
        self.server.close()
