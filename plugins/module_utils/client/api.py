# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verbs of the Kubernetes API as raw JSON: no typed models, no discovery."""

from __future__ import annotations

import contextlib
import json
import typing as t
from collections.abc import Callable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.transport import TRIES, Transport
from ansible_collections.meshops.istio.plugins.module_utils.client.watch_events import Event, read_events
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ClusterError,
    GoneError,
    api_error,
    status_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import parse_json_answer
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import FIELD_MANAGER, Json

with contextlib.suppress(
    ImportError
):  # client/auth.py reports that the kubernetes library, which brings it, is missing
    from urllib3.exceptions import HTTPError

T = t.TypeVar("T")

MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
#: Objects per page of a list. At most eight pages are in memory at a time, and an injected pod has about 12 kB.
PAGE_SIZE = 125
#: How long a node may take to return a log.
LOG_SECONDS = 5.0


class Client(Transport):
    """Reads and changes the objects of one cluster."""

    def __init__(self, conn: Connection, timeout: float = 30.0, tries: int = TRIES) -> None:
        super().__init__(conn, tries)
        #: The API server's clock in its last answer, as an HTTP date.
        self.server_date = ""
        self._timeout = timeout

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
        timeout: float | None = None,
    ) -> Json:
        """Send one request and return the JSON answer.

        Args:
            doing: the name of the request in errors, such as "Reading namespaces".
            timeout: seconds to connect, and seconds to wait for the answer; such a request is not sent again.

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
        limit, tries = (self._timeout, None) if timeout is None else (timeout, 1)
        response = self.send(doing, method, path, query, body=data, headers=headers, timeout=limit, tries=tries)
        self.server_date = response.headers.get("Date") or self.server_date
        raw = response.data
        if response.status >= 400:
            raise api_error(doing, response.status, status_of(raw))
        try:
            return t.cast("Json", parse_json_answer(raw)) if raw else {}
        except ValueError as exc:
            raise ClusterError(f"{doing} failed: {self.server} answered with something that is not JSON.") from exc

    def text(self, path: str, *, doing: str, **params: t.Any) -> str:
        """Return an answer that is not JSON, such as a log. The request is sent once, because a node may be gone."""
        doing = f"{doing} on cluster {self.connection.label}"
        headers = {"Accept": "*/*"}
        response = self.send(doing, "GET", path, params, tries=1, headers=headers, timeout=LOG_SECONDS)
        if response.status >= 400:
            raise api_error(doing, response.status, status_of(response.data))
        return str(response.data.decode(errors="replace"))

    def get(self, path: str, *, doing: str = "", accept: str = "application/json") -> Json:
        """Return one object."""
        return self.request("GET", path, doing=doing, accept=accept)

    def pages(self, path: str, *, doing: str = "", metadata: bool = False, **params: t.Any) -> Iterator[Json]:
        """Yield list answers page by page."""
        accept = METADATA_ONLY if metadata else "application/json"
        query = {"limit": PAGE_SIZE, **params}
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
        """Return what ``each`` returns for each item of a list, and the resource version of the list.

        The list is read page by page. If the server has compacted a page away, the whole list is read again, once.
        """
        for attempt in (1, 2):
            items: list[T] = []
            version = ""
            try:
                for page in self.pages(path, doing=doing, metadata=metadata, **params):
                    items += [each(item) for item in page.get("items") or []]
                    version = page["metadata"].get("resourceVersion", "")
            except GoneError:
                if attempt == 2:
                    raise
            else:
                return items, version
        raise AssertionError("unreachable")

    def list(self, path: str, *, doing: str = "", metadata: bool = False, **params: t.Any) -> list[Json]:
        """Return all items of a list."""
        return self.collect(path, lambda item: item, doing=doing, metadata=metadata, **params)[0]

    def merge(
        self, path: str, patch: Json, *, doing: str = "", dry_run: bool = False, timeout: float | None = None
    ) -> Json:
        """Merge-patch one object."""
        params = {"fieldManager": FIELD_MANAGER, **({"dryRun": "All"} if dry_run else {})}
        return self.request(
            "PATCH", path, doing=doing, body=patch, params=params, content_type=MERGE_PATCH, timeout=timeout
        )

    def apply(self, path: str, obj: Json, *, manager: str, doing: str = "", dry_run: bool = True) -> Json:
        """Apply one object server-side with force; by default only as a dry run."""
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
        response = self.send(doing, "GET", path, query, timeout=seconds + 10, preload_content=False)
        try:
            if response.status >= 400:
                raise api_error(doing, response.status, status_of(response.data))
            yield from read_events(response, doing)
        except (HTTPError, OSError) as exc:
            raise ClusterError(f"{doing} broke off: {exc}") from exc
        finally:
            response.close()
