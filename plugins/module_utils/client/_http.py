# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Asks a URL that is no API server, with verified certificates and the usual proxies."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ansible_collections.meshops.istio.plugins.module_utils.client._errors import ProbeError

try:
    import urllib3
    from urllib3.exceptions import HTTPError
except ImportError:
    pass  # _auth reports the kubernetes library, which brings urllib3

#: Nobody needs more of an answer than this.
MOST = 4 * 1024 * 1024


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
    url: str, *, timeout: float, ca_path: str | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Return status and body of a GET. A redirect is an answer like any other, so that a token goes nowhere else.

    Raises:
        ProbeError: there is no answer within the time.
    """
    parts = urlsplit(url)
    options: dict[str, t.Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": ca_path} if parts.scheme == "https" else {}
    proxy = getproxies().get(parts.scheme) if not proxy_bypass(parts.hostname or "") else None
    pool = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    sent = dict(headers or {})
    if parts.username is not None:
        sent.update(urllib3.make_headers(basic_auth=f"{parts.username}:{parts.password or ''}"))
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    try:
        with pool.request(
            "GET", url, headers=sent, timeout=timeout, retries=False, redirect=False, preload_content=False
        ) as response:
            return int(response.status), bytes(response.read(MOST))
    except (HTTPError, OSError) as exc:
        raise ProbeError(f"{shown(url)} does not answer: {exc}") from exc
    finally:
        pool.clear()
