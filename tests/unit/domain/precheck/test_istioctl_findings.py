# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Findings of istioctl, and those that a check reports too; the answers were recorded from both versions."""

from __future__ import annotations

import collections
import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    Finding,
    sort_by_severity,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_codes import TITLES
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_findings import (
    EQUIVALENTS,
    merge_findings,
    read_findings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import CHECKS_BY_CODE
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import NEEDED_BY_INSTALLER
from unit.paths import FIXTURES
from unit.support import builders as b

ANSWERS = [json.loads(line) for line in (FIXTURES / "istioctl-answers.jsonl").read_text().splitlines()]
ITEM = {
    "code": "IST0101",
    "documentationUrl": "https://istio.io/v1.31/docs/reference/config/analysis/ist0101/?ref=istioctl-analyze",
    "level": "Error",
    "message": 'Referenced gateway not found: "missing"',
    "origin": "VirtualService shop/web",
}
TEXT = json.dumps([ITEM], indent="\t")
LOG = "2026-11-23T22:46:23.823291Z\terror\twatch error in cluster prod: failed to list *v1.Node: forbidden\n"


def recorded(state: str, command: str, version: str) -> list[Finding]:
    """The recorded findings of a state, a command and a version."""
    found = next(one for one in ANSWERS if (one["state"], one["command"], one["version"]) == (state, command, version))
    return read_findings(found["stdout"], "istioctl")


def read(**over: t.Any) -> Finding:
    """One finding from an item that differs in some fields; None leaves a field out."""
    item = {key: value for key, value in {**ITEM, **over}.items() if value is not None}
    return read_findings(json.dumps([item]), "istioctl 1.31.0 analyze")[0]


def checked(code: str, place: str, message: str = "It is so.") -> Finding:
    """A finding of a check."""
    return CHECKS_BY_CODE[code].finding(parse_ref(place), message, CHECKS_BY_CODE[code].severity)


def reported(code: str, place: str, message: str = "It is so.") -> Finding:
    """A finding of istioctl."""
    return read(code=code, origin=place, message=message)


def test_a_finding_of_istioctl() -> None:
    docs = ITEM["documentationUrl"]
    assert read() == Finding(
        "IST0101",
        "error",
        "referenced resource not found",
        parse_ref("VirtualService shop/web"),
        'Referenced gateway not found: "missing"',
        "istioctl 1.31.0 analyze reports it with level Error.",
        f"follow {docs}",
        docs,
    )


@pytest.mark.parametrize(
    ("over", "field", "expected"),
    [
        ({"level": "Warning"}, "severity", "warning"),
        ({"level": "Info"}, "severity", "info"),
        ({"level": "Fatal"}, "severity", "warning"),
        ({"level": None}, "severity", "warning"),
        ({"level": None}, "why", "istioctl 1.31.0 analyze reports it with level unknown."),
        ({"origin": "Namespace shop"}, "object", "namespace shop"),
        ({"origin": "Pod shop/web-abc-1"}, "object", "pod shop/web-abc-1"),
        ({"origin": "MutatingWebhookConfiguration x"}, "object", "webhook x"),
        ({"origin": "ValidatingWebhookConfiguration x"}, "object", "validator x"),
        ({"origin": "Cluster"}, "object", "cluster"),
        ({"origin": None}, "object", "cluster"),
        ({"message": None}, "message", "istioctl gives no message."),
        ({"reference": "shop.yaml:7"}, "message", 'Referenced gateway not found: "missing" (shop.yaml:7)'),
        ({"documentationUrl": None}, "docs", "https://istio.io/latest/docs/reference/config/analysis/ist0101/"),
        ({"code": "IST9999"}, "title", "found by istioctl"),
    ],
)
def test_fields_that_differ_or_are_missing(over: dict[str, t.Any], field: str, expected: str) -> None:
    assert getattr(read(**over), field) == expected


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("\n", 0),
        ("null\n", 0),
        ("[]\n", 0),
        (TEXT, 1),
        (LOG + TEXT + "\n", 1),
        (LOG + TEXT + "\n" + LOG, 1),
        (TEXT + "\n" + TEXT, 2),
        (TEXT + TEXT, 2),
        ("[warning] slow API server\n" + TEXT, 1),
        (json.dumps(ITEM), 1),
    ],
)
def test_text_around_the_answer_is_ignored(text: str, count: int) -> None:
    assert len(read_findings(text, "istioctl")) == count


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Segmentation fault\n", "no JSON"),
        (LOG, "no JSON"),
        (TEXT[: len(TEXT) // 2], "Expecting|Unterminated"),
        (TEXT + "\n" + TEXT[:-4], "Expecting|Unterminated"),
        ("[1, 2]", "no code"),
        ('{"findings": []}', "no code"),
        ('[{"code": "oops"}]', "no code"),
        ("[" * 100000, "recursion|Expecting"),
    ],
)
def test_output_that_is_not_an_answer(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_findings(text, "istioctl")


@pytest.mark.parametrize("version", ["1.30.3", "1.31.0"])
def test_recorded_answers_of_a_mesh_in_order(version: str) -> None:
    assert recorded("order", "x", version) == []
    found = recorded("order", "analyze", version)
    assert {(one.code, one.severity, one.object) for one in found} == {
        ("IST0102", "info", "namespace default"),
        ("IST0102", "info", "namespace legacy"),
    }


@pytest.mark.parametrize("version", ["1.30.3", "1.31.0"])
def test_recorded_answers_of_a_mesh_in_disorder(version: str) -> None:
    found = recorded("disorder", "analyze", version)
    counts = {"IST0101": 2, "IST0102": 1, "IST0103": 3, "IST0123": 1, "IST0132": 1, "IST0139": 1, "IST0158": 8}
    assert collections.Counter(one.code for one in found) == counts
    assert {one.title for one in found} == {TITLES[code] for code in counts}


@pytest.mark.parametrize("version", ["1.30.3", "1.31.0"])
@pytest.mark.parametrize("installer", ["istioctl", "helm"])
def test_permissions_that_the_run_needs_are_mu009_and_others_a_note(version: str, installer: str) -> None:
    found = recorded("reader", "x", version)
    assert len(found) == 11
    snapshot = b.snapshot_of([], denied=tuple(NEEDED_BY_INSTALLER[installer]))
    own, other = merge_findings([checked("MU009", "permissions to install")], found, snapshot)
    assert own == checked("MU009", "permissions to install", "It is so. (istioctl: IST0141)")
    # The namespace of istiod exists before an upgrade.
    assert (other.severity, other.object) == ("info", "cluster")
    assert "create resource namespaces" in other.message


def test_without_an_installer_missing_permissions_are_a_note() -> None:
    found = merge_findings([], recorded("reader", "x", "1.31.0"), b.snapshot_of([]))
    assert {(one.code, one.severity) for one in found} == {("IST0141", "info")}


GONE = "Injector refers to a control plane service that does not exist: istio-system/istiod-old."
OVERLAP = "Webhook overlaps with others: [b/rev.namespace.sidecar-injector.istio.io]. This may cause injection twice."
#: Both match namespace shop. Decisions compare these names, and not the names in messages.
OLD_HOOK, NEW_HOOK = (f"istio-sidecar-injector-{revision}" for revision in (b.OLD, b.NEW))
SEVERAL = "Several injectors match its pods."
PODS = "The Istio proxy images do not match (pod names: [web-abc-0 web-abc-1]). This often happens."
STALE = b.deployed(pods=2)


def overlapping() -> b.Json:
    """The injector of the new revision with the selectors of the old one."""
    return {**b.injector(b.NEW), "webhooks": b.injector(b.OLD)["webhooks"]}


SNAPSHOT = b.snapshot_of(
    [
        *b.namespaces(shop=b.OLD),
        b.injector(b.OLD),
        overlapping(),
        *STALE,
        b.pod("alone", owner=None),
        b.pod("other-1", owner=("Job", "other")),
    ]
)
TWINS = [
    ("IST0123", "Namespace two", "", "MU017", "namespace two", ""),
    ("IST0139", "MutatingWebhookConfiguration a", GONE, "MU011", "webhook a", ""),
    ("IST0139", f"MutatingWebhookConfiguration {NEW_HOOK}", OVERLAP, "MU016", "namespace shop", SEVERAL),
    ("IST0142", "Cluster", "", "MU002", "API server", ""),
    ("IST0103", "Pod shop/web-abc-0", "", "MU027", "Deployment shop/web", ""),
    ("IST0103", "Pod shop/alone", "", "MU027", "Pod shop/alone", ""),
    ("IST0103", "Pod shop/other-1", "", "MU021", "Job shop/other", ""),
    ("IST0158", "Namespace shop", PODS, "MU020", "Deployment shop/web", ""),
]
DIFFERENT = [
    ("IST0123", "Namespace two", "", "MU017", "namespace one", ""),
    ("IST0123", "Namespace two", "", "MU010", "namespace two", ""),
    ("IST0139", "MutatingWebhookConfiguration a", GONE, "MU011", "webhook b", ""),
    ("IST0139", "MutatingWebhookConfiguration a", GONE, "MU016", "namespace shop", SEVERAL),
    ("IST0139", "MutatingWebhookConfiguration a", OVERLAP, "MU011", "webhook a", ""),
    ("IST0139", "MutatingWebhookConfiguration c", OVERLAP, "MU016", "namespace shop", "It names c (revision 1)."),
    ("IST0139", f"MutatingWebhookConfiguration {OLD_HOOK}", OVERLAP, "MU016", "namespace default", SEVERAL),
    ("IST0103", "Pod shop/web-abc-0", "", "MU027", "Deployment shop/other", ""),
    ("IST0103", "Pod shop/gone", "", "MU027", "Deployment shop/web", ""),
    ("IST0158", "Namespace shop", PODS.replace("web-abc-1", "alone"), "MU020", "Deployment shop/web", ""),
    ("IST0158", "Namespace shop", "They do not match.", "MU020", "Deployment shop/web", ""),
    ("IST0101", "VirtualService shop/web", "", "MU017", "VirtualService shop/web", ""),
]


@pytest.mark.parametrize(("code", "origin", "message", "own", "place", "text"), TWINS)
def test_a_problem_that_both_report_appears_once(
    code: str, origin: str, message: str, own: str, place: str, text: str
) -> None:
    kept = checked(own, place, text)
    found = merge_findings([kept], [reported(code, origin, message)], SNAPSHOT)
    assert found == [checked(own, place, f"{text} (istioctl: {code})")]
    assert merge_findings([], [reported(code, origin, message)], SNAPSHOT) == [reported(code, origin, message)]


@pytest.mark.parametrize(("code", "origin", "message", "own", "place", "text"), DIFFERENT)
def test_all_other_findings_are_kept(code: str, origin: str, message: str, own: str, place: str, text: str) -> None:
    both = [checked(own, place, text), reported(code, origin, message)]
    assert merge_findings(both[:1], both[1:], SNAPSHOT) == sort_by_severity(both)


@pytest.mark.parametrize(
    ("proxies", "shown"),
    [
        ({"web-abc-0": b.proxy("1.30.3-distroless"), "web-abc-1": b.proxy("1.30.3-distroless")}, False),
        ({"web-abc-0": b.proxy(b.OLD_VERSION), "web-abc-1": b.proxy("1.30.3-debug")}, False),
        ({"web-abc-0": b.proxy(b.OLD_VERSION), "web-abc-1": b.proxy("1.29.0")}, True),
        ({"web-abc-0": b.proxy(b.OLD_VERSION)}, True),
    ],
)
def test_images_that_pods_would_get_now_are_right(proxies: dict[str, str], shown: bool) -> None:
    """IST0158 compares with the image of the injector's values only; a pod that is gone meanwhile proves nothing."""
    pods = [b.pod(name, image=image) for name, image in proxies.items()]
    snapshot = b.snapshot_of([*b.plane(b.OLD), *b.namespaces(shop=b.OLD), *pods])
    assert bool(merge_findings([], [reported("IST0158", "Namespace shop", PODS)], snapshot)) is shown


@pytest.mark.parametrize("version", ["1.30.3", "1.31.0"])
def test_a_namespace_outside_of_the_mesh_is_no_finding(version: str) -> None:
    assert merge_findings([], recorded("order", "analyze", version), SNAPSHOT) == []


def test_every_equivalent_is_tested_above() -> None:
    seen: dict[str, set[str]] = collections.defaultdict(set)
    for code, dummy_origin, dummy_message, own, *dummy in TWINS:
        seen[code].add(own)
    assert set(EQUIVALENTS) == {*seen, "IST0141"}
    for code, row in EQUIVALENTS.items():
        assert set(row.codes) <= set(CHECKS_BY_CODE)
        assert code in TITLES


def test_a_repeated_finding_of_istioctl_appears_once() -> None:
    assert merge_findings([], [read(), read()], SNAPSHOT) == [read()]


def test_several_codes_of_istioctl_at_one_finding() -> None:
    both = [reported("IST0103", "Pod shop/web-abc-0"), reported("IST0103", "Pod shop/web-abc-1")]
    assert merge_findings([checked("MU027", "Deployment shop/web", "x.")], both, SNAPSHOT) == [
        checked("MU027", "Deployment shop/web", "x. (istioctl: IST0103)")
    ]


def test_the_worst_comes_first() -> None:
    found = merge_findings([checked("MU012", "tag default")], [read(), read(level="Info")], SNAPSHOT)
    assert [one.severity for one in found] == ["error", "warning", "info"]
