# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From auth parameters to one connection; refuses to guess a cluster (safety rule S1)."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import os
import traceback
import typing as t
from collections.abc import Callable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.kubeconfig import Entry, entry_of
from ansible_collections.meshops.istio.plugins.module_utils.client.private_files import private_file
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import as_login, as_token, login_of

KUBERNETES_IMPORT_ERROR: str | None = None
try:
    for _library in ("kubernetes.client.rest", "kubernetes.config.kube_config"):
        importlib.import_module(_library)
except ImportError:
    KUBERNETES_IMPORT_ERROR = traceback.format_exc()


#: What is sent, and how it is read.
_SENT: Mapping[str, Callable[[object], str]] = {
    "host": as_login,
    "api_key": as_token,
    "username": as_login,
    "password": as_login,
    "proxy": as_login,
    "impersonate_user": as_token,
}
#: What a kubeconfig brings itself.
KUBECONFIG_SAYS = ("api_key", "username", "password", "client_cert", "client_key", "ca_cert", "proxy")


@dataclasses.dataclass(frozen=True)
class Connection:
    """Where a cluster is and how to log in; built from module parameters of the same names."""

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
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """A short name for messages: the context, else the host."""
        return self.context or self.host or "?"


def connection(params: Mapping[str, t.Any]) -> Connection:
    """Return the connection that the parameters name.

    Raises:
        ParameterError: no cluster is named, or only half of a name is given; or what is to be sent cannot be.
    """
    given = {name: params.get(name) or None for name in (field.name for field in dataclasses.fields(Connection))}
    given.update({name: _sent(name, read, given[name]) or None for name, read in _SENT.items()})
    given["validate_certs"] = params.get("validate_certs") is not False
    groups = params.get("impersonate_groups") or ()
    given["impersonate_groups"] = tuple(_sent("impersonate_groups", as_token, group) for group in groups)
    found = Connection(**t.cast("t.Any", given))
    if found.kubeconfig and found.host:
        raise ParameterError(
            "Parameters kubeconfig and host both name a cluster; give kubeconfig with context, or host "
            "with credentials."
        )
    if found.kubeconfig and not found.context:
        raise ParameterError(
            f"Parameter context is missing: kubeconfig {found.kubeconfig} may hold several clusters, and this "
            "collection never uses a current context."
        )
    if found.context and not found.kubeconfig:
        raise ParameterError(
            f"Parameter kubeconfig is missing: context {found.context!r} must be looked up in a named file."
        )
    if not found.kubeconfig and not found.host:
        raise ParameterError(
            "No cluster is named: give kubeconfig and context, or host with credentials. This collection never falls "
            "back to a current context or to the cluster it runs in."
        )
    overrides = [name for name in KUBECONFIG_SAYS if getattr(found, name)]
    if found.kubeconfig and (overrides or not found.validate_certs):
        raise ParameterError(
            f"Parameter {(overrides or ['validate_certs'])[0]} cannot be combined with kubeconfig: istioctl reads "
            "the file alone, so login, certificates and proxy have to stand there."
        )
    if found.kubeconfig and not os.path.isfile(found.kubeconfig):
        raise ParameterError(f"Parameter kubeconfig: there is no file {found.kubeconfig}.")
    if found.host and login_of(found.host):
        raise ParameterError("Parameter host holds a login, which would be shown; give it as username and password.")
    return found


def _sent(name: str, read: Callable[[object], str], value: object) -> str:
    try:
        return read(value or "")
    except ValueError as exc:
        # the value may be a secret
        raise ParameterError(f"Parameter {name} {exc}; give it anew.") from None


def entry(conn: Connection) -> Entry:
    """Return where the cluster is and how its user logs in.

    Raises:
        ParameterError: the kubeconfig has no such context, or the URL of its server holds a login.
        ClusterError: the kubeconfig cannot be read.
    """
    if conn.kubeconfig and conn.context:
        found = entry_of(conn.kubeconfig, conn.context)
        if login_of(found.server):
            raise ParameterError(
                f"Parameter context: the server of context {conn.context!r} in kubeconfig {conn.kubeconfig} holds a "
                "login, which would be shown; put it into the user of the context."
            )
        return found
    return Entry(
        server=str(conn.host).rstrip("/"),
        insecure=not conn.validate_certs,
        proxy=conn.proxy,
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

    A host login gets a private file that is gone afterwards.
    """
    if conn.kubeconfig and conn.context:
        yield conn.kubeconfig, conn.context
        return
    user: dict[str, t.Any] = {
        "token": conn.api_key,
        "username": conn.username,
        "password": conn.password,
        # the paths of a kubeconfig are relative to it
        "client-certificate": _absolute(conn.client_cert),
        "client-key": _absolute(conn.client_key),
    }
    ca_cert = _absolute(conn.ca_cert)
    cluster: dict[str, t.Any] = {"server": conn.host, "certificate-authority": ca_cert, "proxy-url": conn.proxy}
    if not conn.validate_certs:
        cluster = {"server": conn.host, "proxy-url": conn.proxy, "insecure-skip-tls-verify": True}
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
