# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a URL that is no API server, with verified certificates and the usual proxies."""

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
    pass  # _auth reports the kubernetes library, which brings urllib3

#: Nobody needs more of an answer than this.
MOST = 4 * 1024 * 1024
CHUNK = 64 * 1024


def shown(url: str) -> str:
    """Return a URL for messages, without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def usable(url: str) -> bool:
    """Return whether a URL can be asked at all."""
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
    most: int = MOST,
) -> tuple[int, bytes]:
    """Return status and body of a GET. A redirect is an answer like any other, so that a token goes nowhere else.

    Args:
        timeout: seconds for all of it, the look-up of the name and a body that comes byte by byte included.
        most: bytes of the body that are waited for; with 0 the status is the answer.

    Raises:
        ProbeError: there is no answer within the time.
    """
    answer: concurrent.futures.Future[tuple[int, bytes]] = concurrent.futures.Future()

    def ask() -> None:
        try:
            answer.set_result(_ask(url, timeout, ca_path, headers or {}, most))
        except (HTTPError, OSError, ValueError) as exc:
            answer.set_exception(exc)

    # whoever sends a byte now and then would hold a timeout of the socket off for ever
    threading.Thread(target=ask, daemon=True, name="probe").start()
    try:
        return answer.result(timeout)
    except concurrent.futures.TimeoutError as exc:
        raise ProbeError(f"{shown(url)} does not answer within {timeout:g} s.") from exc
    except (LocationValueError, UnicodeError):
        # such as a proxy of the environment that is no URL; its text may hold a password
        raise ProbeError(f"{shown(url)} cannot be asked: its URL, or that of the proxy to it, is none.") from None
    except (HTTPError, OSError) as exc:
        raise ProbeError(f"{shown(url)} does not answer: {exc}") from exc
    except ValueError:
        # http.client repeats the header that it refuses, which may be the login
        raise ProbeError(f"{shown(url)} cannot be asked: a header has a character that HTTP forbids.") from None


def _ask(url: str, timeout: float, ca_path: str | None, headers: Mapping[str, str], most: int) -> tuple[int, bytes]:
    parts = urlsplit(url)
    options: dict[str, t.Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": ca_path} if parts.scheme == "https" else {}
    proxy = getproxies().get(parts.scheme) if not proxy_bypass(parts.hostname or "") else None
    login, through = login_of(url), login_of(proxy or "")
    if through:
        options["proxy_headers"] = {"proxy-authorization": basic(*through)}
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
            while len(body) < most and time.monotonic() < end:
                part = response.read(min(most - len(body), CHUNK))
                if not part:
                    break
                body += part
            return int(response.status), body
    finally:
        pool.clear()
