# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The checks before an upgrade, and the verification after it."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_precheck import CORE, check
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import params, task

HEALTHY = [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(shop=b.OLD), *b.deployed()]


def precheck(*objects: b.Json, **options: t.Any) -> b.Json:
    """The result of a precheck, which writes nothing, not even as a dry run."""
    with FakeApi(*objects) as api:
        result = task(api, CORE, **{"version": b.NEW_VERSION, "revision": b.NEW, **options})
        assert {seen.method for seen in api.seen} == {"GET"}
    return result


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow": ["MU010", "IST0103", "IST103"]}, "unknown finding IST103; known are MU001"),
        ({"version": "newest"}, "'newest' is not an Istio version such as 1.31.0"),
        ({"waivers": [{"code": "MU010", "expires": "2999-12-31"}]}, r"waivers, entry 1 \(MU010\): reason is missing"),
    ],
)
def test_invalid_options(options: b.Json, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check(params(CORE, **{"version": b.NEW_VERSION, "revision": b.NEW, **options}))


def test_a_healthy_cluster_passes() -> None:
    result = precheck(*HEALTHY)
    assert (result["changed"], result.get("failed"), result["findings"]) == (False, None, [])
    assert (result["source_revision"], result["source_version"]) == (b.OLD, "1.30.3")
    assert result["proxies"] == {b.OLD: {"1.30.3": 1}}
    assert result["identities"] == {b.OLD: {}}


def test_a_failed_precheck_still_returns_all_findings() -> None:
    result = precheck(*HEALTHY, *b.namespaces(lost="gone"), b.pod("bare", owner=None))
    assert result["failed"]
    assert (
        "MU010 namespace lost: Its label selects 'gone', but no injection webhook has this revision or tag."
        in result["msg"]
    )
    assert {finding["code"] for finding in result["findings"]} == {"MU010", "MU021"}
    assert result["summary"] == {"error": 1, "warning": 0, "info": 1, "waived": 0}
    assert [row["code"] for row in result["unrestartable"]] == []


def test_an_allowed_finding_is_listed_but_does_not_fail() -> None:
    result = precheck(*HEALTHY, *b.namespaces(lost="gone"), allow=["MU010"])
    assert "failed" not in result
    assert [finding["code"] for finding in result["findings"]] == ["MU010"]


def test_a_waived_finding_is_listed_and_counted_separately_and_does_not_fail() -> None:
    waiver = {"code": "MU010", "object": "namespace l*", "expires": "2999-12-31", "reason": "MESH-42"}
    result = precheck(*HEALTHY, *b.namespaces(lost="gone"), waivers=[waiver], fail_on="warning")
    assert "failed" not in result
    assert [finding["waived"] for finding in result["findings"]] == [{"reason": "MESH-42", "expires": "2999-12-31"}]
    assert result["summary"] == {"error": 0, "warning": 0, "info": 0, "waived": 1}


def test_an_expired_waiver_waives_nothing_and_is_a_finding() -> None:
    waiver = {"code": "MU010", "expires": "2001-01-01", "reason": "MESH-42"}
    result = precheck(*HEALTHY, *b.namespaces(lost="gone"), waivers=[waiver])
    assert "MU010 namespace lost" in result["msg"]
    assert result["summary"] == {"error": 1, "warning": 1, "info": 0, "waived": 0}


def test_after_an_upgrade_no_target_is_needed() -> None:
    objects = [
        *b.plane(b.OLD),
        *b.plane(b.NEW),
        *b.revision_tag("default", b.NEW),
        *b.namespaces(shop=b.NEW),
        *b.deployed(),
    ]
    result = precheck(*objects, stage="after", version=None, revision=None)
    assert [(found["code"], found["object"]) for found in result["findings"]] == [("MU024", "Deployment shop/web")]


def test_after_an_upgrade_stale_proxies_fail() -> None:
    objects = [*b.plane(b.OLD), *b.plane(b.NEW), *b.namespaces(shop=b.NEW), *b.revision_tag("default", b.NEW)]
    result = precheck(*objects, *b.deployed(), stage="after", version=b.NEW_VERSION, revision=b.NEW)
    assert "MU020 Deployment shop/web" in result["msg"]


def test_findings_are_explained_as_they_come() -> None:
    said: list[str] = []
    precheck(*HEALTHY, *b.namespaces(lost="gone"), progress=said.append)
    assert said[:2] == [
        "error   MU010 dangling injection label",
        "        namespace lost: Its label selects 'gone', but no injection webhook has this revision or tag.",
    ]
    assert said[-1].startswith("1 error; ")


def test_nothing_found_is_one_line() -> None:
    said: list[str] = []
    precheck(*HEALTHY, progress=said.append)
    assert said == ["nothing found"]
