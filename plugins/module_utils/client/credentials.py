# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a login sends: a token, a user, a client certificate; by a credential plugin too.

Source for credential plugins: kubernetes/client-go plugin/pkg/client/auth/exec, pkg/apis/clientauthentication/v1.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import json
import os
import time
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.kubeconfig import Entry
from ansible_collections.meshops.istio.plugins.module_utils.client.private_files import private_file
from ansible_collections.meshops.istio.plugins.module_utils.client.process import run_command
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError
from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import parse_json_answer
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import (
    as_token,
    basic,
    hide,
    names_a_secret,
    secrets_in,
)

with contextlib.suppress(ImportError):  # _auth reports the kubernetes library
    from kubernetes.client.exceptions import OpenApiException
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader
    from urllib3.exceptions import HTTPError

#: A plugin that takes longer waits for somebody, such as for a login in a browser.
PLUGIN_SECONDS = 60.0
#: Another one is asked for that long before one ends, or after four fifths of its time if that is later.
EARLY_SECONDS = 60.0
#: A credential that has run out by our clock is used that long all the same, as the clock may be wrong.
LEAST_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Credential:
    """What to send, when to ask for another one, and when it ends (in seconds since the epoch)."""

    header: str | None = dataclasses.field(default=None, repr=False)
    cert: bytes | str | None = dataclasses.field(default=None, repr=False)
    key: bytes | str | None = dataclasses.field(default=None, repr=False)
    renew_at: float | None = None
    ends: float | None = None

    @property
    def due(self) -> bool:
        """Whether it is time to ask for another one."""
        return self.renew_at is not None and time.time() >= self.renew_at

    def kept(self) -> Credential | None:
        """Return it to be used a little longer, or None if it has ended."""
        if self.ends is None or time.time() >= self.ends:
            return None
        return dataclasses.replace(self, renew_at=time.time() + LEAST_SECONDS)


def credential(entry: Entry, label: str) -> Credential:
    """Return what the user of an entry logs in with now.

    Raises:
        ClusterError: there is none: its credential plugin failed or said nothing, or its file cannot be read.
    """
    if entry.provider:
        return dataclasses.replace(_provided(entry, label), cert=entry.cert, key=entry.key)
    header = None
    if entry.token_file:
        header = f"Bearer {_read_token(entry.token_file, label)}"
    elif entry.token:
        header = f"Bearer {entry.token}"
    elif entry.exec:
        return _by_plugin(entry, label)
    elif entry.username and entry.password:
        header = basic(entry.username, entry.password)
    return Credential(header, entry.cert, entry.key)


def _read_token(path: str, label: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return _fit(file.read(), f"Logging in to cluster {label} failed: its tokenFile")
    except (OSError, ValueError) as exc:
        raise ClusterError(f"Logging in to cluster {label} failed: its tokenFile cannot be read: {exc}") from exc


def _fit(token: object, whose: str) -> str:
    try:
        return as_token(token)
    except ValueError as exc:
        raise ClusterError(f"{whose} {exc}.") from None


def _by_plugin(entry: Entry, label: str) -> Credential:
    plugin = t.cast("Mapping[str, t.Any]", entry.exec)
    command = plugin["command"]
    shown = f"Credential plugin {os.path.basename(command)} of cluster {label}"
    status = _status(_answer(entry, plugin, command, shown), plugin, shown)
    token, cert, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
    if not token and not (cert and key):
        raise ClusterError(f"{shown} gave neither a token nor a client certificate with its key; log in with it again.")
    sent = f"Bearer {_fit(token, f'{shown} gave a token that')}" if token else None
    login = Credential(sent, entry.cert, entry.key)
    if cert and key:
        login = dataclasses.replace(login, cert=str(cert).encode(), key=str(key).encode())
    ends = _ends(status.get("expirationTimestamp"), shown)
    if ends is None:
        return login
    left = ends - time.time()
    renew_at = time.time() + max(left - EARLY_SECONDS, left * 0.8, LEAST_SECONDS)
    return dataclasses.replace(login, renew_at=renew_at, ends=ends)


def _answer(entry: Entry, plugin: Mapping[str, t.Any], command: str, shown: str) -> str:
    if plugin.get("interactiveMode") == "Always":
        raise ClusterError(f"{shown} wants to ask somebody (interactiveMode Always), but nobody is there in a task.")
    given = {one["name"]: one["value"] for one in plugin["env"]}
    info: dict[str, t.Any] = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential"}
    info["spec"] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        info["spec"]["cluster"] = _cluster_info(entry)
    environment = {**os.environ, **given, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        return run_command(
            [command, *plugin["args"]],
            title=shown,
            environment=environment,
            timeout=PLUGIN_SECONDS,
            error=ClusterError,
            folder=entry.folder or None,
            secret=True,
        )
    except ClusterError as exc:
        # what it was given is not repeated, whatever it says
        hidden = {value for name, value in given.items() if names_a_secret(name)} | secrets_in(plugin)
        said = hide(exc.message, hidden)
        raise ClusterError(f"{said.rstrip('.')}. Log in with it again, then run again.") from None


def _cluster_info(entry: Entry) -> dict[str, t.Any]:
    fields = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")
    found = {field: entry.cluster[field] for field in fields if entry.cluster.get(field)}
    if entry.ca:
        with contextlib.suppress(OSError):
            found["certificate-authority-data"] = base64.b64encode(_content(entry.ca)).decode()
    for extension in entry.cluster.get("extensions") or ():
        if isinstance(extension, Mapping) and extension.get("name") == "client.authentication.k8s.io/exec":
            found["config"] = extension.get("extension")
    return found


def _content(pem: bytes | str) -> bytes:
    if isinstance(pem, bytes):
        return pem
    with open(pem, "rb") as file:
        return file.read()


def _status(answer: str, plugin: Mapping[str, t.Any], shown: str) -> dict[str, t.Any]:
    try:
        found = parse_json_answer(answer.encode())
        status = found["status"]
        version = found["apiVersion"]
    except (ValueError, KeyError, TypeError):
        # it may hold the credential
        raise ClusterError(f"{shown} did not answer with an ExecCredential that has a status.") from None
    if version != plugin.get("apiVersion") or not isinstance(status, dict):
        raise ClusterError(f"{shown} answered with {version}, but the kubeconfig names {plugin.get('apiVersion')}.")
    return t.cast("dict[str, t.Any]", status)


def _ends(stamp: t.Any, shown: str) -> float | None:
    if not stamp:
        return None
    try:
        ends = datetime.datetime.fromisoformat(str(stamp))
    except ValueError:
        raise ClusterError(f"{shown} gave the expirationTimestamp {stamp!r}, which is no time.") from None
    if ends.tzinfo is None:
        ends = ends.replace(tzinfo=datetime.UTC)
    return ends.timestamp()


def _provided(entry: Entry, label: str) -> Credential:
    """Ask the kubernetes library, which knows the providers that are built into clients."""
    provider = dict(t.cast("Mapping[str, t.Any]", entry.provider))
    settings = dict(provider.get("config") or {})
    provider["config"] = settings
    with contextlib.ExitStack() as stack:
        data = settings.pop("idp-certificate-authority-data", None)
        if data:
            # the library would leave it in a file
            path = stack.enter_context(private_file(base64.standard_b64decode(data), "ca"))
            settings["idp-certificate-authority"] = path
        document = {
            "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
            "clusters": [{"name": "one", "cluster": {"server": entry.server}}],
            "users": [{"name": "one", "user": {"auth-provider": provider}}],
        }
        loader = KubeConfigLoader(document, active_context="one", config_base_path=entry.folder)
        try:
            loader._load_authentication()
        except (ConfigException, OpenApiException, HTTPError, OSError, ValueError, KeyError, TypeError) as exc:
            raise ClusterError(
                f"Logging in to cluster {label} by auth-provider {provider.get('name')} failed: {type(exc).__name__}."
            ) from exc
    token = getattr(loader, "token", None)
    if not token:
        raise ClusterError(
            f"Logging in to cluster {label} failed: auth-provider {provider.get('name')} gave no token; log in again."
        )
    whose = f"Logging in to cluster {label} failed: the token of auth-provider {provider.get('name')}"
    return Credential(_fit(token, whose))
