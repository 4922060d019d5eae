# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one context of a kubeconfig says, without a request, a command or a file.

The kubernetes library writes embedded keys to files that outlive Ansible's workers. Source for what a field means:
kubernetes/client-go tools/clientcmd/api/v1/types.go; where two fields say the same, the embedded one counts.
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
class Entry:
    """Where one cluster is and how its user logs in; what may be secret is left out of ``repr``."""

    server: str
    folder: str = ""
    server_name: str | None = None
    insecure: bool = False
    proxy: str | None = dataclasses.field(default=None, repr=False)
    #: What TLS needs: its content, or the path of a file.
    ca: bytes | str | None = dataclasses.field(default=None, repr=False)
    cert: bytes | str | None = dataclasses.field(default=None, repr=False)
    key: bytes | str | None = dataclasses.field(default=None, repr=False)
    token: str | None = dataclasses.field(default=None, repr=False)
    token_file: str | None = None
    username: str | None = None
    password: str | None = dataclasses.field(default=None, repr=False)
    #: A credential plugin, and what it may be told about the cluster.
    exec: Mapping[str, t.Any] | None = dataclasses.field(default=None, repr=False)
    cluster: Mapping[str, t.Any] = dataclasses.field(default_factory=dict, repr=False)
    #: A provider that is built into clients, such as oidc.
    provider: Mapping[str, t.Any] | None = dataclasses.field(default=None, repr=False)


def read_kubeconfig(path: str) -> t.Any:
    """Return a kubeconfig, parsed once for all who ask until it changes.

    The library's own reading takes 0.3 s for 200 clusters. What the inventory plugin has read, Ansible's workers have.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no YAML.
    """
    found = os.stat(path)
    return _parsed(path, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=512)
def _parsed(path: str, *dummy_state: int) -> t.Any:
    with open(path, encoding="utf-8") as file:
        return load_yaml(file.read())


def entry_of(kubeconfig: str, context: str) -> Entry:
    """Return what a context of a kubeconfig says.

    Raises:
        ParameterError: it has no such context, or what is to be sent of it cannot be.
        ClusterError: it cannot be read, or is none.
    """
    path = os.path.abspath(kubeconfig)
    try:
        document = read_kubeconfig(path)
        return _entry(document, kubeconfig, context, os.path.dirname(path))
    except OSError as exc:
        raise ClusterError(f"Reading kubeconfig {kubeconfig} failed: {exc}") from exc
    except (ValueError, TypeError, AttributeError, KeyError):
        # what stands in it is not repeated, as it may be a secret
        raise ClusterError(f"Reading kubeconfig {kubeconfig} failed: it is no kubeconfig.") from None


def _entry(document: Json, kubeconfig: str, context: str, folder: str) -> Entry:
    named = _named(document.get("contexts"), context)
    if named is None:
        raise ParameterError(f"Parameter context: kubeconfig {kubeconfig} has no usable context {context!r}.")
    place = named.get("context") or {}
    cluster = (_named(document.get("clusters"), place.get("cluster")) or {}).get("cluster") or {}
    user = (_named(document.get("users"), place.get("user")) or {}).get("user") or {}
    server = str(cluster.get("server") or "").rstrip("/")
    if not server:
        raise ParameterError(
            f"Parameter context: kubeconfig {kubeconfig} has no usable context {context!r}: its cluster has no server."
        )
    pem = functools.partial(_pem, folder=folder, kubeconfig=kubeconfig)
    sent = functools.partial(_sent, whose=f"of context {context!r} in kubeconfig {kubeconfig}")
    return Entry(
        server=server,
        folder=folder,
        server_name=cluster.get("tls-server-name"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        proxy=sent(as_login, cluster, "proxy-url"),
        ca=pem(cluster, "certificate-authority"),
        cert=pem(user, "client-certificate"),
        key=pem(user, "client-key"),
        token=sent(as_token, user, "token"),
        token_file=_path(user.get("tokenFile"), folder),
        username=sent(as_login, user, "username"),
        password=sent(as_login, user, "password"),
        exec=_plugin(user.get("exec")),
        cluster=cluster,
        provider=user.get("auth-provider") or None,
    )


def _sent(read: Callable[[object], str], place: Json, field: str, *, whose: str) -> str | None:
    try:
        return read(place.get(field) or "") or None
    except ValueError as exc:
        # the value may be a secret
        raise ParameterError(f"Parameter context: {field} {whose} {exc}; write it anew.") from None


def _plugin(plugin: t.Any) -> Mapping[str, t.Any] | None:
    """Return what is known of a credential plugin, as texts; whatever else stands there is no kubeconfig."""
    if not plugin:
        return None
    given = [{"name": str(one["name"]), "value": str(one["value"])} for one in plugin.get("env") or ()]
    return {
        **plugin,
        "command": str(plugin["command"]),
        "args": [str(one) for one in plugin.get("args") or ()],
        "env": given,
    }


def _named(entries: t.Any, name: object) -> Json | None:
    return next((entry for entry in entries or () if entry["name"] == name), None)


def _path(path: t.Any, folder: str) -> str | None:
    return os.path.normpath(os.path.join(folder, str(path))) if path else None


def _pem(place: Json, field: str, *, folder: str, kubeconfig: str) -> bytes | str | None:
    data = place.get(f"{field}-data")
    if not data:
        return _path(place.get(field), folder)
    try:
        return base64.standard_b64decode(data)
    except binascii.Error:
        raise ClusterError(f"Reading kubeconfig {kubeconfig} failed: {field}-data is no base64.") from None
