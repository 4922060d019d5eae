# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A door to an API server that says another version of Kubernetes, and is the real one in everything else."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lab import ApiError, Cluster


@contextlib.contextmanager
def saying(cluster: Cluster, version: str) -> Iterator[str]:
    """The URL of such a door, open for as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, found = self._ask(json.loads(body) if body else None)
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _ask(self, body: Any) -> tuple[int, Any]:
            if self.path == "/version":
                return 200, {"gitVersion": version}
            kind = self.headers.get("Content-Type")
            try:
                return 200, cluster.request(self.command, self.path, body, content_type=kind)
            except ApiError as error:
                return error.status, {"kind": "Status", "code": error.status, "message": str(error)}

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names are the base class's

        def log_message(self, *dummy: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
