# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each check fires on its own fault and stays silent on a healthy cluster."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck import registry
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    AFTER,
    BEFORE,
    SEVERITIES,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import (
    CHECKS,
    CHECKS_BY_CODE,
    run_checks,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.paths import ROOT
from unit.support import builders as b
from unit.support.checking import CRD, DEFAULT, HEALTHY, HUNGRY, IN_PLACE, UPGRADE, fired


@pytest.mark.parametrize("stage", [BEFORE, AFTER])
def test_a_healthy_cluster_has_no_findings(stage: str) -> None:
    upgrade = UPGRADE
    if stage == AFTER:
        upgrade = dataclasses.replace(UPGRADE, stage=stage, version=Version(1, 30, 3), revision=b.OLD)
    assert fired(HEALTHY, upgrade, crd_versions={CRD: "1.30.3"}) == {}


#: The rows of all subjects: each has its own file beside the tests of its checks.
ROWS = [
    row
    for path in sorted((Path(__file__).parent / "checks").glob("test_*.py"))
    for row in getattr(importlib.import_module(f"{__package__}.checks.{path.stem}"), "FIRES", ())
]


@pytest.mark.parametrize(
    ("code", "place", "objects", "over"),
    [
        *ROWS,
        pytest.param(
            "MU090", "check MU041", HEALTHY, {"unread": {"nodes": "forbidden"}}, id="MU090: not allowed to look"
        ),
    ],
)
def test_a_check_fires(code: str, place: str, objects: list[b.Json], over: b.Json) -> None:
    assert fired(objects, **over).get(code) == place


def test_every_check_is_tested_above() -> None:
    """A new check needs a new row."""
    marker = test_a_check_fires.pytestmark[0]  # type: ignore[attr-defined]
    of_clusters = {check.code for check in CHECKS if check.find is not registry.find_nothing}
    assert {row.values[0] for row in marker.args[1]} == of_clusters


def test_every_check_has_a_state_of_a_real_cluster() -> None:
    """A check that only fires on invented objects may never fire on a real cluster."""
    tests = [path for folder in ("integration", "field") for path in (ROOT / "tests" / folder).rglob("test_*.py")]
    named = set(re.findall(r"MU\d{3}", "".join(path.read_text(encoding="utf-8") for path in tests)))
    assert set(CHECKS_BY_CODE) - named == {registry.CHECK_FAILED.code}


@pytest.mark.parametrize(("upgrade", "severity"), [(UPGRADE, "error"), (IN_PLACE, "warning")])
def test_a_problem_that_a_run_in_place_fixes_does_not_stop_it(upgrade: Upgrade, severity: str) -> None:
    broken = [*b.plane(b.OLD, "9.9.9", updated=0), *DEFAULT, *b.namespaces()]
    found = {row.code: row.severity for row in run_checks(b.snapshot_of(broken), upgrade)}
    assert (found["MU004"], found["MU007"]) == (severity, severity)


def test_a_half_installed_target_of_an_earlier_run_does_not_stop_the_next_one() -> None:
    half = [*b.plane(b.OLD), *b.plane(b.NEW, ready=0), *DEFAULT, *b.namespaces()]
    found = {row.code: row.severity for row in run_checks(b.snapshot_of(half), UPGRADE)}
    assert found["MU004"] == "warning"


@pytest.mark.parametrize("stage", [BEFORE, AFTER])
def test_remains_of_a_killed_removal_do_not_stop_the_next_run(stage: str) -> None:
    upgrade = dataclasses.replace(UPGRADE, stage=stage, source=b.OLD)
    own = b.validator(b.OLD, "Fail")
    own["metadata"]["name"] = "istio-validator-1-30-3-istio-system"
    objects = [
        *b.plane(b.NEW),
        b.injector(b.OLD),
        b.injector(b.OLD, tag="prod"),
        own,
        b.validator(b.OLD, "Fail"),
        *b.namespaces(),
    ]
    rows = {
        row.object: row.severity
        for row in run_checks(b.snapshot_of(objects), upgrade)
        if row.code in ("MU011", "MU015")
    }
    assert rows == {
        "webhook istio-sidecar-injector-1-30-3": "warning",
        "webhook istio-revision-tag-prod": "error",
        "validator istio-validator-1-30-3-istio-system": "warning",
        "validator istiod-default-validator": "error",
    }


def test_another_broken_revision_stops_a_run_in_place() -> None:
    broken = [*b.plane(b.OLD), *b.plane(b.NEW, ready=0), *DEFAULT, *b.namespaces()]
    found = {row.code: row.severity for row in run_checks(b.snapshot_of(broken), IN_PLACE)}
    assert found["MU004"] == "error"


@pytest.mark.parametrize(
    ("strategy", "stage", "severity"),
    [("downgrade", BEFORE, "warning"), ("downgrade", AFTER, "error"), ("in_place", BEFORE, "error")],
)
def test_a_killed_downgrade_in_place_can_continue(strategy: str, stage: str, severity: str) -> None:
    upgrade = Upgrade(strategy, Version(1, 30, 3), b.OLD, None, stage)
    ahead = [*HEALTHY, b.pod("ahead", owner=None, image=b.proxy("1.31.0"))]
    assert [row.severity for row in run_checks(b.snapshot_of(ahead), upgrade) if row.code == "MU030"] == [severity]


@pytest.mark.parametrize("name", ["MU001", "MU005", "MU023", "MU031"])
def test_checks_that_concern_the_start_do_not_run_after_an_upgrade(name: str) -> None:
    assert CHECKS_BY_CODE[name].after is None


def test_a_proxy_that_is_stale_is_a_warning_before_and_an_error_after() -> None:
    objects = [*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed()]
    by_stage = {
        stage: {
            found.code: found.severity
            for found in run_checks(b.snapshot_of(objects), dataclasses.replace(UPGRADE, stage=stage))
        }
        for stage in (BEFORE, AFTER)
    }
    assert (by_stage[BEFORE]["MU020"], by_stage[AFTER]["MU020"]) == ("warning", "error")


def test_the_worst_comes_first() -> None:
    objects = [*HEALTHY, *b.namespaces(lost="gone"), b.pod("bare", owner=None), b.pod("old", image=b.proxy("1.30.2"))]
    found = [SEVERITIES.index(row.severity) for row in run_checks(b.snapshot_of(objects), UPGRADE)]
    assert found == sorted(found)
    assert len(set(found)) > 1


def test_every_row_is_complete_and_codes_are_unique() -> None:
    assert len(CHECKS_BY_CODE) == len(CHECKS)
    assert all(check.title and check.why and check.remedy and check.severity in SEVERITIES for check in CHECKS)


@pytest.mark.parametrize(("target", "severity"), [(Version(1, 31, 0), "warning"), (Version(1, 30, 3), "error")])
def test_an_upgrade_in_place_may_repair_an_istiod_that_was_put_back(target: Version, severity: str) -> None:
    upgrade = dataclasses.replace(IN_PLACE, version=target)
    ahead = [*HEALTHY, b.pod("ahead", owner=None, image=b.proxy("1.31.0"))]
    assert [row.severity for row in run_checks(b.snapshot_of(ahead), upgrade) if row.code == "MU030"] == [severity]


def test_a_check_that_did_not_run_is_a_finding() -> None:
    found = run_checks(
        b.snapshot_of([*HUNGRY, b.node(memory="1Gi")], unread={"nodes": "Reading nodes failed."}), UPGRADE
    )
    assert {(row.code, row.object) for row in found} == {("MU090", "check MU040"), ("MU090", "check MU041")}
    assert "It needs nodes, which could not be read: Reading nodes failed." in found[0].message


@pytest.mark.parametrize(
    ("field", "stage", "expected"),
    [
        ("nodes", BEFORE, {"MU040": "warning", "MU041": "warning"}),
        ("nodes", AFTER, {}),
        ("extensions", BEFORE, {"MU038": "info", "MU043": "info", "MU044": "warning"}),
        ("remote_clusters", BEFORE, {"MU060": "info"}),
        # Most users may not read Secrets, so that a warning would be a part of most prechecks.
        ("pending_releases", BEFORE, {"MU134": "info"}),
        ("rejections", AFTER, {"MU132": "warning"}),
        ("proof_doubts", BEFORE, {"MU103": "warning"}),
        ("proxies", AFTER, {"MU070": "warning", "MU071": "warning", "MU072": "warning"}),
    ],
)
def test_a_check_that_did_not_run_is_not_more_severe_than_its_finding(
    field: str, stage: str, expected: dict[str, str]
) -> None:
    upgrade = dataclasses.replace(UPGRADE, stage=stage)
    found = run_checks(b.snapshot_of(HEALTHY, unread={field: "It is forbidden."}), upgrade)
    assert {row.object.removeprefix("check "): row.severity for row in found if row.code == "MU090"} == expected


def test_a_check_that_fails_is_a_finding_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
        yield ObjectRef("shop", "pod", "a"), "It is found before the check fails."
        raise KeyError("status")

    checks = [dataclasses.replace(CHECKS_BY_CODE["MU010"], find=broken), CHECKS_BY_CODE["MU011"]]
    monkeypatch.setattr(registry, "CHECKS", checks)
    found = run_checks(b.snapshot_of([*HEALTHY, b.injector(b.NEW, tag="prod")]), UPGRADE)
    assert [(row.code, row.severity, row.object) for row in found] == [
        ("MU011", "error", "webhook istio-revision-tag-prod"),
        ("MU091", "warning", "check MU010"),
    ]
    assert found[1].message.startswith("KeyError: 'status' (in broken, line ")
    assert found[1].docs.endswith("/docs/findings.md#mu091")
