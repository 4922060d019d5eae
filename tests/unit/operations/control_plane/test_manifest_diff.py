# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compute what an installation would change: rendered objects against the live ones (domain 9, check mode)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, MeshError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    find_change,
    find_changes,
)
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi

MANAGER = "installer-x"


def config_map(data: b.Json, name: str = "cm") -> b.Json:
    """A ConfigMap in the Istio namespace."""
    return {"kind": "ConfigMap", "metadata": b.meta(name, b.SYSTEM, {"a": "b"}, resourceVersion="7"), "data": data}


def adapt(obj: b.Json, dummy: b.Json) -> b.Json:
    """Add a label as an installer would."""
    return {**obj, "metadata": {**obj["metadata"], "labels": {"a": "b"}}}


def rendered(obj: b.Json) -> b.Json:
    """The same object as istioctl renders it: without what the server and the installer add."""
    return {**obj, "metadata": {"name": obj["metadata"]["name"], "namespace": b.SYSTEM, "labels": {}}}


@pytest.mark.parametrize(
    ("live", "target", "expected"),
    [
        pytest.param(None, {"a": "1"}, "create ConfigMap istio-system/cm", id="created"),
        pytest.param({"a": "1"}, {"a": "2"}, "update ConfigMap istio-system/cm", id="updated"),
        pytest.param({"a": "1"}, {"a": "1"}, None, id="domain 9: unchanged is empty"),
    ],
)
def test_a_change_is_computed_by_the_server(live: b.Json | None, target: b.Json, expected: str | None) -> None:
    with FakeApi(*([config_map(live)] if live else [])) as api:
        change = find_change(api.client(), rendered(config_map(target)), adapt, MANAGER)
        assert (str(change) if change else None) == expected
        assert api.writes() == []
        assert [seen.query["fieldManager"] for seen in api.seen if seen.method == "PATCH"] == [MANAGER] * bool(live)


def test_an_unknown_kind_is_refused() -> None:
    with FakeApi() as api, pytest.raises(MeshError, match="kind Surprise, which this collection does not know"):
        find_change(api.client(), {"kind": "Surprise", "metadata": {"name": "x"}}, adapt, MANAGER)


def test_a_field_that_cannot_be_changed_leads_to_the_components() -> None:
    """A gateway whose components had labels of their own, which are in the selector of its pods."""
    gateway = b.workload("Deployment", "istio-ingressgateway", b.SYSTEM)
    path = f"/apis/apps/v1/namespaces/{b.SYSTEM}/deployments/istio-ingressgateway"
    message = 'Deployment.apps "istio-ingressgateway" is invalid: spec.selector: Invalid value: field is immutable'
    with FakeApi(gateway) as api:
        api.script("PATCH", path, failure(422, message, "Invalid"))
        with pytest.raises(SafetyError) as caught:
            find_change(api.client(), gateway, adapt, MANAGER)
    assert f"Deployment {b.SYSTEM}/istio-ingressgateway" in caught.value.message
    assert "cannot be updated, because a field that cannot be changed would change" in caught.value.message
    assert "give these components in parameter components (variable istio_components" in caught.value.message
    with FakeApi(gateway) as api:
        api.script("PATCH", path, failure(422, "spec.replicas: Invalid value", "Invalid"))
        with pytest.raises(ApiError, match="spec.replicas: Invalid value"):
            find_change(api.client(), gateway, adapt, MANAGER)


def test_changes_come_in_a_stable_order() -> None:
    with FakeApi() as api:
        objects = [rendered(config_map({}, name)) for name in ("c", "a", "b")]
        assert [change.name for change in find_changes(api.client(), objects, adapt, MANAGER)] == ["a", "b", "c"]
