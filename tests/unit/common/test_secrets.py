# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets in a text or in a mapping, and texts that only look like one."""

from __future__ import annotations

import base64
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import (
    hide,
    login_of,
    names_a_secret,
    secrets_in,
    without_secrets,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import settings_diff


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        pytest.param("https://me:hunter2@a/x", {"me:hunter2", "hunter2"}, id="login"),
        pytest.param("see https://me:hunter2@a/x.", {"me:hunter2", "hunter2"}, id="inside a text"),
        pytest.param("https://ghp_abc@a", {"ghp_abc"}, id="token as user"),
        pytest.param("http://me:h%40ck@a", {"me:h%40ck", "h%40ck", "h@ck"}, id="percent signs"),
        pytest.param("http://me:pw@a", {"me:pw"}, id="too short to hide elsewhere"),
        pytest.param("http://me:se/cret@a:1", {"me:se/cret", "se/cret", "se%2Fcret"}, id="no URL"),
        pytest.param("http://a/?token=abcd", {"token=abcd", "abcd"}, id="query by name"),
        pytest.param("http://a/?x=1f3a9c0de4b7a6f2", {"x=1f3a9c0de4b7a6f2", "1f3a9c0de4b7a6f2"}, id="query by form"),
        pytest.param("http://a/?ns=shop&env=prod", {"ns=shop&env=prod", "ns=shop", "env=prod"}, id="harmless query"),
        pytest.param("http://a/b@c", set(), id="path"),
        pytest.param("oci://registry/charts@sha256:0123456789abcdef", set(), id="digest"),
        pytest.param("https://a:6443", set(), id="port"),
        pytest.param("https://[::1]/b@c", set(), id="IPv6"),
        pytest.param("me:hunter2@a", set(), id="none"),
        pytest.param({"tracer": {"accessToken": "hunter2"}}, {"hunter2"}, id="by name"),
        pytest.param([{"name": "DB_PASSWORD", "value": "hunter2"}], {"hunter2"}, id="variable of a container"),
        pytest.param({"token": {"aud": "istio-ca"}, "imagePullSecrets": ["pull"]}, set(), id="names of Istio"),
        pytest.param({"ENABLE_TOKEN": "true", "secretName": "tls", "token": 5, "password": None}, set(), id="no texts"),
    ],
)
def test_secrets(value: t.Any, hidden: set[str]) -> None:
    login = login_of(value.split()[-1]) if isinstance(value, str) else None
    header = {base64.b64encode(":".join(login).encode()).decode()} if login else set()
    assert secrets_in(value) == hidden | header


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("password", True), ("DB_PASSWD", True), ("accessToken", True), ("api_key", True), ("privateKey", True),
        ("clientSecret", True), ("client_key", False), ("key", False), ("secretName", False), ("tokenAud", False),
        ("imagePullSecrets", False), ("jwtPolicy", False),
    ],
)  # fmt: skip
def test_a_name_tells(name: str, secret: bool) -> None:
    assert names_a_secret(name) is secret


def test_what_is_longer_is_hidden_first() -> None:
    assert hide("a abc b", {"a", "abc", ""}) == "(hidden) (hidden) b"
    assert without_secrets("http://me:hunter2@a") == "http://(hidden)@a"


def test_a_setting_whose_name_is_that_of_a_secret_is_said_to_change_without_its_values() -> None:
    old, new = ({"global": {"tracer": {"accessToken": value, "address": value}}} for value in ("before", "after"))
    found = settings_diff(old, new, old)
    assert found.lines() == [
        "user setting global.tracer.accessToken: '(hidden)' -> '(hidden)'",
        "user setting global.tracer.address: 'before' -> 'after'",
    ]
    assert "before" not in str(found.as_dict()["user"]["global.tracer.accessToken"])
