# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which proxy a request uses, its login, and kubeconfigs that kubernetes.core takes and this collection refuses."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import connection
from ansible_collections.meshops.istio.plugins.module_utils.client.proxy import is_exempt, proxy_of
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError

SERVER, PROXY = "https://api.example.com:6443", "http://proxy:3128"


@pytest.mark.parametrize(
    ("server", "no_proxy", "exempt"),
    [
        (SERVER, "", False),
        (SERVER, "*", True),
        (SERVER, "other.com, api.example.com", True),
        (SERVER, ".example.com", True),
        (SERVER, "*.EXAMPLE.com", True),
        (SERVER, "ample.com", False),
        (SERVER, "api.example.com:6443", True),
        (SERVER, "api.example.com:443", False),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://10.1.2.3", "10.2.0.0/16", False),
        ("https://[fd00::1]:6443", "fd00::/8", True),
        (SERVER, "10.0.0.0/8,,", False),
    ],
)
def test_hosts_that_do_not_use_the_proxy(server: str, no_proxy: str, exempt: bool) -> None:
    assert is_exempt(server, no_proxy) is exempt
    assert proxy_of(server, PROXY, no_proxy or "nothing") == ("" if exempt else PROXY)


def test_the_environment_counts_where_the_login_has_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", PROXY)
    monkeypatch.setenv("no_proxy", "10.0.0.1")
    assert proxy_of(SERVER, None, None) == PROXY
    assert proxy_of("https://10.0.0.1", None, None) == ""
    assert proxy_of(SERVER, None, "example.com") == ""


def test_the_login_of_a_proxy_is_given_apart() -> None:
    headers = {"proxy_basic_auth": "me:p@ss:word"}
    given = connection({"host": SERVER, "proxy": PROXY, "no_proxy": "a,b", "proxy_headers": headers})
    assert (given.proxy, given.no_proxy) == ("http://me:p%40ss%3Aword@proxy:3128", "a,b")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"host": SERVER, "proxy_headers": {"proxy_basic_auth": "me:pw"}}, "Parameter proxy_headers needs a proxy"),
        (
            {"host": SERVER, "proxy": "http://me:pw@proxy:1", "proxy_headers": {"proxy_basic_auth": "me:pw"}},
            "Parameters proxy and proxy_headers both hold a login",
        ),
        ({"kubeconfig": "{'users': [{'token': 'x'}]}"}, "Parameter kubeconfig holds the content of a kubeconfig"),
        ({"kubeconfig": "apiVersion: v1\nkind: Config"}, "Parameter kubeconfig holds the content of a kubeconfig"),
        ({"kubeconfig": "/a/one:/a/two", "context": "c"}, "Parameter kubeconfig names several files, /a/one:/a/two"),
        ({"kubeconfig": "/a/one", "context": "c"}, "Parameter kubeconfig: there is no file /a/one."),
    ],
)
def test_what_is_refused(given: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ParameterError, match=f"^{message}") as failed:
        connection(given)
    assert "token" not in failed.value.message
