# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads one context of a kubeconfig, without a request, a command or a temporary file.

The kubernetes library writes embedded keys to files that outlive Ansible's workers. Source for the meaning of
fields: kubernetes/client-go tools/clientcmd/api/v1/types.go; if two fields hold the same data, the embedded one counts.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import os
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import as_login, as_token
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml


@dataclasses.dataclass(frozen=True)
class ClusterLogin:
    """The address of one cluster and the login of its user; fields that may be secret are left out of ``repr``."""

    server: str
    folder: str = ""
    server_name: str | None = None
    insecure: bool = False
    proxy: str | None = dataclasses.field(default=None, repr=False)
    #: Hosts that do not use a proxy; without it, the environment names them.
    no_proxy: str | None = None
    #: Certificates and key for TLS: the content, or the path of a file.
    ca: bytes | str | None = dataclasses.field(default=None, repr=False)
    cert: bytes | str | None = dataclasses.field(default=None, repr=False)
    key: bytes | str | None = dataclasses.field(default=None, repr=False)
    token: str | None = dataclasses.field(default=None, repr=False)
    token_file: str | None = None
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    #: A credential plugin, and the cluster information that it may receive.
    exec: Mapping[str, t.Any] | None = dataclasses.field(default=None, repr=False)
    cluster: Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False)
    #: A login provider that is built into clients, such as oidc.
    provider: Mapping[str, t.Any] | None = dataclasses.field(default=None, repr=False)


def read_kubeconfig(path: str) -> t.Any:
    """Return a kubeconfig, parsed once for all callers until it changes.

    The kubernetes library needs 0.3 s for 200 clusters. Ansible's workers inherit files that the inventory plugin read.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not YAML.
    """
    stat = os.stat(path)
    return _parsed(path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=512)
def _parsed(path: str, *dummy_state: int) -> t.Any:
    with open(path, encoding="utf-8") as file:
        return load_yaml(file.read())


def read_context(kubeconfig: str, context: str) -> ClusterLogin:
    """Return the cluster and login of a context of a kubeconfig.

    Raises:
        ParameterError: the context does not exist, or one of its values cannot be sent in a request.
        ClusterError: the file cannot be read, or is not a kubeconfig.
    """
    path = os.path.abspath(kubeconfig)
    try:
        document = read_kubeconfig(path)
        return _login(document, kubeconfig, context, os.path.dirname(path))
    except OSError as exc:
        raise ClusterError(f"Reading kubeconfig {kubeconfig} failed: {exc}") from exc
    except (ValueError, TypeError, AttributeError, KeyError):
        # The error does not repeat the content, which may be secret.
        raise ClusterError(f"Reading kubeconfig {kubeconfig} failed: it is not a valid kubeconfig.") from None


def _login(document: Json, kubeconfig: str, context: str, folder: str) -> ClusterLogin:
    entry = _named(document.get("contexts"), context)
    if entry is None:
        raise ParameterError(f"Parameter context: kubeconfig {kubeconfig} has no usable context {context!r}.")
    names = entry.get("context") or {}
    cluster = (_named(document.get("clusters"), names.get("cluster")) or {}).get("cluster") or {}
    user = (_named(document.get("users"), names.get("user")) or {}).get("user") or {}
    server = str(cluster.get("server") or "").rstrip("/")
    if not server:
        raise ParameterError(
            f"Parameter context: kubeconfig {kubeconfig} has no usable context {context!r}: its cluster has no server."
        )
    pem = functools.partial(_pem, folder=folder, kubeconfig=kubeconfig)
    sendable = functools.partial(_sendable, owner=f"of context {context!r} in kubeconfig {kubeconfig}")
    return ClusterLogin(
        server=server,
        folder=folder,
        server_name=cluster.get("tls-server-name"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        proxy=sendable(as_login, cluster, "proxy-url"),
        ca=pem(cluster, "certificate-authority"),
        cert=pem(user, "client-certificate"),
        key=pem(user, "client-key"),
        token=sendable(as_token, user, "token"),
        token_file=_path(user.get("tokenFile"), folder),
        username=sendable(as_login, user, "username"),
        password=sendable(as_login, user, "password"),
        exec=_plugin(user.get("exec")),
        cluster=cluster,
        provider=user.get("auth-provider") or None,
    )


def _sendable(read: Callable[[object], str], fields: Json, field: str, *, owner: str) -> str | None:
    try:
        return read(fields.get(field) or "") or None
    except ValueError as exc:
        # The error does not repeat the value, which may be a secret.
        raise ParameterError(f"Parameter context: {field} {owner} {exc}; correct it.") from None


def _plugin(plugin: t.Any) -> Mapping[str, t.Any] | None:
    """Return the settings of a credential plugin as texts; other types are not a valid kubeconfig."""
    if not plugin:
        return None
    env = [{"name": str(row["name"]), "value": str(row["value"])} for row in plugin.get("env") or ()]
    return {
        **plugin,
        "command": str(plugin["command"]),
        "args": [str(argument) for argument in plugin.get("args") or ()],
        "env": env,
    }


def _named(entries: t.Any, name: object) -> Json | None:
    return next((entry for entry in entries or () if entry["name"] == name), None)


def _path(path: t.Any, folder: str) -> str | None:
    return os.path.normpath(os.path.join(folder, str(path))) if path else None


def _pem(fields: Json, field: str, *, folder: str, kubeconfig: str) -> bytes | str | None:
    data = fields.get(f"{field}-data")
    if not data:
        return _path(fields.get(field), folder)
    try:
        return base64.standard_b64decode(data)
    except binascii.Error:
        raise ClusterError(f"Reading kubeconfig {kubeconfig} failed: {field}-data is not valid base64.") from None
