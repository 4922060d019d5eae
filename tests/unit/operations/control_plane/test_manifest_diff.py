# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an install would change: rendered objects against the live ones (domain 9, check mode)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    FIELDS_SHOWN,
    Change,
    change_of,
    changes,
    comparable,
    differences,
    object_path,
    parse_manifest,
    shown,
)
from unit.support import builders as b
from unit.support.fake_api import FakeApi

MANAGER = "somebody"
MANIFEST = """\
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gateways.networking.istio.io
---

---
apiVersion: v1
kind: ConfigMap
metadata:
  name: text
data:
  mesh: |-
    a: b
    ---
    kind: CustomResourceDefinition
--- \n\
kind: Service
metadata: {name: istiod}
"""


def config_map(data: b.Json, name: str = "cm") -> b.Json:
    """A ConfigMap in the Istio namespace."""
    return {"kind": "ConfigMap", "metadata": b.meta(name, b.SYSTEM, {"a": "b"}, resourceVersion="7"), "data": data}


def dress(obj: b.Json, dummy: b.Json) -> b.Json:
    """What an installer adds: a label."""
    return {**obj, "metadata": {**obj["metadata"], "labels": {"a": "b"}}}


def rendered(obj: b.Json) -> b.Json:
    """The same object as istioctl renders it: without what the server and the installer add."""
    return {**obj, "metadata": {"name": obj["metadata"]["name"], "namespace": b.SYSTEM, "labels": {}}}


@pytest.mark.parametrize(
    ("with_crds", "kinds"),
    [(False, ["ConfigMap", "Service"]), (True, ["CustomResourceDefinition", "ConfigMap", "Service"])],
)
def test_parsing(with_crds: bool, kinds: list[str]) -> None:
    assert [obj["kind"] for obj in parse_manifest(MANIFEST, with_crds=with_crds)] == kinds


def test_text_that_looks_like_yaml_stays_text() -> None:
    assert parse_manifest(MANIFEST, with_crds=False)[0]["data"]["mesh"] == "a: b\n---\nkind: CustomResourceDefinition"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Deployment", "/apis/apps/v1/namespaces/n/deployments/x"),
        ("ConfigMap", "/api/v1/namespaces/n/configmaps/x"),
        ("ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles/x"),
    ],
)
def test_object_path(kind: str, expected: str) -> None:
    assert object_path(kind, "n", "x") == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, {"a.b": (1, 2)}, id="changed"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, {"a.c": (2, None)}, id="removed"),
        pytest.param({"a": 1}, {"a": 1, "x": {"y": "z"}}, {"x.y": (None, "z")}, id="added"),
        pytest.param({"a": [1, 2]}, {"a": [1, 2]}, {}, id="equal"),
        pytest.param({"a": [1, 2]}, {"a": [1, 3]}, {"a.[1]": (2, 3)}, id="lists by position"),
        pytest.param(
            {"c": [{"name": "x", "v": 1}, {"name": "y"}]},
            {"c": [{"name": "y"}, {"name": "x", "v": 2}]},
            {"c.[x].v": (1, 2)},
            id="lists of named entries by name, so that the order does not count",
        ),
        pytest.param({"a": {}}, {"a": {"b": 1}}, {"a": ({}, None), "a.b": (None, 1)}, id="from empty"),
    ],
)
def test_differences(before: b.Json, after: b.Json, expected: b.Json) -> None:
    assert differences(before, after) == expected


def test_what_the_server_writes_is_no_difference() -> None:
    noise = {"uid": "u", "resourceVersion": "9", "generation": 4, "managedFields": [], "creationTimestamp": "now"}
    assert comparable({"metadata": {"name": "x", **noise}, "status": {"a": 1}, "spec": {}}) == {
        "metadata": {"name": "x"},
        "spec": {},
    }


@pytest.mark.parametrize(
    ("live", "wanted", "expected"),
    [
        pytest.param(None, {"a": "1"}, "create ConfigMap istio-system/cm", id="created"),
        pytest.param({"a": "1"}, {"a": "2"}, "update ConfigMap istio-system/cm", id="updated"),
        pytest.param({"a": "1"}, {"a": "1"}, None, id="domain 9: unchanged is empty"),
    ],
)
def test_a_change_is_computed_by_the_server(live: b.Json | None, wanted: b.Json, expected: str | None) -> None:
    with FakeApi(*([config_map(live)] if live else [])) as api:
        found = change_of(api.client(), rendered(config_map(wanted)), dress, MANAGER)
        assert (str(found) if found else None) == expected
        assert api.writes() == []
        assert [seen.query["fieldManager"] for seen in api.seen if seen.method == "PATCH"] == [MANAGER] * bool(live)


def test_a_kind_that_is_not_known_is_a_sentence() -> None:
    with FakeApi() as api, pytest.raises(MeshError, match="kind Surprise, which this collection does not know"):
        change_of(api.client(), {"kind": "Surprise", "metadata": {"name": "x"}}, dress, MANAGER)


def test_changes_come_in_a_stable_order() -> None:
    with FakeApi() as api:
        wanted = [rendered(config_map({}, name)) for name in ("c", "a", "b")]
        assert [change.name for change in changes(api.client(), wanted, dress, MANAGER)] == ["a", "b", "c"]


def test_results_carry_the_first_paths_and_their_number() -> None:
    many = {f"spec.field{at:03}": (1, 2) for at in range(FIELDS_SHOWN + 5)}
    found = Change("CustomResourceDefinition", "", "x", "update", many).as_dict()
    assert (len(found["fields"]), found["field_count"]) == (FIELDS_SHOWN, FIELDS_SHOWN + 5)


@pytest.mark.parametrize(
    ("value", "expected"), [("short", "short"), (5, 5), (None, None), ("x" * 500, "x" * 160 + "... (500 characters)")]
)
def test_long_values_are_shortened(value: t.Any, expected: t.Any) -> None:
    assert shown(value) == expected
