# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chooses the proxy between a task and an API server, and opens a connection pool through it."""

from __future__ import annotations

import ipaddress
import typing as t
from urllib.parse import quote, urlsplit
from urllib.request import getproxies

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import basic, login_of

try:
    import urllib3
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url
except ImportError:
    pass  # client/auth.py reports that the kubernetes library, which brings it, is missing

SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
PROXY_FORM = (
    "its URL needs http, https or socks5 and a host, and special characters of a password are written with percent "
    "signs, such as %2F for a slash."
)


def is_exempt(server: str, no_proxy: str) -> bool:
    """Return whether requests to a server do not use a proxy.

    Args:
        server: URL of the server.
        no_proxy: hosts, domains, addresses and networks with commas between them, as in the environment variable
            NO_PROXY; an asterisk stands for all hosts.
    """
    parts = urlsplit(server)
    host, with_port = (parts.hostname or "").lower(), parts.netloc.rpartition("@")[2].lower()
    for rule in filter(None, (rule.strip().lower() for rule in no_proxy.split(","))):
        domain = rule.lstrip("*").lstrip(".")
        if rule == "*" or domain in (host, with_port) or (domain and host.endswith(f".{domain}")):
            return True
        if _is_in_network(host, rule):
            return True
    return False


def _is_in_network(host: str, network: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def proxy_of(server: str, proxy: str | None, no_proxy: str | None) -> str:
    """Return the URL of the proxy for a server, or an empty text.

    Args:
        server: URL of the server.
        proxy: the proxy of the login. Without it, the environment counts.
        no_proxy: the exempt hosts of the login. Without them, the environment counts.
    """
    environment = getproxies()
    url = proxy or environment.get(urlsplit(server).scheme) or environment.get("all") or ""
    return "" if is_exempt(server, no_proxy or environment.get("no") or "") else url


def with_login(proxy: str, login: str) -> str:
    """Return the URL of a proxy with a login, which is a user and a password with a colon between them."""
    user, colon, password = login.partition(":")
    scheme, separator, rest = proxy.partition("://")
    return f"{scheme}{separator}{quote(user, safe='')}{colon}{quote(password, safe='')}@{rest}" if separator else proxy


def open_pool(proxy: str, title: str, **options: t.Any) -> t.Any:
    """Return a connection pool of urllib3, which is the same for each version of the kubernetes library.

    Args:
        proxy: URL of the proxy, or an empty text.
        title: how messages name the proxy; they do not repeat its URL, which may hold a password.
        options: options of the pool.

    Raises:
        ParameterError: the proxy cannot be used.
    """
    if not proxy:
        return urllib3.PoolManager(**options)
    _require_usable_proxy(proxy, title)
    login = login_of(proxy)
    if not proxy.startswith("socks"):
        headers = {"proxy-authorization": basic(*login)} if login else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)
    try:
        from urllib3.contrib.socks import SOCKSProxyManager
    except ImportError as exc:
        raise ParameterError(
            f"{title} uses SOCKS, but the Python library PySocks is missing where this task runs; install it there."
        ) from exc
    user, password = login or (None, None)
    return SOCKSProxyManager(proxy, username=user, password=password, **options)


def _require_usable_proxy(url: str, title: str) -> None:
    """Refuse an unusable proxy URL.

    Raises:
        ParameterError: the URL is not usable.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and "@" not in parts.path + parts.query + parts.fragment
        parse_url(url)
    except (ValueError, LocationParseError):
        usable = False
    if not usable or parts.scheme not in ("http", "https", *SOCKS):
        raise ParameterError(f"{title} cannot be used: {PROXY_FORM}")
