# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Kubernetes client: raw JSON over kept-alive connections."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from .errors import ApiError
from .pki import KeyPair

Json = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Client:
    """A client of one API server with one user. It is safe for several threads."""

    def __init__(self, server: str, ca: Path, user: KeyPair) -> None:
        self._server = server
        self._pool = urllib3.connection_from_url(
            server,
            maxsize=8,
            ca_certs=str(ca),
            cert_file=str(user.certificate),
            key_file=str(user.key),
            retries=False,
        )

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        content_type: str | None = None,
        timeout: float = 60.0,
    ) -> Json:
        """Send one request and return the decoded answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = content_type or ("application/json" if method != "PATCH" else MERGE_PATCH)
        try:
            answer = self._pool.request(method, _url(path, params), body=data, headers=headers, timeout=timeout)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{method} {self._server}{path}: {error}") from error
        return _decode(answer.status, answer.data)

    def watch(self, path: str, version: str, params: Mapping[str, Any] | None = None) -> Iterator[tuple[str, Json]]:
        """Yield (type, object) until the server ends the stream."""
        query = {**(params or {}), "watch": "1", "resourceVersion": version, "allowWatchBookmarks": "1"}
        timeout = urllib3.Timeout(connect=5.0, read=None)
        try:
            answer = self._pool.request("GET", _url(path, query), preload_content=False, timeout=timeout)
            if answer.status != 200:
                _decode(answer.status, answer.read())
            try:
                for event in _lines(answer):
                    yield event["type"], event["object"]
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"watch {path}: {error}") from error


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[Json]:
    rest = b""
    for chunk in answer.stream(65536):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line:
                yield json.loads(line)


def _url(path: str, params: Mapping[str, Any] | None) -> str:
    if not params:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(params)}"


def _decode(status: int, data: bytes) -> Json:
    try:
        content = json.loads(data) if data else {}
    except ValueError:
        content = data.decode(errors="replace")
    if not isinstance(content, dict):
        content = {"text": data.decode(errors="replace")}
    if status >= 400:
        raise ApiError(status, str(content.get("message") or content.get("text") or status))
    return content
