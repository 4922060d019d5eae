# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A login that no header may hold is never shown (S13), and the line break after a block of YAML is not part of one."""

from __future__ import annotations

import base64
import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client import retries as retries_module
from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.http_get import fetch
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, ProbeError
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import istio_info as info
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import rollout_restart as restart
from unit.support import builders as b
from unit.support.credential_plugin import Plugin
from unit.support.fake_api import FakeApi
from unit.support.gates import QUERY, serving, vector
from unit.support.running import task

SECRET = "s3cr3t"
BEARER, BASIC = f"Bearer {SECRET}", "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
#: The text that follows the secret inside one value.
BROKEN = [pytest.param(f"{SECRET}{char}X-Other: 1", id=repr(char)) for char in ("\n", "\r\n", "\x00", "\x1b")]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """Two stale Deployments."""
    monkeypatch.setattr(retries_module, "backoff_seconds", lambda *dummy: 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed()) as found:
        yield found


def of_options(dummy: Path, dummy_url: str, **options: t.Any) -> b.Json:
    return options


def of_user(folder: Path, url: str, **user: t.Any) -> b.Json:
    """The options for a kubeconfig whose user says this."""
    plugin = Plugin(folder, url)
    plugin.write(url, **user)
    return {"host": None, "kubeconfig": str(plugin.path), "context": "c"}


def of_file(folder: Path, url: str, *, token: str) -> b.Json:
    (folder / "token").write_bytes(token.encode())
    return of_user(folder, url, tokenFile="token")


def of_plugin(folder: Path, url: str, *, token: str) -> b.Json:
    plugin = Plugin(folder, url).gives({"token": token})
    return {"host": None, "kubeconfig": str(plugin.path), "context": "c"}


#: How a login is given, with VALUE where the secret is, and the header that it becomes.
LOGINS = [
    pytest.param(of_options, {"api_key": "VALUE"}, BEARER, id="api_key"),
    pytest.param(of_options, {"username": "me", "password": "VALUE"}, BASIC, id="password"),
    pytest.param(of_user, {"token": "VALUE"}, BEARER, id="token of a kubeconfig"),
    pytest.param(of_user, {"username": "me", "password": "VALUE"}, BASIC, id="password of a kubeconfig"),
    pytest.param(of_file, {"token": "VALUE"}, BEARER, id="tokenFile"),
    pytest.param(of_plugin, {"token": "VALUE"}, BEARER, id="credential plugin"),
]
GATES = [
    pytest.param("prometheus", {**QUERY, "token": "VALUE"}, BEARER, id="token of gates.prometheus"),
    pytest.param("prometheus", {**QUERY, "username": "me", "password": "VALUE"}, BASIC, id="password of prometheus"),
    pytest.param("http", {"username": "me", "password": "VALUE"}, BASIC, id="password of gates.http"),
]


def filled(given: b.Json, value: str) -> b.Json:
    return {name: value if text == "VALUE" else text for name, text in given.items()}


def unshown(result: b.Json, capfd: pytest.CaptureFixture[str]) -> b.Json:
    """The result, in which the secret is not, nor beside it, nor is there a traceback."""
    expected_text = json.dumps(result) + "".join(capfd.readouterr())
    for form in (SECRET, BASIC.removeprefix("Basic "), "Traceback"):
        assert form not in expected_text
    return result


@pytest.mark.parametrize(("made", "given", "header"), LOGINS)
def test_a_line_break_at_the_end_is_no_part_of_a_login(
    api: FakeApi, tmp_path: Path, capfd: pytest.CaptureFixture[str], made: t.Any, given: b.Json, header: str
) -> None:
    options = made(tmp_path, api.url, **filled(given, f"{SECRET}\n"))
    result = unshown(task(api, info.CORE, **options), capfd)
    assert not result.get("failed"), result["msg"]
    assert {seen.headers["Authorization"] for seen in api.seen} == {header}


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize(("made", "given", "dummy_header"), LOGINS)
def test_a_login_that_cannot_be_sent_is_refused_in_one_sentence(
    api: FakeApi, tmp_path: Path, capfd: pytest.CaptureFixture[str], made: t.Any, given: b.Json, dummy_header: str,
    value: str,
) -> None:  # fmt: skip
    options = made(tmp_path, api.url, **filled(given, value))
    result = unshown(task(api, info.CORE, **options), capfd)
    assert "has a line break or another character that is invalid in a login" in result["msg"]
    assert not api.seen


@pytest.mark.parametrize("option", ["username", "impersonate_user", "proxy", "host"])
def test_no_other_option_that_is_sent_has_a_control_character(api: FakeApi, option: str) -> None:
    result = task(api, info.CORE, **{"password": SECRET, option: "http://a\nb"})
    assert result["msg"].startswith(f"Parameter {option} has a line break")
    groups = task(api, info.CORE, impersonate_groups=["a", "b\nX-Other: 1"])
    assert groups["msg"].startswith("Parameter impersonate_groups has a line break")


def test_what_a_credential_plugin_is_given_is_not_shown_either(
    api: FakeApi, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    plugin = Plugin(tmp_path, api.url)
    plugin.exec["env"] = [{"name": "A_TOKEN", "value": f"{SECRET}\0"}]
    plugin.write(api.url)
    result = unshown(task(api, info.CORE, host=None, kubeconfig=str(plugin.path), context="c"), capfd)
    assert "could not be started" in result["msg"]


@pytest.mark.parametrize(("kind", "given", "header"), GATES)
def test_a_gate_sends_its_login_without_the_line_break(
    api: FakeApi, quick: None, capfd: pytest.CaptureFixture[str], kind: str, given: b.Json, header: str
) -> None:
    seen: list[t.Any] = []
    with serving((200, vector("0")), seen=seen) as url:
        gates = {"timeout": 0, kind: [{"url": f"{url}\n", **filled(given, f"{SECRET}\n")}]}
        result = unshown(task(api, restart.CORE, namespaces=["shop"], batch_timeout=5, gates=gates), capfd)
    assert not result.get("failed"), result["msg"]
    assert {headers["Authorization"] for dummy, headers in seen} == {header}


@pytest.mark.parametrize("value", BROKEN)
@pytest.mark.parametrize(("kind", "given", "dummy_header"), GATES)
def test_a_gate_whose_login_cannot_be_sent_is_refused_before_any_request(
    api: FakeApi, capfd: pytest.CaptureFixture[str], kind: str, given: b.Json, dummy_header: str, value: str
) -> None:
    gates = {kind: [{"url": "http://127.0.0.1:1", **filled(given, value)}]}
    result = unshown(task(api, restart.CORE, namespaces=["shop"], gates=gates), capfd)
    assert result["msg"].startswith(f"Parameter gates.{kind}[0].")
    assert not api.seen


def test_the_senders_do_not_repeat_a_header_that_is_refused(api: FakeApi, capfd: pytest.CaptureFixture[str]) -> None:
    client = Client(Connection(host=api.url, api_key=f"{SECRET}\nX"))
    with pytest.raises(ClusterError, match="has a character that HTTP forbids") as found:
        client.get("/api/v1/namespaces")
    unshown({"expected_text": repr(found.value), "cause": repr(found.value.__cause__)}, capfd)
    unheard = Client(Connection(host=api.url, api_key=f"{SECRET}\N{EURO SIGN}"))
    with pytest.raises(ClusterError) as found:
        unheard.get("/api/v1/namespaces")
    with pytest.raises(ProbeError, match="has a character that HTTP forbids") as probe:
        fetch("http://127.0.0.1:1", timeout=5, headers={"Authorization": f"Bearer {SECRET}\nX"})
    unshown({"expected_text": [repr(found.value), repr(probe.value)], "cause": repr(probe.value.__cause__)}, capfd)
