# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restart with gates, and an HTTP server with scripted answers."""

from __future__ import annotations

import contextlib
import json
import threading
import typing as t
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

QUERY = {"query": "errors", "compare": "<", "value": 0.01}


def restart(api: FakeApi, **gates: t.Any) -> b.Json:
    """The result of a restart with gates; failures are held by default."""
    options = {"on_failure": gates.pop("on_failure", "hold"), "batch_timeout": gates.pop("batch_timeout", 5)}
    return task(api, CORE, namespaces=["shop"], batch_size=1, gates={"timeout": 0, **gates}, **options)


def fails(api: FakeApi, **gates: t.Any) -> str:
    """The sentence of a restart whose first batch does not pass; the second was not started."""
    result = restart(api, **gates)
    assert (result["failed"], len(api.writes())) == (True, 1)
    return str(result["msg"])


@contextlib.contextmanager
def serving(*answers: tuple[int, t.Any], seen: list[t.Any] | None = None) -> Iterator[str]:
    """A server that gives some answers in turn, the last one for ever."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            if seen is not None:
                seen.append((self.path, dict(self.headers)))
            data = json.dumps(body).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *dummy: t.Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def vector(*values: str) -> b.Json:
    """The answer to a query."""
    result = [{"metric": {}, "value": [0, value]} for value in values]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}
