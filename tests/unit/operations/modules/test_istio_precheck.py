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
from unit.support.api_answers import failure
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


SPACES = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["namespaces"]}
SHOP = "/api/v1/namespaces/shop"


def guard(**over: t.Any) -> b.Json:
    """A webhook that is called for changes of namespaces."""
    hook = {"name": "guard.example.com", "rules": [SPACES], "clientConfig": {"url": "https://guard"}, **over}
    return {"kind": "ValidatingWebhookConfiguration", "metadata": b.meta("guard"), "webhooks": [hook]}


def patches(api: FakeApi) -> list[str]:
    """The dry runs of changes of namespaces."""
    assert api.writes() == []
    return [seen.path for seen in api.seen if seen.method == "PATCH" and seen.query.get("dryRun") == "All"]


@pytest.mark.parametrize(
    ("hook", "options", "asked"),
    [
        pytest.param({}, {}, [SHOP], id="a webhook may refuse it"),
        pytest.param({"rules": []}, {}, [], id="nothing acts on namespaces"),
        pytest.param({"objectSelector": {"matchLabels": {"team": "pay"}}}, {}, [], id="nothing acts on this namespace"),
        pytest.param({}, {"label_changes": "git"}, [], id="Git moves it"),
        pytest.param({}, {"limits": {"exclude": ["shop"]}}, [], id="excluded"),
        pytest.param({}, {"stage": "after"}, [], id="after the upgrade"),
        pytest.param({}, {"strategy": "in_place", "revision": b.OLD}, [], id="in place"),
    ],
)
def test_moves_are_asked_only_where_something_may_refuse_them(hook: b.Json, options: b.Json, asked: list[str]) -> None:
    with FakeApi(*HEALTHY, guard(**hook)) as api:
        task(api, CORE, **{"version": b.NEW_VERSION, "revision": b.NEW, **options})
        assert patches(api) == asked


def test_a_refused_move_fails_the_precheck() -> None:
    with FakeApi(*HEALTHY, guard()) as api:
        api.script("PATCH", SHOP, failure(403, 'admission webhook "guard.example.com" denied the request: keep out'))
        result = task(api, CORE, version=b.NEW_VERSION, revision=b.NEW)
    assert result["failed"]
    assert "MU117 namespace shop: A dry run of its move fails" in result["msg"]
    assert "keep out" in result["msg"]


def test_without_the_right_to_patch_namespaces_nothing_is_asked_and_nothing_fails() -> None:
    with FakeApi(*HEALTHY, guard()) as api:
        api.may = lambda attributes: attributes["verb"] not in ("patch", "*")
        result = task(api, CORE, version=b.NEW_VERSION, revision=b.NEW)
        assert patches(api) == []
    assert "failed" not in result
    assert [(row["code"], row["object"]) for row in result["findings"]] == [("MU090", "check MU117")]


def test_the_changes_for_git_are_data() -> None:
    owned = b.namespace("on", {"istio-injection": "enabled"}, {"argocd.argoproj.io/tracking-id": "apps:/Namespace:/on"})
    owner = "Argo CD application apps"
    result = precheck(*HEALTHY, owned)
    assert [(row["code"], row["object"]) for row in result["findings"]] == [("MU115", f"owner {owner}")]
    assert [(row["kind"], row["name"], row["owner"]) for row in result["git_changes"]] == [("namespace", "on", owner)]
    assert result["git_changes"][0]["patch"]["metadata"]["labels"] == {"istio-injection": None, "istio.io/rev": b.NEW}
    waiting = precheck(*HEALTHY, owned, label_changes="git")
    assert waiting["findings"] == []
    assert [(row["name"], row["owner"]) for row in waiting["git_changes"]] == [("on", owner), ("shop", "")]
