# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Opens the session with one API server: TLS, a proxy, and a login that is renewed while it is used."""

from __future__ import annotations

import contextlib
import re
import ssl
import threading
import typing as t
from urllib.parse import urlsplit

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection, resolve_login
from ansible_collections.meshops.istio.plugins.module_utils.client.credentials import Credential, log_in
from ansible_collections.meshops.istio.plugins.module_utils.client.kubeconfig import ClusterLogin
from ansible_collections.meshops.istio.plugins.module_utils.client.private_files import private_file
from ansible_collections.meshops.istio.plugins.module_utils.client.proxy import open_pool, proxy_of
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import login_of, secrets_in

try:
    from urllib3.util import parse_url
    from urllib3.util.ssl_ import create_urllib3_context
except ImportError:
    pass  # client/auth.py reports that the kubernetes library, which brings it, is missing

#: Size of the connection pool of one API server.
POOL_SIZE = 16


class Session:
    """The connection pool of one cluster and the headers of its login, both renewed when the login expires.

    Keys are read into memory once and are not written to any file. Thread safe.
    """

    def __init__(self, conn: Connection) -> None:
        """Log in.

        Raises:
            ParameterError: the context does not exist, or its proxy cannot be used.
            ClusterError: the kubeconfig cannot be read, or the login fails.
        """
        self._conn = conn
        self._login = resolve_login(conn)
        self._lock = threading.Lock()
        #: Number of renewals of the login. A client that got a 401 passes it to `renew` to identify the refused login.
        self.renewals = 0
        self._credential = log_in(self._login, conn.label)
        self.pool = self._open()

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self._login.server

    @property
    def verifies_tls(self) -> bool:
        """Whether the server's certificate is checked."""
        return not self._login.insecure

    @property
    def tls_warning(self) -> str:
        """A sentence about what an attacker on the way to the server could do, or an empty text."""
        if self._login.insecure:
            return (
                f"The certificate of {self.server} is not verified (validate_certs is off): another server could "
                "impersonate it."
            )
        if self.server.startswith("http:") and self._credential.header and not _is_local(self.server):
            return f"Requests to {self.server} are not encrypted (http): any host on the way can read the login."
        return ""

    @property
    def secrets(self) -> set[str]:
        """Texts of the kubeconfig and its credential plugin that must not be shown."""
        token = (self._credential.header or "").rpartition(" ")[2]
        secrets = secrets_in({"proxy": self._login.proxy, "exec": self._login.exec, "token": token})
        return secrets | secrets_in({"password": self._login.password})

    def headers(self) -> dict[str, str]:
        """Return the login headers of one request; renew a login that expires soon.

        Raises:
            ClusterError: the credential plugin fails now.
        """
        if self._credential.due:
            self._renew_before_expiry()
        headers = {"Authorization": self._credential.header} if self._credential.header else {}
        if self._conn.impersonate_user:
            headers["Impersonate-User"] = self._conn.impersonate_user
        return headers

    def renew(self, seen: int) -> bool:
        """Log in again, unless another thread did since ``seen`` renewals; return whether the login differs now.

        Raises:
            ClusterError: the credential plugin fails now.
        """
        with self._lock:
            if self.renewals != seen:
                return True
            if not self._conn.kubeconfig and not self._conn.client_cert:
                # A token or a password in the parameters does not change.
                return False
            previous = self._credential
            login = resolve_login(self._conn)
            if login.server == self._login.server:
                # A kubeconfig that names another server now is ignored.
                self._login = login
            self._credential = log_in(self._login, self._conn.label)
            self.renewals += 1
            if self._credential.cert:
                # Requests that use the previous pool still complete.
                self.pool = self._open()
            return bool(self._credential.cert) or self._credential.header != previous.header

    def _renew_before_expiry(self) -> None:
        try:
            self.renew(self.renewals)
        except ClusterError:
            kept = self._credential.prolonged()
            if kept is None:
                raise
            # The next request tries to renew it again.
            self._credential = kept

    def _open(self) -> t.Any:
        origin = "" if self._login.proxy else ", which the environment names,"
        title = f"The proxy of cluster {self._conn.label}{origin}"
        options: dict[str, t.Any] = {"maxsize": POOL_SIZE}
        if self.server.startswith("https:"):
            context = _ssl_context(self._login, self._credential, self._conn.label)
            options.update(cert_reqs=context.verify_mode, ssl_context=context)
            if self._login.server_name:
                options["server_hostname"] = self._login.server_name
        return open_pool(proxy_of(self.server, self._login.proxy, self._login.no_proxy), title, **options)

    def websocket_options(self) -> dict[str, t.Any]:
        """Return the options by which websocket-client uses the same certificates and proxy as the pool.

        Raises:
            ClusterError: websocket-client does not support the proxy.
        """
        pool = self.pool
        proxy = pool.proxy or (parse_url(pool.proxy_url) if hasattr(pool, "proxy_url") else None)
        # Without a proxy all hosts are exempt from a dummy one: otherwise websocket-client reads the environment.
        options: dict[str, t.Any] = {"http_proxy_host": "none", "http_proxy_port": 1, "http_no_proxy": ["*"]}
        if proxy:
            if proxy.scheme != "http":
                raise ClusterError(f"Port-forward through a proxy of kind {proxy.scheme} is not supported.")
            options = {"http_proxy_host": proxy.host, "http_proxy_port": proxy.port or 80}
            options["http_proxy_auth"] = login_of(proxy.url)
            options["http_no_proxy"] = ["none"]  # The pool has already decided which hosts use the proxy.
        tls = pool.connection_pool_kw
        sslopt = {"context": tls.get("ssl_context"), "server_hostname": tls.get("server_hostname")}
        return {"sslopt": sslopt, **options}


def _is_local(server: str) -> bool:
    """Return whether requests stay on this machine, such as those to kubectl proxy."""
    return bool(re.fullmatch(r"localhost|127(\.\d+){3}|::1", urlsplit(server).hostname or ""))


def _ssl_context(login: ClusterLogin, credential: Credential, label: str) -> ssl.SSLContext:
    """Return the TLS context that all connections share; keys are read once.

    Raises:
        ClusterError: a certificate or key cannot be read or used.
    """
    context: ssl.SSLContext = create_urllib3_context(cert_reqs=ssl.CERT_NONE if login.insecure else ssl.CERT_REQUIRED)
    with contextlib.ExitStack() as stack:

        def path(pem: bytes | str) -> str:
            return pem if isinstance(pem, str) else stack.enter_context(private_file(pem, "pem"))

        files = f"its certificate authority{_path_of(login.ca)}"
        try:
            if login.ca:
                context.load_verify_locations(path(login.ca))
            else:
                context.load_default_certs()
            cert, key = credential.cert, credential.key
            files = f"the client certificate{_path_of(cert)} or key{_path_of(key)} of its user"
            if cert:
                context.load_cert_chain(path(cert), path(key) if key else None, password=_refuse_password)
        except (OSError, ValueError) as exc:
            raise ClusterError(f"Connecting to cluster {label} failed: {files} cannot be used: {_reason(exc)}") from exc
    return context


def _path_of(pem: bytes | str | None) -> str:
    return f" {pem}" if isinstance(pem, str) else ""


def _refuse_password() -> str:
    """Refuse a key with a password: OpenSSL would prompt for it on the terminal."""
    raise ValueError("the key has a password")


def _reason(exc: Exception) -> str:
    return re.sub(r"\s*\(_ssl\.c:\d+\)", "", str(exc))
