# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of what the target version no longer supports, changes or ignores."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.upgrade_notes import (
    CHANGES,
    changes_between,
    ignored_settings,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.end_of_life import (
    SUPPORT_ENDS,
    support_ended,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.support import builders as b
from unit.support.checking import HEALTHY, UPGRADE, fired

TODAY = datetime.date(2026, 11, 23)
NOW = dataclasses.replace(UPGRADE, today=TODAY)


def mesh(version: str, values: b.Json | None = None, **of_istiod: t.Any) -> list[b.Json]:
    """A mesh whose control plane runs a version, without settings of a user."""
    plane = b.plane(b.OLD, version, values=values or {}, **of_istiod)
    return [*plane, *b.revision_tag("default", b.OLD), *b.namespaces()]


OLD_PLANE = mesh("1.29.2", {"pilot": {"env": b.DECIDED}})
PINNED = {"compatibilityVersion": "1.28"}
UNHEALTHY = "Istio 1.31, endpoints that are not ready"
GATEWAY = b.pod("gw-1", revision=None, owner=None, labels={"gateway.istio.io/managed": "istio.io-gateway-controller"})

FIRES = [
    pytest.param(
        "MU032",
        "Istio 1.29.2",
        HEALTHY,
        {"upgrade": dataclasses.replace(NOW, version=Version(1, 29, 2))},
        id="MU032: a target without fixes",
    ),
    pytest.param(
        "MU048",
        "revision 1-30-3",
        OLD_PLANE,
        {"upgrade": NOW},
        id="MU048: a source without fixes",
    ),
    pytest.param(
        "MU033",
        UNHEALTHY,
        mesh("1.30.3", {"pilot": {"env": {"ENABLE_XDS_API_GENERATOR_AUTH": "false"}}}),
        {},
        id="MU033 domain 12: a default that changes",
    ),
    pytest.param(
        "MU034",
        "revision 1-30-3",
        mesh("1.30.3", {"pilot": {"env": {"PILOT_SPAWN_UPSTREAM_SPAN_FOR_GATEWAY": "false"}}}),
        {},
        id="MU034: a variable that the target no longer reads",
    ),
    pytest.param(
        "MU035",
        "revision 1-30-3",
        mesh("1.30.3", {"compatibilityVersion": "1.24"}),
        {},
        id="MU035: a profile that the target no longer has",
    ),
    pytest.param(
        "MU049", "revision 1-30-3", mesh("1.30.3", PINNED), {}, id="MU049: a profile that the target gets too"
    ),
]


@pytest.mark.parametrize(
    ("version", "today", "sentence"),
    [
        (Version(1, 29, 5), datetime.date(2026, 10, 12), None),
        (Version(1, 29, 5), datetime.date(2026, 10, 13), "Support for Istio 1.29 ended on 2026-10-12."),
        (Version(1, 20, 0), TODAY, "Support for Istio 1.20 ended before 2025-06-24."),
        (Version(1, 31, 0), datetime.date(2030, 1, 1), None),
        (Version(2, 0, 0), TODAY, None),
    ],
)
def test_when_support_ends(version: Version, today: datetime.date, sentence: str | None) -> None:
    assert support_ended(version, today) == sentence


def test_support_ends_minor_by_minor() -> None:
    assert list(SUPPORT_ENDS) == list(range(min(SUPPORT_ENDS), max(SUPPORT_ENDS) + 1))
    assert list(SUPPORT_ENDS.values()) == sorted(SUPPORT_ENDS.values())


def test_a_supported_version_or_an_unknown_date_is_silent() -> None:
    assert fired(HEALTHY, NOW) == {}
    assert "MU048" not in fired(OLD_PLANE, dataclasses.replace(NOW, today=None))


def messages(objects: list[b.Json], upgrade: Upgrade = UPGRADE, code: str = "MU033", **over: t.Any) -> dict[str, str]:
    """Object to message of what one check finds."""
    rows = run_checks(b.snapshot_of(objects, **over), upgrade)
    return {row.object: row.message for row in rows if row.code == code}


def test_mu033_states_the_change_and_how_to_preserve_the_old_behavior() -> None:
    assert messages(mesh("1.30.3"))[UNHEALTHY] == (
        "Proxies receive endpoints that are not ready, unless minHealthPercent of outlier detection is set. "
        "The value pilot.env.PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS=false preserves the previous behavior."
    )


@pytest.mark.parametrize("code", ["MU033", "MU035", "MU049"])
@pytest.mark.parametrize(
    ("source", "target"),
    [("1.31.0", Version(1, 31, 1)), ("1.31.0", Version(1, 30, 3)), ("acme-7", Version(1, 31, 0)), ("1.30.3", None)],
    ids=["same minor", "a downgrade", "an unknown version", "no target"],
)
def test_only_an_upgrade_changes_defaults(source: str, target: Version | None, code: str) -> None:
    assert messages(mesh(source), dataclasses.replace(UPGRADE, version=target), code) == {}


def test_mu033_two_minors_bring_the_changes_of_both() -> None:
    found = messages(mesh("1.29.2"))
    assert set(messages(mesh("1.30.3"))) < set(found)
    assert "Istio 1.30, namespace of a host" in found


@pytest.mark.parametrize(
    ("more", "change"),
    [
        ([GATEWAY], "Istio 1.31, merged gateways"),
        ([b.workload("DaemonSet", "ztunnel")], "Istio 1.31, auto-registered WorkloadEntries"),
        ([b.workload("DaemonSet", "ztunnel")], "Istio 1.30, excluded namespaces"),
        ([b.workload("DaemonSet", "istio-cni-node")], "Istio 1.30, mode of CNI files"),
    ],
)
def test_mu033_names_only_changes_that_affect_the_mesh(more: list[b.Json], change: str) -> None:
    assert change not in messages(mesh("1.29.2"))
    assert change in messages([*mesh("1.29.2"), *more])


def test_mu033_native_sidecars_come_if_all_nodes_are_new() -> None:
    upgrade, native = dataclasses.replace(UPGRADE, version=Version(1, 27, 0)), "Istio 1.27, native sidecars"
    assert native in messages(mesh("1.26.8"), upgrade)
    assert native in messages([*mesh("1.26.8"), b.node("a")], upgrade)
    assert native not in messages([*mesh("1.26.8"), b.node("a"), b.node("b", kubelet="v1.32.9")], upgrade)


def test_mu033_images_from_a_retired_registry() -> None:
    elsewhere = [obj for obj in mesh("1.30.3") if obj["metadata"]["name"] != f"istio-sidecar-injector-{b.OLD}"]
    moved = [*elsewhere, b.injector(b.OLD), b.injector_map(b.OLD, "1.30.3", hub="registry.istio.io/release")]
    assert "Istio 1.31, registry of images" in messages(moved)
    assert "Istio 1.31, registry of images" not in messages(mesh("1.30.3"))


def test_mu033_tracing_and_a_removed_value() -> None:
    upgrade, spans = dataclasses.replace(UPGRADE, version=Version(1, 29, 0)), "Istio 1.28, spans of gateways"
    traced = mesh("1.27.0", {"meshConfig": {"extensionProviders": [{"name": "otel"}]}})
    assert "PILOT_SPAWN_UPSTREAM_SPAN_FOR_GATEWAY=false" in messages(traced, upgrade)[spans]
    assert spans not in messages(mesh("1.27.0"), upgrade)
    change = next(change for change in CHANGES if change.name == "spans of gateways")
    assert change.how_to_preserve(Version(1, 31, 0)) == ""


def test_a_change_that_the_user_has_decided_about_is_silent() -> None:
    given = {"pilot": {"env": {"PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS": "true"}}}
    assert UNHEALTHY not in messages(mesh("1.30.3", given))
    assert UNHEALTHY not in messages(mesh("1.30.3", PINNED))
    assert UNHEALTHY in messages(mesh("1.30.3", {"pilot": {"env": []}, "compatibilityVersion": "1.31"}))


@pytest.mark.parametrize(
    ("values", "target", "settings"),
    [
        ({}, Version(1, 31, 0), []),
        ({"pilot": {"env": {"PILOT_SPAWN_UPSTREAM_SPAN_FOR_GATEWAY": "x"}}}, Version(1, 30, 9), []),
        ({"pilot": {"env": {"ENABLE_AUTO_SNI": "x"}}}, Version(1, 25, 0), []),
        ({"pilot": {"env": {"ENABLE_AUTO_SNI": "x"}}}, Version(1, 26, 0), ["pilot.env.ENABLE_AUTO_SNI"]),
        ({"pilot": {"env": None}, "meshConfig": {"extensionProviders": None}}, Version(1, 31, 0), []),
        (
            {"meshConfig": {"extensionProviders": [{"name": "a", "lightstep": {}}, {"name": "b", "zipkin": {}}]}},
            Version(1, 27, 0),
            ["meshConfig.extensionProviders[a].lightstep"],
        ),
        ({"meshConfig": {"extensionProviders": [{"name": "a", "lightstep": {}}]}}, Version(1, 26, 0), []),
    ],
)
def test_mu034_what_a_target_ignores(values: b.Json, target: Version, settings: list[str]) -> None:
    found = ignored_settings(values, target)
    assert [setting for setting, dummy in found] == settings
    rows = run_checks(b.snapshot_of(mesh("1.24.6", values)), dataclasses.replace(UPGRADE, version=target))
    texts = [row.message for row in rows if row.code == "MU034"]
    assert texts == [f"Its setting {setting} has had no effect since Istio 1.{since}." for setting, since in found]


def test_mu049_names_the_preserved_behavior() -> None:
    found = messages(mesh("1.29.2", PINNED), code="MU049")
    assert found == {
        "revision 1-30-3": "Its compatibilityVersion 1.28 preserves the previous behavior of: namespace of a host, "
        "endpoints that are not ready."
    }


@pytest.mark.parametrize(
    ("pinned", "target", "known"),
    [
        ("1.24", Version(1, 31, 0), False),
        ("1.25", Version(1, 31, 0), True),
        ("1.30", Version(1, 31, 0), True),
        ("1.30", Version(1, 30, 9), False),
        ("1.24", Version(1, 32, 0), True),
    ],
)
def test_mu035_what_a_target_supports(pinned: str, target: Version, known: bool) -> None:
    upgrade = dataclasses.replace(UPGRADE, version=target)
    found = messages(mesh("1.30.3", {"compatibilityVersion": pinned}), upgrade, "MU035")
    assert (found == {}) is known
    assert all("supports 1.25 to 1." in text for text in found.values())


def test_changes_are_in_order_and_have_unique_names() -> None:
    assert [change.since for change in CHANGES] == sorted(change.since for change in CHANGES)
    assert len({change.name for change in CHANGES}) == len(CHANGES)
    assert changes_between(Version(1, 24, 0), Version(1, 31, 0)) == list(CHANGES)
