# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends GET requests to other URLs than the API server, with verified certificates and the environment's proxies."""

from __future__ import annotations

import concurrent.futures
import threading
import time
import typing as t
from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ProbeError
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import basic, login_of

try:
    import urllib3
    from urllib3.exceptions import HTTPError, LocationValueError
except ImportError:
    pass  # client/auth.py reports that the kubernetes library, which brings it, is missing

#: Default limit of an answer in bytes.
MAX_BODY = 4 * 1024 * 1024
CHUNK = 64 * 1024


def url_without_login(url: str) -> str:
    """Return a URL for messages, without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def usable(url: str) -> bool:
    """Return whether a URL has a scheme, host and port that requests can be sent to."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def fetch(
    url: str,
    *,
    timeout: float,
    ca_path: str | None = None,
    headers: Mapping[str, str] | None = None,
    max_body: int = MAX_BODY,
) -> tuple[int, bytes]:
    """Return status and body of a GET. Redirects are not followed, so that a token is sent to no other server.

    Args:
        timeout: seconds for the whole request, including name resolution and a body that arrives byte by byte.
        max_body: bytes of the body to wait for; with 0 only the status is read.

    Raises:
        ProbeError: no answer arrives within the timeout.
    """
    answer: concurrent.futures.Future[tuple[int, bytes]] = concurrent.futures.Future()

    def run() -> None:
        try:
            answer.set_result(_get(url, timeout, ca_path, headers or {}, max_body))
        except (HTTPError, OSError, ValueError) as exc:
            answer.set_exception(exc)

    # A server that sends a byte now and then would never exceed a timeout of the socket.
    threading.Thread(target=run, daemon=True, name="probe").start()
    try:
        return answer.result(timeout)
    except concurrent.futures.TimeoutError as exc:
        raise ProbeError(f"{url_without_login(url)} does not answer within {timeout:g} s.") from exc
    except (LocationValueError, UnicodeError):
        # The proxy of the environment may be an invalid URL, whose text may hold a password.
        raise ProbeError(
            f"{url_without_login(url)} cannot be queried: its URL, or that of its proxy, is invalid."
        ) from None
    except (HTTPError, OSError) as exc:
        raise ProbeError(f"{url_without_login(url)} does not answer: {exc}") from exc
    except ValueError:
        # The text of http.client's error repeats the refused header, which may be the login.
        raise ProbeError(
            f"{url_without_login(url)} cannot be queried: a header has a character that HTTP forbids."
        ) from None


def _get(url: str, timeout: float, ca_path: str | None, headers: Mapping[str, str], max_body: int) -> tuple[int, bytes]:
    parts = urlsplit(url)
    options: dict[str, t.Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": ca_path} if parts.scheme == "https" else {}
    proxy = getproxies().get(parts.scheme) if not proxy_bypass(parts.hostname or "") else None
    login, proxy_login = login_of(url), login_of(proxy or "")
    if proxy_login:
        options["proxy_headers"] = {"proxy-authorization": basic(*proxy_login)}
    pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    sent = dict(headers)
    if login:
        sent["authorization"] = basic(*login)
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    end = time.monotonic() + timeout
    try:
        with pool.request(
            "GET", url, headers=sent, timeout=timeout, retries=False, redirect=False, preload_content=False
        ) as response:
            body = b""
            while len(body) < max_body and time.monotonic() < end:
                part = response.read(min(max_body - len(body), CHUNK))
                if not part:
                    break
                body += part
            return int(response.status), body
    finally:
        pool.clear()
