# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP server of the fake API: one for all clusters of a process, with watches and port-forwards."""

from __future__ import annotations

import functools
import json
import sys
import threading
import typing as t
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from unit.support.api_answers import Answer, Seen
from unit.support.fake_pod import DATA, GREETINGS, frame, read_frame, upgraded

#: Bytes of a port-forward in one message.
FRAME = 32768


class Cluster(t.Protocol):
    """A cluster that answers requests."""

    def answer(self, seen: Seen) -> Answer:
        """Answer one request."""


#: The clusters that are there now; one server serves them all, as starting one for each test takes its time.
CLUSTERS: dict[str, Cluster] = {}


@functools.cache
def server_port() -> int:
    """Port of the server of this process."""
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A client may go away before its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        key, dummy, path = split.path.removeprefix("/").partition("/")
        body = json.loads(raw) if raw else None
        seen = Seen(self.command, f"/{path}", dict(parse_qsl(split.query)), self.headers, body)
        # a watch may outlive its test
        answer = CLUSTERS[key].answer(seen) if key in CLUSTERS else Answer(broken=True)
        if answer.broken:
            self.close_connection = True
            return
        if answer.forwarded is not None:
            self._forward(answer.forwarded)
            return
        self.send_response(answer.status)
        for key, value in answer.headers.items():
            self.send_header(key, value)
        if answer.chunks:
            self._stream(answer.chunks)
            return
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _forward(self, body: bytes) -> None:
        self.send_response(101)
        for key, value in upgraded(self.headers["Sec-WebSocket-Key"]).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.flush()
        read_frame(self.rfile)
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        parts = ((DATA, whole[at : at + FRAME]) for at in range(0, len(whole), FRAME))
        for message in (*GREETINGS, *parts):
            self.wfile.write(frame(message))
        self.wfile.flush()
        self.rfile.read(1)
        self.close_connection = True

    def _stream(self, chunks: tuple[bytes, ...]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in (*chunks, b""):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names are the base class's

    def log_message(self, *dummy: t.Any) -> None:
        """Say nothing."""
