# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an install would change: rendered objects against the live ones (domain 9, check mode)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils._errors import MeshError
from ansible_collections.meshops.istio.plugins.module_utils._manifest import (
    FIELDS_SHOWN,
    Change,
    change_of,
    changes,
    comparable,
    default_changes,
    differences,
    object_path,
    parse_manifest,
    prunes,
    shown,
    with_ownership,
)
from unit.module_utils import builders as b
from unit.module_utils.fake_api import FakeApi

SCOPE: dict[str, t.Any] = {"revision": b.OLD, "version": b.OLD_VERSION, "namespace": b.SYSTEM}
OWNED = {
    "operator.istio.io/managed": "Reconcile",
    "operator.istio.io/version": b.OLD_VERSION,
    "operator.istio.io/component": "Pilot",
    "install.operator.istio.io/owning-resource-namespace": b.SYSTEM,
    "install.operator.istio.io/owning-resource": "unknown",
    "istio.io/rev": b.OLD,
}
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


def config_map(data: b.Json, name: str = "cm", **labels: str) -> b.Json:
    """A ConfigMap in the Istio namespace."""
    return {"kind": "ConfigMap", "metadata": b.meta(name, b.SYSTEM, labels, resourceVersion="7"), "data": data}


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


def test_domain_9_ownership_labels_are_what_only_the_installer_adds() -> None:
    found = with_ownership(rendered(config_map({})), config_map({}, **OWNED), b.OLD, b.OLD_VERSION, b.SYSTEM)
    assert found["metadata"]["labels"] == OWNED


def test_a_component_label_that_is_rendered_stays() -> None:
    mine = rendered(config_map({}))
    mine["metadata"]["labels"]["operator.istio.io/component"] = "Base"
    found = with_ownership(mine, config_map({}, **OWNED), b.OLD, b.OLD_VERSION, b.SYSTEM)
    assert found["metadata"]["labels"]["operator.istio.io/component"] == "Base"
    assert "istio.io/rev" not in mine["metadata"]["labels"]


def validator(policy: str) -> b.Json:
    """A validator with one webhook."""
    return {
        "kind": "ValidatingWebhookConfiguration",
        "metadata": b.meta("v"),
        "webhooks": [{"name": "w", "failurePolicy": policy}],
    }


def test_domain_2_istiods_own_failure_policy_is_no_difference() -> None:
    """Ignore in the manifest; istiod sets Fail within a second or two."""
    found = with_ownership(validator("Ignore"), validator("Fail"), b.OLD, b.OLD_VERSION, b.SYSTEM)
    assert found["webhooks"][0]["failurePolicy"] == "Fail"


@pytest.mark.parametrize(("revision", "parked"), [("default", True), (b.OLD, False)])
def test_domain_4_webhooks_without_a_revision_are_parked_behind_the_default_tag(revision: str, parked: bool) -> None:
    live = b.injector(revision, parked=parked)
    found = with_ownership(b.injector(revision), live, revision, b.OLD_VERSION, b.SYSTEM)
    for hook, there in zip(found["webhooks"], live["webhooks"], strict=True):
        assert (hook["namespaceSelector"], hook["objectSelector"]) == (
            there["namespaceSelector"],
            there["objectSelector"],
        )


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
    with FakeApi(*([config_map(live, **OWNED)] if live else [])) as api:
        found = change_of(api.client(), rendered(config_map(wanted)), b.OLD, b.OLD_VERSION, b.SYSTEM)
        assert (str(found) if found else None) == expected
        assert api.writes() == []
        assert [seen.query["fieldManager"] for seen in api.seen if seen.method == "PATCH"] == ["istio-operator"] * bool(
            live
        )


def test_a_kind_that_is_not_known_is_a_sentence() -> None:
    with FakeApi() as api, pytest.raises(MeshError, match="kind Surprise, which this collection does not know"):
        change_of(api.client(), {"kind": "Surprise", "metadata": {"name": "x"}}, b.OLD, b.OLD_VERSION, b.SYSTEM)


def test_changes_come_in_a_stable_order() -> None:
    with FakeApi() as api:
        wanted = [rendered(config_map({}, name)) for name in ("c", "a", "b")]
        assert [change.name for change in changes(api.client(), wanted, **SCOPE)] == ["a", "b", "c"]


def test_s12_what_is_no_longer_rendered_would_be_pruned() -> None:
    live = [
        config_map({}, "kept", **OWNED),
        config_map({}, "gone", **OWNED),
        config_map({}, "marked", **OWNED, **{"install.operator.istio.io/owning-resource-not-pruned": "true"}),
        config_map({}, "other-revision", **{**OWNED, "istio.io/rev": b.NEW}),
        config_map({}, "by-hand"),
    ]
    with FakeApi(*live) as api:
        found = prunes(api.client(), [rendered(config_map({}, "kept"))], **SCOPE)
    assert list(map(str, found)) == ["prune ConfigMap istio-system/gone"]


def test_results_carry_the_first_paths_and_their_number() -> None:
    many = {f"spec.field{at:03}": (1, 2) for at in range(FIELDS_SHOWN + 5)}
    found = Change("CustomResourceDefinition", "", "x", "update", many).as_dict()
    assert (len(found["fields"]), found["field_count"]) == (FIELDS_SHOWN, FIELDS_SHOWN + 5)


@pytest.mark.parametrize(
    ("value", "expected"), [("short", "short"), (5, 5), (None, None), ("x" * 500, "x" * 160 + "... (500 characters)")]
)
def test_long_values_are_shortened(value: t.Any, expected: t.Any) -> None:
    assert shown(value) == expected


def stamped(version: str | None) -> list[b.Json]:
    """The default tag with the version of its installer."""
    found = b.revision_tag("default", "default")
    for obj in found:
        obj["metadata"]["labels"] |= {"operator.istio.io/version": version} if version else {}
    return found


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(stamped(b.OLD_VERSION), 3, id="an install without a revision stamps all three"),
        pytest.param(stamped(b.NEW_VERSION), 0, id="they have that stamp"),
        pytest.param(stamped(None), 0, id="made by tag set: no stamp"),
        pytest.param([], 0, id="there is none yet"),
    ],
)
def test_s11_the_default_tag_is_part_of_an_install_without_a_revision(objects: list[b.Json], expected: int) -> None:
    with FakeApi(*objects) as api:
        found = default_changes(api.client(), version=b.NEW_VERSION, namespace=b.SYSTEM)
    assert len(found) == expected
    for one in found:
        assert dict(one.fields) == {"metadata.labels.operator.istio.io/version": (b.OLD_VERSION, b.NEW_VERSION)}
