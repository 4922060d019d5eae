# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which findings a waiver accepts, and findings about waivers themselves."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, BEFORE, Finding
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import CHECKS_BY_CODE
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.waivers import apply_waivers, parse_waivers

TODAY = datetime.date(2026, 11, 23)
FIELD = {"expires": "2027-03-31", "reason": "MESH-42"}
MARK = {"reason": "MESH-42", "expires": "2027-03-31"}


def finding(code: str, place: str) -> Finding:
    """A finding at an object."""
    return Finding(code, "error", "title", parse_ref(place), "It is so.", "It hurts.", "fix it", "https://x")


FOUND = [
    finding("MU010", "namespace lost"),
    finding("MU010", "namespace shop"),
    finding("MU020", "Deployment shop/web"),
    finding("IST0101", "VirtualService shop/web"),
]


def waived_of(found: list[Finding], *waivers: dict[str, t.Any], stage: str = BEFORE) -> list[tuple[str, str, bool]]:
    """Code and object of each finding after the waivers, and whether it is waived."""
    result = apply_waivers(found, parse_waivers([{**FIELD, **one} for one in waivers]), TODAY, stage)
    return [(one.code, one.object, one.waived is not None) for one in result]


@pytest.mark.parametrize(
    ("waivers", "waived"),
    [
        ([], []),
        ([{"code": "MU010"}], ["namespace lost", "namespace shop"]),
        ([{"code": "MU010", "object": "namespace shop"}], ["namespace shop"]),
        ([{"code": "MU020", "object": "Deployment shop/*"}], ["Deployment shop/web"]),
        ([{"code": "MU010", "object": "namespace [kl]?st"}], ["namespace lost"]),
        ([{"code": "IST0101", "object": "*shop/*"}], ["VirtualService shop/web"]),
        ([{"code": "MU010"}, {"code": "MU010", "object": "*lost"}], ["namespace lost", "namespace shop"]),
    ],
)
def test_matching_findings_are_waived_and_stay_in_the_list(waivers: list[dict[str, t.Any]], waived: list[str]) -> None:
    found = waived_of(FOUND, *waivers)
    assert sorted(place for dummy, place, mark in found if mark) == sorted(waived)
    assert sorted(found) == sorted((one.code, one.object, one.object in waived) for one in FOUND)


@pytest.mark.parametrize("place", ["Namespace lost", "lost", "namespace los", "namespace"])
def test_a_pattern_matches_the_whole_object_and_case_counts(place: str) -> None:
    assert ("MU010", "namespace lost", False) in waived_of(FOUND, {"code": "MU010", "object": place})


def test_the_mark_has_reason_and_date_of_the_first_active_waiver() -> None:
    waivers = [{"code": "MU010", "expires": "2026-01-31", "reason": "old"}, {"code": "MU010", **FIELD}]
    found = apply_waivers(
        FOUND[:1], parse_waivers([*waivers, {**FIELD, "code": "MU010", "reason": "later"}]), TODAY, BEFORE
    )
    assert [one.as_row()["waived"] for one in found] == [None, MARK]


def test_the_order_is_worst_first_and_waived_last() -> None:
    assert [code for code, *dummy in waived_of(FOUND, {"code": "IST0101"}, {"code": "MU011"})] == [
        *("MU010", "MU010", "MU020"),
        "MU093",
        "IST0101",
    ]


@pytest.mark.parametrize(("expires", "holds"), [("2026-11-22", False), ("2026-11-23", True), ("2026-11-24", True)])
def test_a_waiver_applies_up_to_and_including_its_last_day(expires: str, holds: bool) -> None:
    assert [mark for *dummy, mark in waived_of(FOUND[:1], {"code": "MU010", "expires": expires})][-1] is holds


@pytest.mark.parametrize("stage", [BEFORE, AFTER])
@pytest.mark.parametrize(("place", "times"), [("*", "2"), ("namespace gone", "none")])
def test_mu092_an_expired_waiver_is_a_warning_and_waives_nothing(stage: str, place: str, times: str) -> None:
    waiver = {"code": "MU010", "object": place, "expires": "2026-11-22", "reason": "until we move"}
    found = apply_waivers(FOUND, parse_waivers([waiver]), TODAY, stage)
    assert [one.waived for one in found] == [None] * 5
    (row,) = [one for one in found if one.code == "MU092"]
    assert (row.severity, row.object) == ("warning", f"waiver MU010 {place}")
    assert row.message == f"It applied until 2026-11-22 and matches {times} of the findings. Its reason: until we move"


def test_mu093_an_unused_waiver_is_a_note_because_others_of_the_fleet_may_need_it() -> None:
    found = apply_waivers([], parse_waivers([{**FIELD, "code": "MU010", "object": "namespace gone"}]), TODAY, BEFORE)
    assert [(one.code, one.severity, one.object) for one in found] == [
        ("MU093", "info", "waiver MU010 namespace gone"),
    ]


@pytest.mark.parametrize(
    ("code", "found", "stage"),
    [
        pytest.param("MU040", [finding("MU090", "check MU040")], BEFORE, id="what it needs may not be read"),
        pytest.param("MU040", [finding("MU091", "check MU040")], BEFORE, id="the check failed"),
        pytest.param("MU010", [], AFTER, id="the upgrade has fixed it"),
        pytest.param("IST0101", [], BEFORE, id="istioctl may not have run"),
        pytest.param("MU010", FOUND, BEFORE, id="it is used"),
    ],
)
def test_mu093_is_silent_if_use_is_unknown(code: str, found: list[Finding], stage: str) -> None:
    assert "MU093" not in {row[0] for row in waived_of(found, {"code": code}, stage=stage)}


@pytest.mark.parametrize(
    "given",
    [
        *({**FIELD, "code": code} for code in sorted({*CHECKS_BY_CODE, "IST0149"} - {"MU092", "MU093"})),
        {**FIELD, "code": "MU010", "expires": datetime.date(2027, 3, 31)},
        {**FIELD, "code": "MU010", "object": "*"},
    ],
)
def test_valid_waivers(given: dict[str, t.Any]) -> None:
    (waiver,) = parse_waivers([given])
    assert (waiver.code, waiver.object, str(waiver.expires), waiver.reason) == (
        given["code"],
        "*",
        "2027-03-31",
        "MESH-42",
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"code": "MU999"}, ": unknown finding MU999; known are MU001, .*, the codes of istioctl"),
        ({"code": "IST01"}, ": unknown finding IST01; known are"),
        ({"code": "IST01010"}, "unknown finding IST01010;"),
        ({"code": "mu010"}, "unknown finding mu010;"),
        ({"code": ["MU010"]}, "unknown finding "),
        ({"code": None}, "code is missing; set it to the code of the finding, such as MU010."),
        ({"code": "MU092"}, r"entry 2 \(MU092\): this finding is about waivers; .*, or add the code to allow"),
        ({"code": "MU093"}, r"entry 2 \(MU093\): this finding is about waivers"),
        (
            {"expires": None},
            "expires is missing; set it to the last day on which the waiver applies, such as 2027-03-31.",
        ),
        ({"expires": "soon"}, "expires is 'soon', which is not a valid date; set it to the last day"),
        ({"expires": "2027-02-30"}, "expires is '2027-02-30', which is not a valid date"),
        ({"expires": "31.3.2027"}, "expires is '31.3.2027', which is not a valid date"),
        ({"expires": "20270331"}, "expires is '20270331', which is not a valid date"),
        ({"expires": 20270331}, "expires is '20270331', which is not a valid date"),
        (
            {"expires": datetime.datetime(2027, 3, 31, 12)},
            "expires is '2027-03-31 12:00:00', which is not a valid date",
        ),
        ({"reason": None}, "reason is missing; state why the finding is accepted."),
        ({"reason": "  "}, "reason is missing;"),
        ({"object": ""}, "object is empty; set it to a pattern, or omit it"),
        ({"object": None}, "object is empty;"),
        ({"expire": "2027-03-31"}, "entry 2: unknown key expire; known keys are code, object, expires, reason."),
        ({3: 4}, "entry 2: unknown key 3; known keys are"),
    ],
)
def test_invalid_waivers(given: dict[t.Any, t.Any], message: str) -> None:
    right = {**FIELD, "code": "MU010"}
    with pytest.raises(ParameterError, match=f"^Parameter waivers.*{message}"):
        parse_waivers([right, {**right, **given}])


@pytest.mark.parametrize("key", ["code", "expires", "reason"])
def test_required_keys(key: str) -> None:
    right = {**FIELD, "code": "MU010"}
    with pytest.raises(ParameterError, match=rf"^Parameter waivers, entry 1.*: {key} is missing; "):
        parse_waivers([{name: value for name, value in right.items() if name != key}])
