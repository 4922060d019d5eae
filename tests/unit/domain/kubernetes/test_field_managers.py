# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client that wrote a field of an object is named from its managedFields."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import (
    controller_of,
    manager_of_field,
    managers_of,
    name_writer,
)

OWN = ("meshops.istio",)
LABEL = ("metadata", "labels", "istio.io/rev")
IMAGE = ("spec", "template", "spec", "containers", {"name": "discovery"}, "image")


def fields(*path: str) -> dict[str, t.Any]:
    return {path[0]: fields(*path[1:])} if path else {}


REV = fields("f:metadata", "f:labels", "f:istio.io/rev")
OTHER = fields("f:metadata", "f:annotations", "f:note")
PULLED = fields("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"discovery"}', "f:image")


def entry(manager: str, second: int, owned: dict[str, t.Any], **more: str) -> dict[str, t.Any]:
    return {
        "manager": manager,
        "operation": "Update",
        "time": f"2026-11-30T10:00:{second:02}Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": owned,
        **more,
    }


def an_object(*entries: t.Any, **metadata: t.Any) -> dict[str, t.Any]:
    return {"metadata": {"name": "shop", "managedFields": list(entries), **metadata}}


def test_the_manager_of_a_field_is_the_newest_one_with_that_field() -> None:
    obj = an_object(entry("kubectl", 1, REV), entry("argocd-controller", 3, REV), entry("rancher", 5, OTHER))
    manager = manager_of_field(obj, LABEL)
    assert manager is not None
    assert (manager.name, manager.operation, str(manager)) == (
        "argocd-controller",
        "Update",
        "argocd-controller (Argo CD)",
    )
    assert manager.time == datetime.datetime(2026, 11, 30, 10, 0, 3, tzinfo=datetime.UTC)
    assert [manager.name for manager in managers_of(obj, LABEL)] == ["argocd-controller", "kubectl"]
    assert manager_of_field(obj, ("metadata", "labels", "istio-injection")) is None
    assert manager_of_field(obj, LABEL, own=["argocd-controller", "kubectl"]) is None


def test_items_of_a_list_are_identified_by_their_keys() -> None:
    obj = an_object(entry("operator", 1, PULLED))
    assert manager_of_field(obj, IMAGE)
    assert manager_of_field(obj, (*IMAGE[:4], {"name": "other"}, "image")) is None


WRITERS = [
    pytest.param([entry("meshops.istio", 2, REV), entry("rancher", 2, REV)], "rancher (Rancher)", id="same second"),
    pytest.param([entry("meshops.istio", 5, OTHER), entry("rancher", 2, REV)], "another client", id="older entry"),
    pytest.param([entry("meshops.istio", 5, OTHER)], "another client", id="removed without an entry"),
    pytest.param([entry("meshops.istio", 5, OTHER), entry("edit", 6, OTHER)], "edit", id="another field, later"),
    pytest.param(
        [entry("meshops.istio", 5, OTHER), entry("kcm", 6, OTHER, subresource="status")],
        "another client",
        id="a status is another field",
    ),
    pytest.param([entry("kubectl", 1, REV)], "kubectl", id="we never wrote"),
    pytest.param([], "another client", id="no entries"),
    pytest.param(
        ["x", {}, {"manager": 3, "time": 4, "fieldsV1": []}, {"fieldsV1": {"f:metadata": 7}}],
        "another client",
        id="unreadable",
    ),
]


@pytest.mark.parametrize(("entries", "writer"), WRITERS)
def test_the_writer_after_our_own_write_is_named(entries: list[t.Any], writer: str) -> None:
    assert name_writer(an_object(*entries), LABEL, OWN) == writer


def test_a_given_time_replaces_that_of_our_own_entry() -> None:
    obj = an_object(entry("flux", 3, REV))
    at = datetime.datetime(2026, 11, 30, 10, 0, 3, 900_000, tzinfo=datetime.UTC)
    assert name_writer(obj, LABEL, OWN, at) == "flux"
    assert name_writer(obj, LABEL, OWN, at + datetime.timedelta(seconds=1)) == "another client"


def test_the_controller_of_an_object_comes_before_any_entry() -> None:
    owners = [{"kind": "Note", "name": "n"}, {"kind": "ModelServer", "name": "llm", "controller": True}]
    obj = an_object(entry("kubectl", 9, REV), ownerReferences=owners)
    assert controller_of(obj) == "ModelServer llm"
    assert name_writer(obj, LABEL, OWN) == "ModelServer llm"
