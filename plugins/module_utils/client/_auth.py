# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. From auth parameters to one connection; refuses to guess a cluster (safety rule S1)."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import tempfile
import traceback
import typing as t
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from ansible_collections.meshops.istio.plugins.module_utils.client._errors import ClusterError, ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.client._yaml import load_yaml

KUBERNETES_IMPORT_ERROR: str | None = None
try:
    from kubernetes.client.configuration import Configuration
    from kubernetes.client.rest import RESTClientObject
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader
    from urllib3.util import parse_url
except ImportError:
    KUBERNETES_IMPORT_ERROR = traceback.format_exc()


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
    proxy: str | None = None
    impersonate_user: str | None = None
    impersonate_groups: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """A short name for messages: the context, else the host."""
        return self.context or self.host or "?"


def connection(params: Mapping[str, t.Any]) -> Connection:
    """Return the connection that the parameters name.

    Raises:
        ParameterError: no cluster is named, or only half of a name is given.
    """
    given = {name: params.get(name) or None for name in (field.name for field in dataclasses.fields(Connection))}
    given["validate_certs"] = params.get("validate_certs") is not False
    given["impersonate_groups"] = tuple(params.get("impersonate_groups") or ())
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
    return found


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


def open_pool(conn: Connection) -> tuple[t.Any, t.Any]:
    """Return (Configuration, urllib3 pool manager) for a connection.

    Raises:
        ParameterError: the kubeconfig has no such context.
        ClusterError: the kubeconfig cannot be read, or its credential plugin failed.
    """
    configuration = Configuration()
    if conn.kubeconfig:
        try:
            path = os.path.abspath(conn.kubeconfig)
            document = read_kubeconfig(path)
            loader = KubeConfigLoader(document, active_context=conn.context, config_base_path=os.path.dirname(path))
            loader.load_and_set(configuration)
        except (ValueError, TypeError, AttributeError) as exc:
            raise ClusterError(f"Reading kubeconfig {conn.kubeconfig} failed: it is no kubeconfig.") from exc
        except OSError as exc:
            raise ClusterError(f"Reading kubeconfig {conn.kubeconfig} failed: {exc}") from exc
        except ConfigException as exc:
            if "context" in str(exc):
                raise ParameterError(
                    f"Parameter context: kubeconfig {conn.kubeconfig} has no usable context {conn.context!r}."
                ) from exc
            raise ClusterError(f"Reading kubeconfig {conn.kubeconfig} failed: {exc}") from exc
    else:
        configuration.host = conn.host
        configuration.verify_ssl = True
    if conn.api_key:
        configuration.api_key["BearerToken"] = f"Bearer {conn.api_key}"
    for name, value in (
        ("username", conn.username),
        ("password", conn.password),
        ("cert_file", conn.client_cert),
        ("key_file", conn.client_key),
        ("ssl_ca_cert", conn.ca_cert),
        ("proxy", conn.proxy),
    ):
        if value:
            setattr(configuration, name, value)
    if not conn.validate_certs:
        configuration.verify_ssl = False
    configuration.connection_pool_maxsize = 16
    return configuration, RESTClientObject(configuration).pool_manager


def auth_headers(configuration: t.Any, conn: Connection) -> dict[str, str]:
    """Return the login headers of one request; runs the refresh of an expired credential plugin token."""
    headers: dict[str, str] = {}
    # the first is the key of kubernetes 36 and newer, the second that of older ones
    keys = ("BearerToken", "authorization")
    token = next(filter(None, map(configuration.get_api_key_with_prefix, keys)), None)
    if token:
        headers["Authorization"] = token
    elif conn.username and conn.password:
        headers["Authorization"] = configuration.get_basic_auth_token()
    if conn.impersonate_user:
        headers["Impersonate-User"] = conn.impersonate_user
    return headers


def websocket_options(pool: t.Any) -> dict[str, t.Any]:
    """Return how websocket-client reaches what a pool manager of ``open_pool`` reaches: same certificates, same proxy.

    Raises:
        ClusterError: the proxy is one that websocket-client cannot use.
    """
    tls = pool.connection_pool_kw
    proxy = pool.proxy or (parse_url(pool.proxy_url) if hasattr(pool, "proxy_url") else None)
    # without a proxy all hosts are exempt from one that is not there, else websocket-client looks for it by itself
    through: dict[str, t.Any] = {"http_proxy_host": "none", "http_proxy_port": 1, "http_no_proxy": ["*"]}
    if proxy:
        if proxy.scheme != "http":
            raise ClusterError(f"Port-forward through a proxy of kind {proxy.scheme} is not supported.")
        login = tuple(unquote(part) for part in proxy.auth.split(":", 1)) if proxy.auth else None
        through = {"http_proxy_host": proxy.host, "http_proxy_port": proxy.port or 80, "http_proxy_auth": login}
        through["http_no_proxy"] = ["none"]  # which hosts it serves was decided with the pool
    sslopt = {
        "cert_reqs": tls["cert_reqs"],
        "check_hostname": tls.get("assert_hostname") is not False,
        "ca_certs": tls["ca_certs"],
        "certfile": tls["cert_file"],
        "keyfile": tls["key_file"],
        "server_hostname": tls.get("server_hostname"),
    }
    return {"sslopt": sslopt, **through}


@contextlib.contextmanager
def kubeconfig_file(conn: Connection) -> Iterator[tuple[str, str]]:
    """Yield (path, context) of a kubeconfig for istioctl; host logins get a private file that is removed afterwards."""
    if conn.kubeconfig and conn.context:
        yield conn.kubeconfig, conn.context
        return
    user: dict[str, t.Any] = {
        "token": conn.api_key,
        "username": conn.username,
        "password": conn.password,
        "client-certificate": conn.client_cert,
        "client-key": conn.client_key,
    }
    cluster: dict[str, t.Any] = {"server": conn.host, "certificate-authority": conn.ca_cert, "proxy-url": conn.proxy}
    if not conn.validate_certs:
        cluster = {"server": conn.host, "proxy-url": conn.proxy, "insecure-skip-tls-verify": True}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "cluster", "cluster": {k: v for k, v in cluster.items() if v}}],
        "users": [{"name": "user", "user": {k: v for k, v in user.items() if v}}],
        "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "user"}}],
    }
    with tempfile.NamedTemporaryFile("w", prefix="meshops-istio-", suffix=".json") as file:
        json.dump(document, file)
        file.flush()
        yield file.name, "cluster"
