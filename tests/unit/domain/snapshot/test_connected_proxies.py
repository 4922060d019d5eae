# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The answers of istiods about their proxies, recorded in the lab, from one and from several istiods."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import (
    NO_PROXY,
    Connected,
    merged,
    read_syncz,
)
from unit.paths import FIXTURES

SAID = "Error adding/updating listener(s) virtualInbound: lab.meshops.dev/proxy-fault says reject\n"


@pytest.mark.parametrize(
    ("version", "revision", "namespace", "pods", "rejecting"),
    [
        ("1.30.3", "1-30-3", "shop", 5, "cart-55d6d794d4-k4wvl"),
        ("1.31.0", "1-31-0", "catalog", 4, "browse-7f6789bb65-dmzw8"),
    ],
)
def test_recorded_answers_are_read(version: str, revision: str, namespace: str, pods: int, rejecting: str) -> None:
    found = read_syncz((FIXTURES / f"syncz-{version}.json").read_bytes(), "istiod-0", revision)
    assert len(found) == pods
    assert {(one.namespace, one.kind, one.version) for one in found} == {(namespace, "sidecar", version)}
    assert {(one.istiod, one.revision) for one in found} == {("istiod-0", revision)}
    assert {one.name: dict(one.rejected) for one in found if one.rejected} == {rejecting: {"Listener": SAID}}


def body(*rows: dict[str, t.Any]) -> bytes:
    return json.dumps(rows).encode()


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({"proxy": "test-1.default", "istio_version": NO_PROXY}, id="istioctl itself"),
        pytest.param({"proxy": "nodot"}, id="no namespace"),
        pytest.param({}, id="nothing"),
    ],
)
def test_connections_that_are_not_proxies_are_excluded(row: dict[str, t.Any]) -> None:
    assert read_syncz(body(row), "istiod-0", "default") == []


def test_a_name_may_have_dots_and_old_versions_list_no_resources() -> None:
    row = {"proxy": "web.v2-0.shop", "proxy_type": "router", "istio_version": "1.20.1"}
    assert read_syncz(body(row), "istiod-0", "default") == [
        Connected("shop", "web.v2-0", "router", "1.20.1", "istiod-0", "default")
    ]


@pytest.mark.parametrize("text", [b"", b"null", b"not JSON", b'{"totalClients": 3}', b'{"proxy": "web-0.shop"}'])
def test_another_answer_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_syncz(text, "istiod-0", "default")


def proxy(name: str, istiod: str, revision: str = "1-30-3", **rejected: str) -> Connected:
    return Connected("shop", name, "sidecar", "1.30.3", istiod, revision, rejected)


def test_replicas_are_merged_and_revisions_are_not() -> None:
    first = [proxy("a", "old-0"), proxy("b", "old-0", Cluster="no")]
    second = [proxy("b", "old-1"), proxy("c", "old-1", Listener="no"), proxy("c", "new-0", "1-31-0")]
    assert merged([first, second]) == (
        proxy("a", "old-0"),
        proxy("b", "old-1"),
        proxy("c", "old-1", Listener="no"),
        proxy("c", "new-0", "1-31-0"),
    )
    assert merged([]) == ()


LIES = {
    "resources that are a list": {"proxy": "a.b", "resources": [1]},
    "a resource that is a text": {"proxy": "a.b", "resources": {"x": "y"}},
    "an error that is a map": {"proxy": "a.b", "resources": {"x": {"lastError": {"proxy": "c.d"}}}},
    "a version that is a list": {"proxy": "a.b", "istio_version": [1], "proxy_type": {"a": None}},
}


@pytest.mark.parametrize("row", LIES.values(), ids=LIES)
def test_f18_a_wrong_row_of_an_istiod_hides_no_proxy(row: dict[str, t.Any]) -> None:
    found = read_syncz(body(row, {"proxy": "good.shop"}), "istiod-0", "default")
    assert [(one.name, dict(one.rejected)) for one in found] == [("a", {}), ("good", {})]


@pytest.mark.parametrize("text", [b"[" * 150_000, b"", b"{", b'{"a": 1}', b'[{"proxy": 7}', b"\xff"])
def test_f18_an_answer_that_cannot_be_read_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        read_syncz(text, "istiod-0", "default")


@pytest.mark.parametrize("name", [7, None, [], {"a": 1}, "nodot"])
def test_a_connection_without_a_name_is_not_a_proxy(name: t.Any) -> None:
    assert read_syncz(body({"proxy": name}), "istiod-0", "default") == []
