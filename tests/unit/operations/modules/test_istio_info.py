# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads a mesh and describes it in a small result."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_rows import describe_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.control_planes import describe_control_planes
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

CLUSTER = [
    *b.two_planes(),
    *b.namespaces(shop=b.NEW, tagged="prod", plain=None, lost="gone", odd=None),
    b.namespace("on", {INJECTION: "enabled"}),
    b.namespace("off", {INJECTION: "disabled"}),
    *b.deployed(pods=2),
    *b.deployed("gate", "tagged", annotations={"inject.istio.io/templates": "gateway"}),
    b.pod("left", "odd", owner=None),
]


def info(**options: t.Any) -> b.Json:
    """The result of a task."""
    with FakeApi(*CLUSTER) as api:
        return task(api, CORE, **options)


def test_control_planes() -> None:
    rows = describe_control_planes(
        b.mesh_of([*b.plane(b.OLD), *b.plane(b.NEW, replicas=2, ready=1), *b.revision_tag("prod", b.OLD)])
    )
    assert rows[0] == {
        "revision": b.OLD, "version": "1.30.3", "ready": True, "replicas": 1, "ready_replicas": 1, "tags": ["prod"],
        "installer": None, "managed_by": None,
    }  # fmt: skip
    assert (rows[1]["ready"], rows[1]["ready_replicas"], rows[1]["tags"]) == (False, 1, [])


def test_tags_and_control_planes_of_an_operator_name_it() -> None:
    objects = [*b.plane(b.OLD), *b.revision_tag("prod", b.OLD)]
    for obj, kind in ((objects[0], "IstioRevision"), (objects[5], "IstioRevisionTag")):
        owner = {"apiVersion": "sailoperator.io/v1", "kind": kind, "name": "prod"}
        obj["metadata"]["ownerReferences"] = [owner]
    with FakeApi(*objects, *b.namespaces()) as api:
        result = task(api, CORE)
    assert result["operator_tags"] == {"prod": "IstioRevisionTag prod of the Sail Operator"}
    (row,) = result["control_planes"]
    assert (row["installer"], row["managed_by"]) == ("operator", "IstioRevision prod of the Sail Operator")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("shop", (b.NEW, "revision", b.NEW, 2, 2), id="by revision, both proxies stale"),
        pytest.param("tagged", ("prod", "tag", b.OLD, 1, 0), id="by tag"),
        pytest.param("on", ("default", "default", b.OLD, 0, 0), id="by istio-injection"),
        pytest.param("lost", ("gone", "revision", None, 0, 0), id="domain 3: dangling"),
        pytest.param("odd", (None, None, None, 1, 0), id="selects nothing, but has a proxy"),
    ],
)
def test_namespaces(name: str, expected: tuple[t.Any, ...]) -> None:
    row = next(row for row in describe_namespaces(b.snapshot_of(CLUSTER)) if row["name"] == name)
    keys = ("revision_label", "selected_by", "revision", "proxies", "stale_proxies")
    assert tuple(dict(row)[key] for key in keys) == expected
    assert row["gateways"] is (name == "tagged")


def test_namespaces_outside_the_mesh_are_left_out() -> None:
    names = {row["name"] for row in describe_namespaces(b.snapshot_of(CLUSTER))}
    assert not names & {"plain", "off", "default", b.SYSTEM}


def test_the_whole_result() -> None:
    result = info()
    assert result["changed"] is False
    assert result["kubernetes_version"] == b.KUBERNETES
    assert result["tags"] == {"default": b.OLD, "prod": b.OLD}
    assert result["default"] == {"revision": b.OLD, "validator": b.OLD, "service": b.OLD, "other_mesh": None}
    assert result["proxies"] == {b.OLD: {"1.30.3": 4}}
    assert result["unrestartable"] == []
    assert result["cluster"]["id"] == b.CLUSTER_ID


def test_without_proxies_no_pods_are_read() -> None:
    result = info(proxies=False)
    assert not {"proxies", "namespaces", "unrestartable"} & set(result)
    assert [row["revision"] for row in result["control_planes"]] == [b.OLD, b.NEW]


def test_results_carry_summaries_never_whole_objects() -> None:
    """Design 4.7."""
    text = json.dumps(info())
    assert "metadata" not in text
    assert "sidecar.istio.io/status" not in text
