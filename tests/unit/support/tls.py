# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An API server behind TLS that wants a client certificate, and a kubeconfig with everything in it."""

from __future__ import annotations

import base64
import dataclasses
import json
import ssl
import threading
import typing as t
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from unit.support.certificates import at_home

Json = dict[str, t.Any]


@dataclasses.dataclass
class Secured:
    """One server; ``answer`` gives status and body by the path and the headers, and may take its time."""

    cert: bytes
    key: bytes
    port: int = 0
    seen: list[str] = dataclasses.field(default_factory=list)
    #: Serial numbers of the client certificates, by connection.
    clients: list[int] = dataclasses.field(default_factory=list)
    answer: Callable[[str, Message], tuple[int, Json]] = lambda *dummy: (403, {"message": "not you"})

    @property
    def url(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"

    def kubeconfig(self, path: Path, **user: t.Any) -> str:
        """A kubeconfig whose user has these fields, by default a certificate with its key."""
        data = {name: base64.b64encode(pem).decode() for name, pem in (("cert", self.cert), ("key", self.key))}
        user = user or {"client-certificate-data": data["cert"], "client-key-data": data["key"]}
        cluster = {"server": self.url, "certificate-authority-data": data["cert"]}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": user}],
        }
        path.write_text(json.dumps(document), encoding="utf-8")
        return str(path)


@contextmanager
def secured(folder: Path, *others: bytes) -> Iterator[Secured]:
    """A server that runs; it trusts its own certificate and others."""
    found = Secured(*at_home())
    pems = folder / "server.pem", folder / "trusted.pem"
    pems[0].write_bytes(found.cert + found.key)
    pems[1].write_bytes(b"".join((found.cert, *others)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pems[0])
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(pems[1])

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            peer = self.connection.getpeercert()  # type: ignore[attr-defined]
            found.clients.append(int(peer["serialNumber"], 16) if peer else 0)
            found.seen.append(self.path)
            status, body = found.answer(self.path, self.headers)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *dummy: t.Any) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *dummy: t.Any) -> None:
            """A client may go away before its answer."""

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    found.port = int(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
