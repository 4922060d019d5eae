# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends HTTP requests and opens websockets to one API server: login, retries, and the guard of writes."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Mapping
from urllib.parse import urlencode

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.request_kinds import RequestCounts, is_write
from ansible_collections.meshops.istio.plugins.module_utils.client.retries import (
    Retries,
    is_repeatable,
    is_transient,
    was_closed_during_tls,
)
from ansible_collections.meshops.istio.plugins.module_utils.client.session import Session
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, api_error, status_of
from ansible_collections.meshops.istio.plugins.module_utils.common.safe_names import require_path

try:
    import urllib3
    import websocket
    from urllib3.exceptions import HTTPError, SSLError
except ImportError:
    pass  # client/auth.py reports that the kubernetes library, which brings both, is missing

TRIES = 6
#: Limit for each try to connect to an address that does not respond; a server that is up connects within a second.
CONNECT_SECONDS = 10.0
USER_AGENT = "meshops.istio"
UNSENDABLE = (
    "the request cannot be sent, because its URL or a header, such as the login, has a character that HTTP forbids."
)


class Transport:
    """The connections to one cluster's API server. Thread safe; retries requests that are safe to send again."""

    def __init__(self, conn: Connection, tries: int = TRIES) -> None:
        self.connection = conn
        self.request_counts = RequestCounts()
        #: Called before each try of a request that changes an object.
        self.before_write: Callable[[], None] = lambda: None
        self._tries = tries
        self._session = Session(conn)

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self._session.server

    @property
    def tls_warning(self) -> str:
        """A sentence about what an attacker on the way to the server could do, or an empty text."""
        return self._session.tls_warning

    @property
    def secrets(self) -> set[str]:
        """Texts of the kubeconfig that must not be shown."""
        return self._session.secrets

    def _headers(self, more: Mapping[str, str]) -> t.Any:
        login = self._session.headers()
        headers = urllib3.HTTPHeaderDict({"Accept": "application/json", "User-Agent": USER_AGENT, **more, **login})
        for group in self.connection.impersonate_groups:
            headers.add("Impersonate-Group", group)
        return headers

    def send(
        self,
        doing: str,
        method: str,
        path: str,
        params: Mapping[str, t.Any],
        *,
        timeout: float,
        tries: int | None = None,
        headers: Mapping[str, str] | None = None,
        **options: t.Any,
    ) -> t.Any:
        """Send a request, again if the server turned it away or a read lost its connection; return the response."""
        require_path(path)
        url = self.server + path + ("?" + urlencode(params) if params else "")
        limits = urllib3.Timeout(connect=min(CONNECT_SECONDS, timeout), read=timeout)
        repeatable, writes = is_repeatable(method, params), is_write(method, path, params)
        retries = Retries(tries or self._tries)
        login_refused = False
        while True:
            sent = self._headers(headers or {})
            login = self._session.renewals
            if writes:
                # The condition that allowed the first try, such as a lock, may have ended meanwhile.
                self.before_write()
            retries.begin_try()
            try:
                response = self._session.pool.request(
                    method, url, retries=False, timeout=limits, headers=sent, **options
                )
            except (HTTPError, OSError) as exc:
                time.sleep(self._pause_after_error(doing, exc, retries if repeatable else None))
                continue
            except ValueError:
                # The text of http.client's error repeats the refused header, which may be the login.
                raise ClusterError(f"{doing} failed: {UNSENDABLE}") from None
            if response.status == 401 and not login_refused and self._session.renew(login):
                # The login may have expired meanwhile. A server that does not accept it carried out nothing.
                login_refused = True
                retries.uncount_last_try()
                response.drain_conn()
                continue
            pause = _pause_after(response, repeatable, retries)
            if pause is None:
                if method == "GET" or response.status < 400:
                    self.request_counts.count(method, path, params)
                return response
            response.drain_conn()
            time.sleep(pause)

    def _pause_after_error(self, doing: str, exc: Exception, retries: Retries | None) -> float:
        """Return the seconds to wait after a broken connection; without ``retries`` there must be no other try.

        Raises:
            ClusterError: the request is not sent again.
        """
        if isinstance(exc, SSLError) and not was_closed_during_tls(exc):
            raise ClusterError(f"{doing} failed: TLS to {self.server} was refused: {exc}") from exc
        pause = retries.pause() if retries else None
        if pause is None:
            raise ClusterError(f"{doing} failed: {self.server} cannot be reached: {exc}") from exc
        return pause

    def open_websocket(self, path: str, *, doing: str, protocol: str, timeout: float, **params: t.Any) -> t.Any:
        """Return an open websocket of websocket-client, with the proxy, certificates and login of other requests.

        Raises:
            ApiError: (or a subclass) the server answered with an error status.
            ClusterError: the server cannot be reached.
        """
        doing = f"{doing} on cluster {self.connection.label}"
        require_path(path)
        url = "ws" + self.server.removeprefix("http") + path + "?" + urlencode(params)
        for last in (False, True):
            headers = [f"{name}: {value}" for name, value in self._headers({"Accept": "*/*"}).iteritems()]
            login = self._session.renewals
            try:
                socket = websocket.create_connection(
                    url,
                    timeout=timeout,
                    header=headers,
                    subprotocols=[protocol],
                    redirect_limit=0,
                    **self._session.websocket_options(),
                )
                break
            except websocket.WebSocketBadStatusException as exc:
                if exc.status_code == 401 and not last and self._session.renew(login):
                    continue
                raise api_error(doing, exc.status_code, status_of(exc.resp_body or b"")) from exc
            except (websocket.WebSocketException, OSError) as exc:
                raise ClusterError(f"{doing} failed: {self.server} cannot be reached: {exc}") from exc
            except ValueError:
                raise ClusterError(f"{doing} failed: {UNSENDABLE}") from None
        self.request_counts.count("GET", path, params)
        return socket


def _pause_after(response: t.Any, repeatable: bool, retries: Retries) -> float | None:
    """Return the seconds to wait after an answer that is transient, or None if it is final."""
    body = response.data if response.status == 500 else b""
    if not is_transient(response.status, repeatable, body):
        return None
    return retries.pause(response.headers.get("Retry-After"))
