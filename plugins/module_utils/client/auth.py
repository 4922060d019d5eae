# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resolves the auth parameters to one connection; refuses to guess a cluster (safety rule S1)."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import traceback
import typing as t
from collections.abc import Callable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.kubeconfig import ClusterLogin, read_context
from ansible_collections.meshops.istio.plugins.module_utils.client.private_files import private_file
from ansible_collections.meshops.istio.plugins.module_utils.client.proxy import is_exempt, with_login
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import (
    as_login,
    as_token,
    is_document,
    login_of,
)

KUBERNETES_IMPORT_ERROR: str | None = None
try:
    for _library in ("kubernetes.client.rest", "kubernetes.config.kube_config"):
        importlib.import_module(_library)
except ImportError:
    KUBERNETES_IMPORT_ERROR = traceback.format_exc()


#: Parameters that become part of a request, and their parsers.
_PARSERS: Mapping[str, Callable[[object], str]] = {
    "host": as_login,
    "api_key": as_token,
    "username": as_login,
    "password": as_login,
    "proxy": as_login,
    "impersonate_user": as_token,
}
#: Parameters that a kubeconfig replaces.
REPLACED_BY_KUBECONFIG = (
    *("api_key", "username", "password", "client_cert", "client_key", "ca_cert"),
    *("proxy", "no_proxy"),
)


@dataclasses.dataclass(frozen=True)
class Connection:
    """The parameters that name a cluster and log in to it; fields have the names of the module parameters."""

    kubeconfig: str | None = None
    context: str | None = None
    host: str | None = None
    api_key: str | None = dataclasses.field(default=None, repr=False)
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    client_cert: str | None = None
    client_key: str | None = None
    ca_cert: str | None = None
    validate_certs: bool = True
    proxy: str | None = dataclasses.field(default=None, repr=False)
    no_proxy: str | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()
    #: Name of the cluster in the inventory, if the task knows it; parameters do not have it.
    inventory_name: str | None = None

    @property
    def address(self) -> str:
        """The context, else the host."""
        return self.context or self.host or "?"

    @property
    def label(self) -> str:
        """A short name for messages: the one of the inventory, with the context or the host if that differs."""
        if self.inventory_name in (None, self.address):
            return self.address
        return f"{self.inventory_name} ({'context ' if self.context else ''}{self.address})"


def connection(params: Mapping[str, t.Any]) -> Connection:
    """Return the connection that the parameters name.

    Raises:
        ParameterError: no cluster or only half of its name is given, or a value cannot be sent in a request.
    """
    fields = {name: params.get(name) or None for name in (field.name for field in dataclasses.fields(Connection))}
    fields.update({name: _parse(name, read, fields[name]) or None for name, read in _PARSERS.items()})
    fields["proxy"] = _proxy_with_login(fields["proxy"], params.get("proxy_headers") or {})
    fields["validate_certs"] = params.get("validate_certs") is not False
    groups = params.get("impersonate_groups") or ()
    fields["impersonate_groups"] = tuple(_parse("impersonate_groups", as_token, group) for group in groups)
    conn = Connection(**t.cast("t.Any", fields))
    if conn.kubeconfig:
        _require_one_file(conn.kubeconfig)
    if conn.kubeconfig and conn.host:
        raise ParameterError(
            "Parameters kubeconfig and host both name a cluster; give kubeconfig with context, or host "
            "with credentials."
        )
    if conn.kubeconfig and not conn.context:
        raise ParameterError(
            f"Parameter context is missing: kubeconfig {conn.kubeconfig} may hold several clusters, and this "
            "collection never uses a current context."
        )
    if conn.context and not conn.kubeconfig:
        raise ParameterError(
            f"Parameter kubeconfig is missing: context {conn.context!r} must be looked up in a named file."
        )
    if not conn.kubeconfig and not conn.host:
        raise ParameterError(
            "No cluster is named: give kubeconfig and context, or host with credentials. This collection never falls "
            "back to a current context or to the cluster it runs in."
        )
    overrides = [name for name in REPLACED_BY_KUBECONFIG if getattr(conn, name)]
    if conn.kubeconfig and (overrides or not conn.validate_certs):
        raise ParameterError(
            f"Parameter {(overrides or ['validate_certs'])[0]} cannot be combined with kubeconfig: istioctl reads "
            "only the file, so login, certificates and proxy must be in it."
        )
    if conn.host and login_of(conn.host):
        raise ParameterError("Parameter host holds a login, which would be shown; give it as username and password.")
    return conn


def _require_one_file(kubeconfig: str) -> None:
    """Refuse what kubernetes.core takes too: the content of a kubeconfig, and several files."""
    if is_document(kubeconfig):
        raise ParameterError(
            "Parameter kubeconfig holds the content of a kubeconfig; write it to a file and give its path, because "
            "istioctl reads the file too."
        )
    if os.path.isfile(kubeconfig):
        return
    if os.pathsep in kubeconfig:
        raise ParameterError(
            f"Parameter kubeconfig names several files, {kubeconfig}; give the file that has the context, or join "
            "them with: kubectl config view --raw --flatten."
        )
    raise ParameterError(f"Parameter kubeconfig: there is no file {kubeconfig}.")


def _proxy_with_login(proxy: str | None, headers: Mapping[str, t.Any]) -> str | None:
    login = _parse("proxy_headers", as_login, headers.get("proxy_basic_auth"))
    if not login:
        return proxy
    if not proxy:
        raise ParameterError("Parameter proxy_headers needs a proxy; give its URL as parameter proxy.")
    if login_of(proxy):
        raise ParameterError(
            "Parameters proxy and proxy_headers both hold a login to the proxy; remove the one in the URL."
        )
    return with_login(proxy, login)


def _parse(name: str, read: Callable[[object], str], value: object) -> str:
    try:
        return read(value or "")
    except ValueError as exc:
        # The error does not repeat the value, which may be a secret.
        raise ParameterError(f"Parameter {name} {exc}; correct it.") from None


def resolve_login(conn: Connection) -> ClusterLogin:
    """Return the address of a cluster and the login of its user.

    Raises:
        ParameterError: the kubeconfig has no such context, or the URL of its server holds a login.
        ClusterError: the kubeconfig cannot be read.
    """
    if conn.kubeconfig and conn.context:
        login = read_context(conn.kubeconfig, conn.context)
        if login_of(login.server):
            raise ParameterError(
                f"Parameter context: the server of context {conn.context!r} in kubeconfig {conn.kubeconfig} holds a "
                "login, which would be shown; put it into the user of the context."
            )
        return login
    return ClusterLogin(
        server=str(conn.host).rstrip("/"),
        insecure=not conn.validate_certs,
        proxy=conn.proxy,
        no_proxy=conn.no_proxy,
        ca=_absolute(conn.ca_cert),
        cert=_absolute(conn.client_cert),
        key=_absolute(conn.client_key),
        token=conn.api_key,
        username=conn.username,
        password=conn.password,
    )


@contextlib.contextmanager
def kubeconfig_file(conn: Connection) -> Iterator[tuple[str, str]]:
    """Yield (path, context) of a kubeconfig for a command that `run_command` runs.

    A host login gets a private file that does not exist afterwards.
    """
    if conn.kubeconfig and conn.context:
        yield conn.kubeconfig, conn.context
        return
    user: dict[str, t.Any] = {
        "token": conn.api_key,
        "username": conn.username,
        "password": conn.password,
        # Relative paths in a kubeconfig would start at its own folder.
        "client-certificate": _absolute(conn.client_cert),
        "client-key": _absolute(conn.client_key),
    }
    ca_cert = _absolute(conn.ca_cert)
    proxy = None if is_exempt(conn.host or "", conn.no_proxy or "") else conn.proxy
    cluster: dict[str, t.Any] = {"server": conn.host, "certificate-authority": ca_cert, "proxy-url": proxy}
    if not conn.validate_certs:
        cluster = {"server": conn.host, "proxy-url": proxy, "insecure-skip-tls-verify": True}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": {k: v for k, v in cluster.items() if v}}],
        "users": [{"name": "user", "user": {k: v for k, v in user.items() if v}}],
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}],
    }
    with private_file(json.dumps(document).encode(), "kubeconfig.json") as path:
        yield path, "cluster"


def _absolute(path: str | None) -> str | None:
    return os.path.abspath(path) if path else None
