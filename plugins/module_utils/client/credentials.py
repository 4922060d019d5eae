# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs in: by a token, a user and password, a client certificate, or a credential plugin.

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

from ansible_collections.meshops.istio.plugins.module_utils.client.kubeconfig import ClusterLogin
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

with contextlib.suppress(ImportError):  # client/auth.py reports that the kubernetes library is missing
    from kubernetes.client.exceptions import OpenApiException
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader
    from urllib3.exceptions import HTTPError

#: A plugin that takes longer waits for a user, such as for a login in a browser.
PLUGIN_SECONDS = 60.0
#: A credential is renewed this many seconds before it expires, or after four fifths of its time if that is later.
EARLY_SECONDS = 60.0
#: A credential that has expired by the local clock is used for this long nevertheless, because the clock may be wrong.
LEAST_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Credential:
    """A header or client certificate, and the times of its renewal and its expiry (in seconds since the epoch)."""

    header: str | None = dataclasses.field(default=None, repr=False)
    cert: bytes | str | None = dataclasses.field(default=None, repr=False)
    key: bytes | str | None = dataclasses.field(default=None, repr=False)
    renew_at: float | None = None
    expires: float | None = None

    @property
    def due(self) -> bool:
        """Whether it is time to renew the credential."""
        return self.renew_at is not None and time.time() >= self.renew_at

    def prolonged(self) -> Credential | None:
        """Return the credential with a later renewal, or None if it has expired."""
        if self.expires is None or time.time() >= self.expires:
            return None
        return dataclasses.replace(self, renew_at=time.time() + LEAST_SECONDS)


def log_in(login: ClusterLogin, label: str) -> Credential:
    """Return the current credential of a login.

    Raises:
        ClusterError: its credential plugin failed or returned nothing, or its file cannot be read.
    """
    if login.provider:
        return dataclasses.replace(_log_in_by_provider(login, label), cert=login.cert, key=login.key)
    header = None
    if login.token_file:
        header = f"Bearer {_read_token(login.token_file, label)}"
    elif login.token:
        header = f"Bearer {login.token}"
    elif login.exec:
        return _log_in_by_plugin(login, label)
    elif login.username and login.password:
        header = basic(login.username, login.password)
    return Credential(header, login.cert, login.key)


def _read_token(path: str, label: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return _require_sendable(file.read(), f"Logging in to cluster {label} failed: its tokenFile")
    except (OSError, ValueError) as exc:
        raise ClusterError(f"Logging in to cluster {label} failed: its tokenFile cannot be read: {exc}") from exc


def _require_sendable(token: object, owner: str) -> str:
    try:
        return as_token(token)
    except ValueError as exc:
        raise ClusterError(f"{owner} {exc}.") from None


def _log_in_by_plugin(login: ClusterLogin, label: str) -> Credential:
    plugin = t.cast("Mapping[str, t.Any]", login.exec)
    command = plugin["command"]
    shown = f"Credential plugin {os.path.basename(command)} of cluster {label}"
    status = _status(_run_plugin(login, plugin, command, shown), plugin, shown)
    token, cert, key = (status.get(name) for name in ("token", "clientCertificateData", "clientKeyData"))
    if not token and not (cert and key):
        raise ClusterError(
            f"{shown} returned neither a token nor a client certificate with its key; log in with it again."
        )
    sent = f"Bearer {_require_sendable(token, f'{shown} returned a token that')}" if token else None
    credential = Credential(sent, login.cert, login.key)
    if cert and key:
        credential = dataclasses.replace(credential, cert=str(cert).encode(), key=str(key).encode())
    expires = _expiry(status.get("expirationTimestamp"), shown)
    if expires is None:
        return credential
    seconds = expires - time.time()
    renew_at = time.time() + max(seconds - EARLY_SECONDS, seconds * 0.8, LEAST_SECONDS)
    return dataclasses.replace(credential, renew_at=renew_at, expires=expires)


def _run_plugin(login: ClusterLogin, plugin: Mapping[str, t.Any], command: str, shown: str) -> str:
    if plugin.get("interactiveMode") == "Always":
        raise ClusterError(f"{shown} needs a terminal (interactiveMode Always), but a task has none.")
    variables = {variable["name"]: variable["value"] for variable in plugin["env"]}
    info: dict[str, t.Any] = {"apiVersion": plugin.get("apiVersion"), "kind": "ExecCredential"}
    info["spec"] = {"interactive": False}
    if plugin.get("provideClusterInfo"):
        info["spec"]["cluster"] = _cluster_info(login)
    environment = {**os.environ, **variables, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        return run_command(
            [command, *plugin["args"]],
            title=shown,
            environment=environment,
            timeout=PLUGIN_SECONDS,
            error=ClusterError,
            folder=login.folder or None,
            secret=True,
        )
    except ClusterError as exc:
        # The error must not repeat the secrets that the plugin was given.
        hidden = {value for name, value in variables.items() if names_a_secret(name)} | secrets_in(plugin)
        message = hide(exc.message, hidden)
        raise ClusterError(f"{message.rstrip('.')}. Log in with it again, then run again.") from None


def _cluster_info(login: ClusterLogin) -> dict[str, t.Any]:
    fields = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url")
    info = {field: login.cluster[field] for field in fields if login.cluster.get(field)}
    if login.ca:
        with contextlib.suppress(OSError):
            info["certificate-authority-data"] = base64.b64encode(_content(login.ca)).decode()
    for extension in login.cluster.get("extensions") or ():
        if isinstance(extension, Mapping) and extension.get("name") == "client.authentication.k8s.io/exec":
            info["config"] = extension.get("extension")
    return info


def _content(pem: bytes | str) -> bytes:
    if isinstance(pem, bytes):
        return pem
    with open(pem, "rb") as file:
        return file.read()


def _status(answer: str, plugin: Mapping[str, t.Any], shown: str) -> dict[str, t.Any]:
    try:
        credential = parse_json_answer(answer.encode())
        status = credential["status"]
        version = credential["apiVersion"]
    except (ValueError, KeyError, TypeError):
        # The error does not repeat the answer, which may hold the credential.
        raise ClusterError(f"{shown} did not answer with an ExecCredential that has a status.") from None
    if version != plugin.get("apiVersion") or not isinstance(status, dict):
        raise ClusterError(f"{shown} answered with {version}, but the kubeconfig names {plugin.get('apiVersion')}.")
    return t.cast("dict[str, t.Any]", status)


def _expiry(stamp: t.Any, shown: str) -> float | None:
    if not stamp:
        return None
    try:
        expires = datetime.datetime.fromisoformat(str(stamp))
    except ValueError:
        raise ClusterError(f"{shown} returned the expirationTimestamp {stamp!r}, which is not a valid time.") from None
    if expires.tzinfo is None:
        expires = expires.replace(tzinfo=datetime.UTC)
    return expires.timestamp()


def _log_in_by_provider(login: ClusterLogin, label: str) -> Credential:
    """Log in by the kubernetes library, which implements the providers that are built into clients."""
    provider = dict(t.cast("Mapping[str, t.Any]", login.provider))
    settings = dict(provider.get("config") or {})
    provider["config"] = settings
    with contextlib.ExitStack() as stack:
        data = settings.pop("idp-certificate-authority-data", None)
        if data:
            # The library would leave the certificate in a file.
            path = stack.enter_context(private_file(base64.standard_b64decode(data), "ca"))
            settings["idp-certificate-authority"] = path
        document = {
            "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
            "clusters": [{"name": "one", "cluster": {"server": login.server}}],
            "users": [{"name": "one", "user": {"auth-provider": provider}}],
        }
        loader = KubeConfigLoader(document, active_context="one", config_base_path=login.folder)
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
    owner = f"Logging in to cluster {label} failed: the token of auth-provider {provider.get('name')}"
    return Credential(_require_sendable(token, owner))
