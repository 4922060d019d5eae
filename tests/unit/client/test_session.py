# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins that come from somewhere and run out, proxies, and the messages about them."""

from __future__ import annotations

import base64
import datetime
import json
import sys
import time
import types
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client import credentials
from ansible_collections.meshops.istio.plugins.module_utils.client import retries as retries_module
from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection, connection, kubeconfig_file
from ansible_collections.meshops.istio.plugins.module_utils.client.port_forward import get_from_pod
from ansible_collections.meshops.istio.plugins.module_utils.client.session import Session
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ClusterError,
    ParameterError,
    UnauthorizedError,
)
from unit.operations.restart.test_gates import serving
from unit.support import builders as b
from unit.support.certificates import at_home
from unit.support.fake_api import Answer, FakeApi, failure
from unit.support.tls import secured

VERSION = "client.authentication.k8s.io/v1"
SHOP = "/api/v1/namespaces/shop"
SECRET = "s3cr3t-of-a-plugin"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A server with namespace shop; the waits between tries are left out."""
    monkeypatch.setattr(retries_module, "backoff_seconds", lambda *dummy: 0.0)
    with FakeApi(b.namespace("shop")) as found:
        yield found


class Plugin:
    """A credential plugin that gives what is next in a folder, and the kubeconfig that names it."""

    def __init__(self, folder: Path, server: str, script: str = "") -> None:
        self.folder, self.path = folder, folder / "config"
        self.calls = folder / "calls"
        script = script or 'n=$(wc -l < calls); cat "answer-$n" 2>/dev/null || cat answer-1'
        (folder / "plugin").write_text(f"#!/bin/sh\necho call >> calls\n{script}\n", encoding="utf-8")
        (folder / "plugin").chmod(0o700)
        self.exec: b.Json = {"apiVersion": VERSION, "command": str(folder / "plugin")}
        self.write(server)

    def write(self, server: str, **user: t.Any) -> None:
        """Write the kubeconfig."""
        document = {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": user or {"exec": self.exec}}],
        }
        self.path.write_text(json.dumps(document), encoding="utf-8")

    def gives(self, *answers: b.Json) -> t.Self:
        """Let the calls be answered in turn, the first answer after all."""
        for number, status in enumerate(answers, 1):
            body = {"apiVersion": VERSION, "kind": "ExecCredential", "status": status}
            (self.folder / f"answer-{number}").write_text(json.dumps(body), encoding="utf-8")
        return self

    @property
    def called(self) -> int:
        """How often it ran."""
        return len(self.calls.read_text(encoding="utf-8").split())

    def connection(self) -> Connection:
        """Where a task connects to."""
        return connection({"kubeconfig": str(self.path), "context": "c"})


def stamp(seconds: float) -> str:
    """A time from now."""
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("script", "expected_text"),
    [
        pytest.param("echo 'Expired, run: sso login' >&2; exit 1", "failed: Expired, run: sso login", id="words"),
        pytest.param(f"echo {SECRET}; exit 3", "failed: exit code 3", id="its output may be the credential"),
        pytest.param("true", "did not answer with an ExecCredential", id="nothing"),
        pytest.param(f"echo {SECRET}", "did not answer with an ExecCredential", id="no JSON"),
        pytest.param(
            "head -c 150000 /dev/zero | tr '\\0' '['", "did not answer with an ExecCredential", id="nested without end"
        ),
        pytest.param("""echo '{"apiVersion": "v0", "status": {}}'""", "answered with v0, but the", id="version"),
        pytest.param(f"""echo '{{"apiVersion": "{VERSION}", "status": {{}}}}'""", "returned neither a", id="no token"),
        pytest.param(
            f"""echo '{{"apiVersion": "{VERSION}", "status": {{"token": "x", "expirationTimestamp": "soon"}}}}'""",
            "expirationTimestamp 'soon', which is not a valid time",
            id="no time",
        ),
        pytest.param("sleep 30", "did not end within 1 s and was stopped", id="hangs"),
        pytest.param('echo "bad $AWS_SECRET" >&2; exit 1', r"bad \(hidden\)\. Log in with it", id="what it was given"),
    ],
)  # fmt: skip
def test_a_credential_plugin_that_gives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, expected_text: str
) -> None:
    monkeypatch.setattr(credentials, "PLUGIN_SECONDS", 1.0)
    plugin = Plugin(tmp_path, "http://127.0.0.1:1", script)
    plugin.exec["env"] = [{"name": "AWS_SECRET", "value": SECRET}]
    plugin.write("http://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(ClusterError, match=f"Credential plugin plugin of cluster c .*{expected_text}") as failed:
        Client(plugin.connection())
    assert SECRET not in failed.value.message
    assert time.monotonic() - began < 10


def test_a_credential_plugin_that_is_missing_or_wants_somebody(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, "http://127.0.0.1:1")
    plugin.exec["command"] = "no-such-plugin-anywhere"
    plugin.write("http://127.0.0.1:1")
    with pytest.raises(ClusterError, match="no-such-plugin-anywhere of cluster c could not be started"):
        Session(plugin.connection())
    plugin.exec["interactiveMode"] = "Always"
    plugin.write("http://127.0.0.1:1")
    with pytest.raises(ClusterError, match="needs a terminal"):
        Session(plugin.connection())


def test_a_token_that_ran_out_is_renewed_once(api: FakeApi, tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, api.url).gives({"token": "old"}, {"token": "new"})
    api.script("GET", SHOP, failure(401, "Unauthorized"))
    client = Client(plugin.connection())
    assert client.get(SHOP)["metadata"]["name"] == "shop"
    assert [seen.headers["Authorization"] for seen in api.seen] == ["Bearer old", "Bearer new"]
    client.get(SHOP)
    assert plugin.called == 2


def test_a_patch_is_sent_again_with_the_new_token(api: FakeApi, tmp_path: Path) -> None:
    """A server that does not accept a login did nothing, so that even a POST could be."""
    plugin = Plugin(tmp_path, api.url).gives({"token": "old"}, {"token": "new"})
    api.script("PATCH", SHOP, failure(401, "Unauthorized"))
    Client(plugin.connection()).merge(SHOP, {"metadata": {"labels": {"a": "b"}}})
    assert api.get("Namespace", "shop")["metadata"]["labels"]["a"] == "b"


def test_a_login_that_is_never_accepted(api: FakeApi, tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, api.url).gives({"token": "old"}, {"token": "new"})
    api.script("GET", SHOP, *[failure(401, "Unauthorized")] * 3)
    with pytest.raises(UnauthorizedError, match="log in again, then run again"):
        Client(plugin.connection()).get(SHOP)
    assert (plugin.called, len(api.seen)) == (2, 2)


def test_a_plugin_that_fails_when_it_is_asked_again_says_why(api: FakeApi, tmp_path: Path) -> None:
    script = '[ $(wc -l < calls) = 1 ] && cat answer-1 || { echo "session over" >&2; exit 1; }'
    plugin = Plugin(tmp_path, api.url, script)
    plugin.gives({"token": "old"})
    api.script("GET", SHOP, failure(401, "Unauthorized"))
    with pytest.raises(ClusterError, match="session over"):
        Client(plugin.connection()).get(SHOP)


def test_a_token_is_renewed_before_it_ends(api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "LEAST_SECONDS", 0.0)
    first = {"token": "old", "expirationTimestamp": stamp(-1)}
    plugin = Plugin(tmp_path, api.url).gives(first, {"token": "new", "expirationTimestamp": stamp(3600)})
    client = Client(plugin.connection())
    client.get(SHOP)
    client.get(SHOP)
    assert [seen.headers["Authorization"] for seen in api.seen] == ["Bearer new", "Bearer new"]
    assert plugin.called == 2


def test_a_plugin_that_fails_for_a_moment_ends_nothing(
    api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The credential is good for a while yet."""
    monkeypatch.setattr(credentials, "EARLY_SECONDS", 7200.0)
    monkeypatch.setattr(credentials, "LEAST_SECONDS", 0.0)
    plugin = Plugin(tmp_path, api.url, "[ $(wc -l < calls) = 1 ] && cat answer-1 || exit 1")
    plugin.gives({"token": "old", "expirationTimestamp": stamp(3600)})
    client = Client(plugin.connection())
    ends = time.time() + 3600
    monkeypatch.setattr(credentials.time, "time", lambda: ends - 300)
    client.get(SHOP)
    assert (api.seen[0].headers["Authorization"], plugin.called) == ("Bearer old", 2)
    monkeypatch.setattr(credentials.time, "time", lambda: ends + 1)
    with pytest.raises(ClusterError, match="Credential plugin"):
        client.get(SHOP)


def test_a_client_certificate_of_a_plugin_is_renewed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "LEAST_SECONDS", 0.0)
    pairs = [at_home(), at_home()]
    with secured(tmp_path, *(cert for cert, dummy in pairs)) as server:
        server.answer = lambda *dummy: (200, {})
        plugin = Plugin(tmp_path, server.url)
        answers = [{"clientCertificateData": cert.decode(), "clientKeyData": key.decode()} for cert, key in pairs]
        plugin.gives({**answers[0], "expirationTimestamp": stamp(600)}, answers[1])
        document = json.loads(plugin.path.read_text(encoding="utf-8"))
        trusted = base64.b64encode(server.cert).decode()
        document["clusters"][0]["cluster"]["certificate-authority-data"] = trusted
        plugin.path.write_text(json.dumps(document), encoding="utf-8")
        client = Client(plugin.connection())
        client.get(SHOP)
        monkeypatch.setattr(credentials.time, "time", lambda real=time.time: real() + 700)
        client.get(SHOP)
    assert len(set(server.clients) - {0}) == 2
    assert plugin.called == 2


def test_a_kubeconfig_that_was_written_anew_is_read_again(api: FakeApi, tmp_path: Path) -> None:
    """As by a login in another window; one that leads to another server now is ignored."""
    plugin = Plugin(tmp_path, api.url)
    plugin.write(api.url, token="old")
    client = Client(plugin.connection())
    plugin.write(api.url, token="newer")
    api.script("GET", SHOP, failure(401, "Unauthorized"))
    client.get(SHOP)
    plugin.write("http://127.0.0.1:1", token="elsewhere")
    api.script("GET", SHOP, failure(401, "Unauthorized"))
    with pytest.raises(UnauthorizedError):
        client.get(SHOP)
    assert [seen.headers["Authorization"] for seen in api.seen] == ["Bearer old", "Bearer newer", "Bearer newer"]


def test_a_token_file_is_read_again(api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old\n", encoding="utf-8")
    plugin = Plugin(tmp_path, api.url)
    plugin.write(api.url, tokenFile="token", token="not this one")
    client = Client(plugin.connection())
    (tmp_path / "token").write_text("new\n", encoding="utf-8")
    api.script("GET", SHOP, failure(401, "Unauthorized"))
    client.get(SHOP)
    assert [seen.headers["Authorization"] for seen in api.seen] == ["Bearer old", "Bearer new"]


def test_a_port_forward_is_opened_with_the_new_token(api: FakeApi, tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, api.url).gives({"token": "old"}, {"token": "new"})
    place = f"{SHOP}/pods/a/portforward"
    api.script("GET", place, failure(401, "Unauthorized"), Answer(forwarded=b"{}"))
    client = Client(plugin.connection())
    assert get_from_pod(client, "shop", "a", 1, "/", timeout=5) == b"{}"
    assert [seen.headers["Authorization"] for seen in api.seen] == ["Bearer old", "Bearer new"]


def test_a_plugin_is_told_about_the_cluster_if_it_wants(tmp_path: Path) -> None:
    plugin = Plugin(tmp_path, "http://127.0.0.1:1", 'echo "$KUBERNETES_EXEC_INFO" > info; cat answer-1')
    plugin.gives({"token": "x"}).exec["provideClusterInfo"] = True
    plugin.write("http://127.0.0.1:1")
    Session(plugin.connection())
    told = json.loads((tmp_path / "info").read_text(encoding="utf-8"))
    assert told["spec"] == {"interactive": False, "cluster": {"server": "http://127.0.0.1:1"}}


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
