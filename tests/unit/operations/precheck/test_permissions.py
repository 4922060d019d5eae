# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API server is asked for the permissions that a run needs before it starts."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import RESOURCES
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_precheck import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import (
    NEEDED_BY_INSTALLER,
    READ,
    missing_permissions,
)
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

MESH = [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(shop=b.OLD), *b.deployed()]
TARGET: b.Json = {"version": b.NEW_VERSION, "revision": b.NEW}
WRITES = {"create", "patch", "delete", "update", "escalate", "bind"}


def test_an_administrator_needs_one_review() -> None:
    with FakeApi() as api:
        client = api.client()
        assert missing_permissions(client, NEEDED_BY_INSTALLER["istioctl"], b.SYSTEM) == ()
        assert len(api.seen) == 1
        assert (client.request_counts.writes, client.request_counts.dry_runs) == (0, 1)


def test_each_permission_is_reviewed_in_its_namespace() -> None:
    def may(attributes: b.Json) -> bool:
        return attributes["verb"] not in ("*", "patch")

    with FakeApi() as api:
        api.may = may
        lacking = missing_permissions(api.client(), NEEDED_BY_INSTALLER["istioctl"], b.SYSTEM)
        asked = [seen.body["spec"]["resourceAttributes"] for seen in api.seen]
    assert lacking == tuple(one for one in NEEDED_BY_INSTALLER["istioctl"] if one.verb == "patch")
    assert {"verb": "patch", "group": "", "resource": "configmaps", "namespace": b.SYSTEM} in asked
    assert {"verb": "patch", "group": "apps", "resource": "deployments"} in asked
    assert len(asked) == len({tuple(one.items()) for one in asked})


def test_a_reader_writes_nothing_and_an_installer_may_write_all_kinds_that_istio_renders() -> None:
    assert not [one for one in READ if one.verb in WRITES]
    may = {(one.verb, one.group, one.resource) for one in NEEDED_BY_INSTALLER["istioctl"]}
    for kind in RESOURCES.values():
        prefix, resource = kind[:2]
        assert ("list", prefix.split("/")[2] if prefix.startswith("/apis/") else "", resource) in may
    assert ("delete", "apiextensions.k8s.io", "customresourcedefinitions") not in may
    assert {one.resource for one in NEEDED_BY_INSTALLER["helm"] if one.verb == "update"} == {"secrets"}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        pytest.param({"installer": "istioctl"}, "MU009", id="the run to come"),
        pytest.param({}, None, id="only a look"),
        pytest.param({"installer": "istioctl", "stage": "after"}, None, id="after the run"),
    ],
)
def test_the_precheck_reviews_the_permissions_of_the_run_that_follows(options: b.Json, code: str | None) -> None:
    with FakeApi(*MESH) as api:
        api.may = lambda attributes: attributes["verb"] not in ("*", "watch")
        result: dict[str, t.Any] = task(api, CORE, **TARGET, fail_on="never", **options)
    found = {row["code"]: row for row in result["findings"]}
    assert ("MU009" in found) == bool(code)
    if code:
        assert found[code]["message"] == (
            "This user may not watch deployments.apps, watch statefulsets.apps, watch daemonsets.apps, watch pods."
        )
