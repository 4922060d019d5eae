# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configuration that only one revision reads, or none: the findings, and how it is found in a cluster."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import GROUPS, root_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import istio_precheck as precheck
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.scoped_configuration import (
    fetch_configuration,
)
from unit.support import builders as b
from unit.support.api_answers import Answer, discovery, failure
from unit.support.checking import HEALTHY, IN_PLACE, UPGRADE, of
from unit.support.fake_api import FakeApi
from unit.support.running import task

DENY = b.configuration("AuthorizationPolicy", "deny")
WHAT = "AuthorizationPolicy shop/deny"
BOTH = [*HEALTHY, *b.plane(b.NEW)]

FIRES = [
    pytest.param("MU053", WHAT, [*HEALTHY, DENY], {}, id="MU053: an AuthorizationPolicy of the source"),
    pytest.param(
        "MU054",
        "AuthorizationPolicy shop/a",
        [*HEALTHY, b.configuration("AuthorizationPolicy", "a", revision="gone")],
        {},
        id="MU054: a revision that is not there",
    ),
]


@pytest.mark.parametrize(
    ("obj", "upgrade", "expected"),
    [
        pytest.param(DENY, UPGRADE, ["MU053"], id="before"),
        pytest.param(DENY, Upgrade("canary", None, b.NEW, b.OLD, AFTER), ["MU053"], id="after"),
        pytest.param(DENY, IN_PLACE, [], id="the revision stays"),
        pytest.param(DENY, Upgrade("canary", None, b.NEW, None), [], id="nothing is left"),
        pytest.param(b.configuration("HTTPRoute", "r"), UPGRADE, ["MU053"], id="a route of the Gateway API"),
        pytest.param(b.configuration("Gateway", "g"), UPGRADE, [], id="a Gateway stays with whom it names"),
        pytest.param(b.configuration("Gateway", "g", revision="prod"), UPGRADE, [], id="a Gateway may name a tag"),
        pytest.param(b.configuration("VirtualService", "v", revision="prod"), UPGRADE, ["MU054"], id="others may not"),
        pytest.param(
            b.configuration("VirtualService", "v", revision=b.NEW), UPGRADE, [], id="the target's, beforehand"
        ),
        pytest.param(b.configuration("VirtualService", "v", revision=""), UPGRADE, ["MU054"], id="an empty name"),
        pytest.param(b.configuration("VirtualService", "v", revision=None), UPGRADE, [], id="no label"),
    ],
)
def test_which_configuration_is_a_finding(obj: b.Json, upgrade: Upgrade, expected: list[str]) -> None:
    objects = [*HEALTHY, *b.revision_tag("prod", b.OLD), obj]
    assert [code for code in ("MU053", "MU054") for dummy in of(code, objects, upgrade)] == expected


def test_the_messages() -> None:
    [before] = of("MU053", [*HEALTHY, DENY])
    assert (before.severity, before.message) == (
        "error",
        "Because of its label istio.io/rev=1-30-3, only istiod of revision 1-30-3 reads it: it stops applying to "
        "proxies that move to 1-31-0.",
    )
    tag = b.configuration("VirtualService", "v", revision="default")
    [nobody] = of("MU054", [*HEALTHY, tag])
    assert nobody.message.endswith("default is a tag, but a label of configuration must name a revision.")


@pytest.mark.parametrize("code", ["MU053", "MU054"])
def test_a_check_does_not_run_if_configuration_may_not_be_listed(code: str) -> None:
    rows = of("MU090", HEALTHY, unread={"configuration": "telemetries is forbidden"})
    assert f"check {code}" in [row.object for row in rows]
    assert of(code, HEALTHY, unread={"configuration": "no"}) == []


def test_configuration_that_was_read_is_checked_even_if_other_kinds_may_not_be_listed() -> None:
    assert [row.object for row in of("MU053", [*HEALTHY, DENY], unread={"configuration": "no"})] == [WHAT]
    rows = of("MU090", [*HEALTHY, DENY], unread={"configuration": "no"})
    assert "check MU053" in [row.object for row in rows]


def test_the_precheck_reads_the_kinds_that_it_may_list() -> None:
    group = b.configuration("WorkloadGroup", "legacy")
    with FakeApi(*HEALTHY, group) as api:
        api.script("GET", "/apis/security.istio.io/v1/authorizationpolicies", failure(403, "no authorizationpolicies"))
        options: b.Json = {"version": b.NEW_VERSION, "revision": b.NEW, "source_revision": b.OLD}
        told = task(api, precheck.CORE, **options)
    rows = {(row["code"], row["object"]) for row in told["findings"]}
    assert {("MU053", "WorkloadGroup shop/legacy"), ("MU090", "check MU053")} <= rows


OBJECTS = [
    DENY,
    b.configuration("VirtualService", "v", "orders", b.NEW),
    b.configuration("HTTPRoute", "r", "shop", "prod"),
    b.configuration("VirtualService", "free", revision=None),
    b.envoy_filter("free"),
]
FOUND = [("VirtualService orders/v", b.NEW), (WHAT, b.OLD), ("HTTPRoute shop/r", "prod")]


def found(api: FakeApi) -> list[tuple[str, str]]:
    return [(str(one), one.revision) for one in fetch_configuration(api.client()).objects]


def test_one_list_of_metadata_for_each_kind_that_is_served() -> None:
    with FakeApi(*OBJECTS) as api:
        api.not_served = {"WasmPlugin"}
        assert sorted(found(api)) == sorted(FOUND)
        lists = [seen for seen in api.seen if seen.path != "/apis"]
    assert {seen.query["labelSelector"] for seen in lists} == {"istio.io/rev"}
    assert {"as=PartialObjectMetadataList" in seen.headers["Accept"] for seen in lists} == {True}
    assert len({seen.path for seen in lists}) == len(lists)
    assert not [seen for seen in lists if "wasmplugins" in seen.path]
    assert {seen.path.split("/")[2] for seen in lists} <= set(GROUPS)


def groups() -> b.Json:
    """The answer of a server without aggregated discovery; subresources are not kinds."""
    whole = discovery()
    return {
        "kind": "APIGroupList",
        "groups": [
            {
                "name": group["metadata"]["name"],
                "versions": [
                    {"groupVersion": f"{group['metadata']['name']}/{one['version']}", "version": one["version"]}
                    for one in group["versions"]
                ],
            }
            for group in whole["items"]
        ],
    }


def resources(path: str) -> b.Json:
    """The kinds of one version of a group."""
    rows = [
        {"name": row["resource"], "kind": row["responseKind"]["kind"], "verbs": row["verbs"]}
        for group in discovery()["items"]
        for version in group["versions"]
        if path == f"/apis/{group['metadata']['name']}/{version['version']}"
        for row in version["resources"]
    ]
    return {"resources": [*rows, *({**row, "name": f"{row['name']}/status"} for row in rows)]}


def test_an_older_api_server_is_queried_group_by_group() -> None:
    with FakeApi(*OBJECTS) as api:
        api.script("GET", "/apis", Answer(groups()))
        for group in groups()["groups"]:
            for version in group["versions"]:
                path = f"/apis/{version['groupVersion']}"
                api.script("GET", path, Answer(resources(path)))
        assert sorted(found(api)) == sorted(FOUND)


def test_a_kind_that_may_not_be_listed_is_named() -> None:
    with FakeApi(*OBJECTS) as api:
        api.script("GET", "/apis/security.istio.io/v1/authorizationpolicies", failure(403, "no authorizationpolicies"))
        read = fetch_configuration(api.client())
    assert [str(one) for one in read.objects] == ["VirtualService orders/v", "HTTPRoute shop/r"]
    assert "no authorizationpolicies" in read.unread_reason
    assert len(read.forbidden) == 1


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({}, b.SYSTEM), ({"rootNamespace": "mesh"}, "mesh"), ({"rootNamespace": 7}, b.SYSTEM), ([], b.SYSTEM)],
)
def test_which_namespace_is_the_root_namespace(settings: t.Any, expected: str) -> None:
    planes = b.plane(b.OLD)
    planes[-1]["data"]["merged-values"] = json.dumps({"meshConfig": settings})
    assert root_of(b.mesh_of(planes), b.OLD) == expected
