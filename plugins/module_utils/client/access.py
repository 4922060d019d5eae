# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to one API server: TLS, a proxy, and a login that is renewed while it is used."""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
import typing as t
from urllib.parse import urlsplit

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection, entry
from ansible_collections.meshops.istio.plugins.module_utils.client.credentials import Credential, credential
from ansible_collections.meshops.istio.plugins.module_utils.client.kubeconfig import Entry
from ansible_collections.meshops.istio.plugins.module_utils.client.private_files import private_file
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import basic, login_of, secrets_in

try:
    from kubernetes.client.configuration import Configuration
    from kubernetes.client.rest import RESTClientObject
    from urllib3.exceptions import LocationParseError
    from urllib3.util import parse_url
    from urllib3.util.ssl_ import create_urllib3_context
except ImportError:
    pass  # _auth reports the kubernetes library, which brings both

SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
PROXY_FORM = (
    "its URL needs http, https or socks5 and a host, and special characters of a password are written with percent "
    "signs, such as %2F for a slash."
)
#: Connections to one API server.
CONNECTIONS = 16
#: What holds a key, and what a pool of urllib3 would read from files again for each connection.
_TLS = ("ca_certs", "ca_cert_data", "cert_file", "key_file")


class Access:
    """The connection pool of one cluster and the headers of a login, both made anew when the login ends.

    Keys are read into memory once; no file of ours has them. Thread safe.
    """

    def __init__(self, conn: Connection) -> None:
        """Log in.

        Raises:
            ParameterError: there is no such context, or its proxy cannot be used.
            ClusterError: the kubeconfig cannot be read, or gives no login.
        """
        self._conn = conn
        self._entry = entry(conn)
        self._lock = threading.Lock()
        #: How often the login was renewed; who got a 401 says by it which login that was.
        self.renewals = 0
        self._credential = credential(self._entry, conn.label)
        self.pool = self._open()

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self._entry.server

    @property
    def verifies_tls(self) -> bool:
        """Whether the server's certificate is checked."""
        return not self._entry.insecure

    @property
    def tls_warning(self) -> str:
        """What somebody between us and the server could do, in a sentence, or an empty one."""
        if self._entry.insecure:
            why = "validate_certs is off"
            return f"The certificate of {self.server} is not verified ({why}): anybody could answer for it."
        if self.server.startswith("http:") and self._credential.header and not _here(self.server):
            return f"Nothing is encrypted on the way to {self.server} (http): anybody there can read the login."
        return ""

    @property
    def secrets(self) -> set[str]:
        """What must not be shown of a kubeconfig and its credential plugin."""
        login = (self._credential.header or "").rpartition(" ")[2]
        found = secrets_in({"proxy": self._entry.proxy, "exec": self._entry.exec, "token": login})
        return found | secrets_in({"password": self._entry.password})

    def headers(self) -> dict[str, str]:
        """Return the login headers of one request; renews a login that ends soon.

        Raises:
            ClusterError: the credential plugin gives none any more.
        """
        if self._credential.due:
            self._renew_in_time()
        found = {"Authorization": self._credential.header} if self._credential.header else {}
        if self._conn.impersonate_user:
            found["Impersonate-User"] = self._conn.impersonate_user
        return found

    def renew(self, seen: int) -> bool:
        """Log in again, unless somebody did since ``seen`` renewals; return whether there is another login now.

        Raises:
            ClusterError: the credential plugin gives none any more.
        """
        with self._lock:
            if self.renewals != seen:
                return True
            if not self._conn.kubeconfig and not self._conn.client_cert:
                # a token or a password stays what it is
                return False
            before = self._credential
            fresh = entry(self._conn)
            if fresh.server == self._entry.server:
                # a file that leads to another cluster by now is none of ours
                self._entry = fresh
            self._credential = credential(self._entry, self._conn.label)
            self.renewals += 1
            if self._credential.cert:
                # requests at work with the old one come to their end
                self.pool = self._open()
            return bool(self._credential.cert) or self._credential.header != before.header

    def _renew_in_time(self) -> None:
        try:
            self.renew(self.renewals)
        except ClusterError:
            kept = self._credential.kept()
            if kept is None:
                raise
            # the next one that sends something asks again
            self._credential = kept

    def _open(self) -> t.Any:
        configuration = Configuration()
        configuration.host = self.server
        configuration.verify_ssl = not self._entry.insecure
        configuration.tls_server_name = self._entry.server_name
        configuration.connection_pool_maxsize = CONNECTIONS
        whose = "" if self._entry.proxy else ", which the environment names,"
        what = f"The proxy of cluster {self._conn.label}{whose}"
        if self._entry.proxy:
            configuration.proxy = self._entry.proxy
        login = login_of(configuration.proxy or "")
        socks = (configuration.proxy or "").startswith("socks")
        if login and not socks:
            configuration.proxy_headers = {"proxy-authorization": basic(*login)}
        try:
            pool = RESTClientObject(configuration).pool_manager
        except (ValueError, LocationParseError):
            # its text may hold a password
            raise ParameterError(f"{what} cannot be used: {PROXY_FORM}") from None
        except ImportError as exc:
            raise ParameterError(
                f"{what} is one for SOCKS, for which the Python library PySocks is missing where this task runs; "
                "install it there."
            ) from exc
        if pool.proxy or socks:
            _require_proxy(configuration.proxy, what)
        if login and socks and pool.connection_pool_kw.get("_socks_options"):
            pool.connection_pool_kw["_socks_options"].update(username=login[0], password=login[1])
        if self.server.startswith("https:"):
            options = pool.connection_pool_kw
            options.update(dict.fromkeys(_TLS), ssl_context=_context(self._entry, self._credential, self._conn.label))
        return pool

    def websocket_options(self) -> dict[str, t.Any]:
        """Return how websocket-client reaches what the pool reaches: same certificates, same proxy.

        Raises:
            ClusterError: the proxy is one that websocket-client cannot use.
        """
        pool = self.pool
        proxy = pool.proxy or (parse_url(pool.proxy_url) if hasattr(pool, "proxy_url") else None)
        # without a proxy all hosts are exempt from one that is not there, else websocket-client looks for it by itself
        through: dict[str, t.Any] = {"http_proxy_host": "none", "http_proxy_port": 1, "http_no_proxy": ["*"]}
        if proxy:
            if proxy.scheme != "http":
                raise ClusterError(f"Port-forward through a proxy of kind {proxy.scheme} is not supported.")
            through = {"http_proxy_host": proxy.host, "http_proxy_port": proxy.port or 80}
            through["http_proxy_auth"] = login_of(proxy.url)
            through["http_no_proxy"] = ["none"]  # which hosts it serves was decided with the pool
        tls = pool.connection_pool_kw
        sslopt = {"context": tls.get("ssl_context"), "server_hostname": tls.get("server_hostname")}
        return {"sslopt": sslopt, **through}


def _here(server: str) -> bool:
    """Return whether requests do not leave this machine, as those to kubectl proxy."""
    return bool(re.fullmatch(r"localhost|127(\.\d+){3}|::1", urlsplit(server).hostname or ""))


def _require_proxy(url: str, what: str) -> None:
    """Refuse the URL of a proxy that cannot be used; it is not repeated, as it may hold a password.

    Raises:
        ParameterError: it cannot.
    """
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0 and "@" not in parts.path + parts.query + parts.fragment
        parse_url(url)
    except (ValueError, LocationParseError):
        usable = False
    if not usable or parts.scheme not in ("http", "https", *SOCKS):
        raise ParameterError(f"{what} cannot be used: {PROXY_FORM}")


def _context(entry_: Entry, login: Credential, label: str) -> ssl.SSLContext:
    """Return what all connections share, with keys that were read once.

    Raises:
        ClusterError: a certificate or key cannot be read or used.
    """
    context: ssl.SSLContext = create_urllib3_context(cert_reqs=ssl.CERT_NONE if entry_.insecure else ssl.CERT_REQUIRED)
    with contextlib.ExitStack() as stack:

        def path(pem: bytes | str) -> str:
            return pem if isinstance(pem, str) else stack.enter_context(private_file(pem, "pem"))

        what = f"its certificate authority{_named(entry_.ca)}"
        try:
            if entry_.ca:
                context.load_verify_locations(path(entry_.ca))
            else:
                context.load_default_certs()
            what = f"the client certificate{_named(login.cert)} or key{_named(login.key)} of its user"
            if login.cert:
                context.load_cert_chain(path(login.cert), path(login.key) if login.key else None, password=_locked)
        except (OSError, ValueError) as exc:
            raise ClusterError(f"Connecting to cluster {label} failed: {what} cannot be used: {_reason(exc)}") from exc
    return context


def _named(pem: bytes | str | None) -> str:
    return f" {pem}" if isinstance(pem, str) else ""


def _locked() -> str:
    """Answer OpenSSL, which would ask whoever has the terminal."""
    raise ValueError("the key has a password")


def _reason(exc: Exception) -> str:
    return re.sub(r"\s*\(_ssl\.c:\d+\)", "", str(exc))
