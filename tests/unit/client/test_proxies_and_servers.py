# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Proxies and URLs of servers with logins, and warnings about connections that others can read."""

from __future__ import annotations

import base64
import json
import sys
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection, connection, kubeconfig_file
from ansible_collections.meshops.istio.plugins.module_utils.client.session import Session
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, ParameterError
from unit.support import builders as b
from unit.support.certificates import at_home
from unit.support.credential_plugin import SECRET, SHOP, Plugin
from unit.support.gates import serving


@pytest.mark.parametrize(
    "proxy",
    [
        f"http://me:{SECRET}/x@proxy:3128",
        f"http://me:12/{SECRET}@proxy",
        f"http://me:{SECRET}#@proxy:1",
        f"http://me:{SECRET}@proxy:port",
        "proxy:3128",
        "ftp://proxy",
        "http://",
        "http://[::1",
    ],
)
@pytest.mark.parametrize("where", ["host", "kubeconfig", "environment"])
def test_a_proxy_that_is_no_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str, where: str) -> None:
    if where == "environment":
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("https_proxy", proxy)
    given: b.Json = {"host": "https://api.example.com", **({"proxy": proxy} if where == "host" else {})}
    if where == "kubeconfig":
        plugin = Plugin(tmp_path, "https://api.example.com")
        document = json.loads(plugin.path.read_text(encoding="utf-8"))
        document["clusters"][0]["cluster"]["proxy-url"] = proxy
        document["users"][0]["user"] = {"token": "x"}
        plugin.path.write_text(json.dumps(document), encoding="utf-8")
        given = {"kubeconfig": str(plugin.path), "context": "c"}
    with pytest.raises(ParameterError, match="The proxy of cluster .* cannot be used: its URL needs http") as failed:
        Session(connection(given))
    assert SECRET not in failed.value.message


@pytest.mark.filterwarnings("ignore:SOCKS support")
def test_a_socks_proxy_needs_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    with pytest.raises(ParameterError, match="but the Python library PySocks is missing where this task runs"):
        Session(Connection(host="https://api.example.com", proxy="socks5://proxy:1080"))


def test_the_login_of_a_socks_proxy_is_meant_as_it_is_in_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    library = types.ModuleType("socks")
    vars(library).update(PROXY_TYPE_SOCKS4=1, PROXY_TYPE_SOCKS5=2)
    monkeypatch.setitem(sys.modules, "socks", library)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    session = Session(Connection(host="https://api.example.com", proxy="socks5://me:p%40ss@proxy:1080"))
    options = session.pool.connection_pool_kw["_socks_options"]
    assert (options["username"], options["password"]) == ("me", "p@ss")
    assert "proxy-authorization" not in (session.pool.headers or {})


def test_the_login_of_a_proxy_is_sent_as_it_is_meant() -> None:
    seen: list[t.Any] = []
    with serving((200, {}), seen=seen) as url:
        proxy = url.replace("//", "//me:p%40s%2Fs@")
        Client(Connection(host="http://far.invalid", proxy=proxy)).get(SHOP)
    headers = {name.lower(): value for name, value in seen[0][1].items()}
    assert headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:p@s/s").decode()


@pytest.mark.parametrize(
    "plugin",
    ["text", {"args": []}, {"command": "x", "env": [{}]}, {"command": "x", "env": 5}, {"command": "x", "args": 5}],
)
def test_a_plugin_that_is_none_is_no_kubeconfig(tmp_path: Path, plugin: t.Any) -> None:
    found = Plugin(tmp_path, "http://127.0.0.1:1")
    found.exec = plugin
    found.write("http://127.0.0.1:1")
    with pytest.raises(ClusterError, match="it is not a valid kubeconfig"):
        Session(found.connection())


@pytest.mark.parametrize("server", [f"https://me:{SECRET}@api.example.com", f"https://{SECRET}@api.example.com:6443"])
@pytest.mark.parametrize("where", ["host", "kubeconfig"])
def test_a_login_in_the_url_of_a_server_is_refused(tmp_path: Path, server: str, where: str) -> None:
    """It would be shown wherever the cluster is named; the inventory plugin refuses it too."""
    given = {"host": server}
    if where == "kubeconfig":
        given = {"kubeconfig": str(Plugin(tmp_path, server).path), "context": "c"}
    with pytest.raises(ParameterError, match="holds a login, which would be shown") as failed:
        Session(connection(given))
    assert SECRET not in failed.value.message


@pytest.mark.parametrize(
    ("given", "expected_text"),
    [
        ({"host": "http://api.example.com", "api_key": "x"}, "api.example.com are not encrypted (http)"),
        ({"host": "http://api.example.com", "username": "me", "password": "x"}, "are not encrypted"),
        ({"host": "http://api.example.com"}, ""),
        ({"host": "http://127.0.0.1:8001", "api_key": "x"}, ""),
        ({"host": "https://api.example.com", "api_key": "x"}, ""),
        ({"host": "https://api.example.com", "validate_certs": False}, "is not verified"),
    ],
)  # fmt: skip
def test_what_somebody_on_the_way_could_do_is_said(given: b.Json, expected_text: str) -> None:
    warning = Client(connection(given)).tls_warning
    assert expected_text in warning
    assert bool(warning) is bool(expected_text)


def test_relative_paths_of_a_login_lead_a_command_to_the_same_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a kubeconfig start at its folder, which is not the user's folder."""
    monkeypatch.chdir(tmp_path)
    cert, key = at_home()
    for name, pem in (("cert.pem", cert), ("key.pem", key), ("ca.pem", cert)):
        Path(name).write_bytes(pem)
    given = {"client_cert": "cert.pem", "client_key": "key.pem", "ca_cert": "ca.pem"}
    conn = connection({"host": "https://api.example.com", **given})
    Session(conn)
    with kubeconfig_file(conn) as (path, dummy):
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    assert document["clusters"][0]["cluster"]["certificate-authority"] == str(tmp_path / "ca.pem")
    assert document["users"][0]["user"] == {
        "client-certificate": str(tmp_path / "cert.pem"),
        "client-key": str(tmp_path / "key.pem"),
    }


def test_a_key_that_is_locked_asks_nobody(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s

    cert, key = at_home()
    private = s.load_pem_private_key(key, None)
    (tmp_path / "cert.pem").write_bytes(cert)
    (tmp_path / "key.pem").write_bytes(
        private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"x"))
    )
    given = {"client_cert": str(tmp_path / "cert.pem"), "client_key": str(tmp_path / "key.pem")}
    with pytest.raises(ClusterError, match="key .*key.pem of its user cannot be used: the key has a password"):
        Session(connection({"host": "https://api.example.com", **given}))
