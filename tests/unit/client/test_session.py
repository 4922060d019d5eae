# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logins that come from a plugin or a file and run out."""

from __future__ import annotations

import base64
import datetime
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client import credentials
from ansible_collections.meshops.istio.plugins.module_utils.client import retries as retries_module
from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.port_forward import get_from_pod
from ansible_collections.meshops.istio.plugins.module_utils.client.session import Session
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, UnauthorizedError
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.certificates import at_home
from unit.support.credential_plugin import SECRET, SHOP, VERSION, Plugin
from unit.support.fake_api import FakeApi
from unit.support.tls import secured


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A server with namespace shop; the waits between tries are left out."""
    monkeypatch.setattr(retries_module, "backoff_seconds", lambda *dummy: 0.0)
    with FakeApi(b.namespace("shop")) as found:
        yield found


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
