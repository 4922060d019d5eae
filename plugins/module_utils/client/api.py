# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw JSON over the Kubernetes client's connection pool: no typed models, no discovery."""

from __future__ import annotations

import json
import random
import time
import typing as t
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlencode

from ansible_collections.meshops.istio.plugins.module_utils.client.access import Access
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.request_counts import Traffic, changes
from ansible_collections.meshops.istio.plugins.module_utils.client.retries import (
    PATIENCE,
    hung_up,
    repeatable,
    transient,
)
from ansible_collections.meshops.istio.plugins.module_utils.client.watch_events import Event, events
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ClusterError,
    GoneError,
    api_error,
    status_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import decoded
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.safe_names import require_path

try:
    import urllib3
    import websocket
    from urllib3.exceptions import HTTPError, SSLError
except ImportError:
    pass  # _auth reports the kubernetes library, which brings both

T = t.TypeVar("T")

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#: Objects per page of a list: what is in memory at a time is eight pages, of about 12 kB per injected pod.
PAGE = 125
TRIES = 6
#: An address behind which nobody is costs that much for each try; a server that answers connects within one.
CONNECT_SECONDS = 10.0
#: How long a node may take to give a log.
LOG_SECONDS = 5.0
FIELD_MANAGER = "meshops.istio"
UNSENDABLE = "the request cannot be sent, as its URL or a header, such as the login, has a character that HTTP forbids."


class Client:
    """One cluster's API server. Thread safe; retries what is safe to send again."""

    def __init__(self, conn: Connection, timeout: float = 30.0, tries: int = TRIES) -> None:
        self.connection = conn
        self.traffic = Traffic()
        #: Called before each try of a request that changes something.
        self.before_write: Callable[[], None] = lambda: None
        #: What the API server's clock said last, as in the header of an answer.
        self.date = ""
        self._timeout = timeout
        self._tries = tries
        self._access = Access(conn)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self._access.server

    @property
    def warning(self) -> str:
        """What somebody on the way to the server could do, in a sentence, or an empty one."""
        return self._access.warning

    @property
    def secrets(self) -> set[str]:
        """What is in the kubeconfig and must not be shown."""
        return self._access.secrets

    def _headers(self, more: Mapping[str, str]) -> t.Any:
        login = self._access.headers()
        headers = urllib3.HTTPHeaderDict({"Accept": "application/json", "User-Agent": FIELD_MANAGER, **more, **login})
        for group in self.connection.impersonate_groups:
            headers.add("Impersonate-Group", group)
        return headers

    def _send(
        self,
        doing: str,
        method: str,
        path: str,
        params: Mapping[str, t.Any],
        *,
        timeout: float,
        tries: int | None = None,
        headers: Mapping[str, str] | None = None,
        **kw: t.Any,
    ) -> t.Any:
        """Send with retries: everything that the server turned away, and reads whose connection broke."""
        require_path(path)
        tries = tries or self._tries
        url = self.server + path + ("?" + urlencode(params) if params else "")
        limits = urllib3.Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout)
        again, writes = repeatable(method, params), changes(method, path, params)
        began: float | None = None
        refused = False
        attempt = 0
        while True:
            attempt += 1
            sent = self._headers(headers or {})
            login = self._access.renewals
            if writes:
                # what allowed the first try, such as a lock, may have run out meanwhile
                self.before_write()
            began = time.monotonic() if began is None else began
            try:
                response = self._access.pool.request(method, url, retries=False, timeout=limits, headers=sent, **kw)
            except (HTTPError, OSError) as exc:
                if isinstance(exc, SSLError) and not hung_up(exc):
                    raise ClusterError(f"{doing} failed: TLS to {self.server} was refused: {exc}") from exc
                wait = _backoff(attempt, None)
                if attempt >= tries or not again or time.monotonic() - began + wait > PATIENCE:
                    raise ClusterError(f"{doing} failed: {self.server} cannot be reached: {exc}") from exc
                time.sleep(wait)
                continue
            except ValueError:
                # http.client repeats the header that it refuses, which may be the login
                raise ClusterError(f"{doing} failed: {UNSENDABLE}") from None
            if response.status == 401 and not refused and self._access.renew(login):
                # the login may have run out meanwhile; a server that does not accept it did nothing
                refused = True
                attempt -= 1
                response.drain_conn()
                continue
            if attempt < tries and transient(response.status, again, response.data if response.status == 500 else b""):
                wait = _backoff(attempt, response.headers.get("Retry-After"))
                if time.monotonic() - began + wait <= PATIENCE:
                    response.drain_conn()
                    time.sleep(wait)
                    continue
            if method == "GET" or response.status < 400:
                self.traffic.count(method, path, params)
            return response

    def request(
        self,
        method: str,
        path: str,
        *,
        doing: str = "",
        body: Json | None = None,
        params: Mapping[str, t.Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        once: float | None = None,
    ) -> Json:
        """Send one request and return the JSON answer.

        Args:
            doing: how the request is named in an error, such as "Reading namespaces".
            once: seconds to wait for a connection, and for the answer, of a request that is not sent again.

        Raises:
            ApiError: (or a subclass) the server answered with an error status.
            ClusterError: the server cannot be reached.
        """
        doing = f"{doing or method + ' ' + path} on cluster {self.connection.label}"
        headers = {"Accept": accept}
        data = None
        if body is not None:
            headers["Content-Type"] = content_type
            data = json.dumps(body).encode()
        query = dict(params or {})
        timeout, tries = (self._timeout, None) if once is None else (once, 1)
        response = self._send(doing, method, path, query, body=data, headers=headers, timeout=timeout, tries=tries)
        self.date = response.headers.get("Date") or self.date
        raw = response.data
        if response.status >= 400:
            raise api_error(doing, response.status, status_of(raw))
        try:
            return t.cast("Json", decoded(raw)) if raw else {}
        except ValueError as exc:
            raise ClusterError(f"{doing} failed: {self.server} answered with something that is not JSON.") from exc

    def text(self, path: str, *, doing: str, **params: t.Any) -> str:
        """Return an answer that is not JSON, such as a log; it is asked for once, as a node may be gone."""
        doing = f"{doing} on cluster {self.connection.label}"
        headers = {"Accept": "*/*"}
        response = self._send(doing, "GET", path, params, tries=1, headers=headers, timeout=LOG_SECONDS)
        if response.status >= 400:
            raise api_error(doing, response.status, status_of(response.data))
        return str(response.data.decode(errors="replace"))

    def get(self, path: str, *, doing: str = "", accept: str = "application/json") -> Json:
        """Return one object."""
        return self.request("GET", path, doing=doing, accept=accept)

    def pages(self, path: str, *, doing: str = "", metadata: bool = False, **params: t.Any) -> Iterator[Json]:
        """Yield list answers page by page."""
        accept = METADATA_ONLY if metadata else "application/json"
        query = {"limit": PAGE, **params}
        while True:
            page = self.request("GET", path, doing=doing, params=query, accept=accept)
            yield page
            token = page.get("metadata", {}).get("continue")
            if not token:
                return
            query["continue"] = token

    def collect(
        self, path: str, each: Callable[[Json], T], *, doing: str = "", metadata: bool = False, **params: t.Any
    ) -> tuple[list[T], str]:
        """Return what ``each`` makes of all items, page by page, and the resource version of the list.

        A page that the server has compacted away makes the whole list start again, once.
        """
        for attempt in (1, 2):
            found: list[T] = []
            version = ""
            try:
                for page in self.pages(path, doing=doing, metadata=metadata, **params):
                    found += [each(item) for item in page.get("items") or []]
                    version = page["metadata"].get("resourceVersion", "")
            except GoneError:
                if attempt == 2:
                    raise
            else:
                return found, version
        raise AssertionError("unreachable")

    def list(self, path: str, *, doing: str = "", metadata: bool = False, **params: t.Any) -> list[Json]:
        """Return all items of a list."""
        return self.collect(path, lambda item: item, doing=doing, metadata=metadata, **params)[0]

    def merge(
        self, path: str, patch: Json, *, doing: str = "", dry_run: bool = False, once: float | None = None
    ) -> Json:
        """Merge-patch one object."""
        params = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        return self.request("PATCH", path, doing=doing, body=patch, params=params, content_type=MERGE_PATCH, once=once)

    def apply(self, path: str, obj: Json, *, manager: str, doing: str = "", dry_run: bool = True) -> Json:
        """Server-side apply with force; by default only as a dry run."""
        params = {"fieldManager": manager, "force": "true", **({"dryRun": "All"} if dry_run else {})}
        return self.request("PATCH", path, doing=doing, body=obj, params=params, content_type=APPLY_PATCH)

    def watch(self, path: str, *, resource_version: str, seconds: int, **params: t.Any) -> Iterator[Event]:
        """Yield watch events until the server ends the watch.

        Raises:
            GoneError: the resource version is too old; list again and start over.
            ClusterError: the connection broke; resume from the last resource version seen.
        """
        doing = f"Watching {path} on cluster {self.connection.label}"
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": seconds,
            "allowWatchBookmarks": "true",
            **params,
        }
        response = self._send(doing, "GET", path, query, timeout=seconds + 10, preload_content=False)
        try:
            if response.status >= 400:
                raise api_error(doing, response.status, status_of(response.data))
            yield from events(response, doing)
        except (HTTPError, OSError) as exc:
            raise ClusterError(f"{doing} broke off: {exc}") from exc
        finally:
            response.close()

    def open_websocket(self, path: str, *, doing: str, protocol: str, timeout: float, **params: t.Any) -> t.Any:
        """Return an open websocket of websocket-client, reached and logged in like every other request.

        Raises:
            ApiError: (or a subclass) the server answered with an error status.
            ClusterError: the server cannot be reached.
        """
        doing = f"{doing} on cluster {self.connection.label}"
        require_path(path)
        url = "ws" + self.server.removeprefix("http") + path + "?" + urlencode(params)
        for last in (False, True):
            headers = [f"{name}: {value}" for name, value in self._headers({"Accept": "*/*"}).iteritems()]
            login = self._access.renewals
            try:
                found = websocket.create_connection(
                    url,
                    timeout=timeout,
                    header=headers,
                    subprotocols=[protocol],
                    redirect_limit=0,
                    **self._access.websocket_options(),
                )
                break
            except websocket.WebSocketBadStatusException as exc:
                if exc.status_code == 401 and not last and self._access.renew(login):
                    continue
                raise api_error(doing, exc.status_code, status_of(exc.resp_body or b"")) from exc
            except (websocket.WebSocketException, OSError) as exc:
                raise ClusterError(f"{doing} failed: {self.server} cannot be reached: {exc}") from exc
            except ValueError:
                raise ClusterError(f"{doing} failed: {UNSENDABLE}") from None
        self.traffic.count("GET", path, params)
        return found


def _backoff(attempt: int, retry_after: str | None) -> float:
    """Return seconds to wait: what the server asked for (at most 30), else exponential from 0.2 with jitter."""
    if retry_after and retry_after.isdigit():
        return min(float(retry_after), 30.0)
    return min(0.2 * 2.0**attempt, 5.0) * random.uniform(0.5, 1.0)
