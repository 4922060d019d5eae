# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a cluster is, from one reading of it."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.status import cluster_state, fleet_status
from unit.support import builders as b

LOCK = {"holder": "anna@desk", "since": "2026-03-01T02:00:00Z", "expires": "2026-03-01T02:05:00Z"}

SLIP = {"failed": True, "msg": "There is no namespace payment.", "failure": {"kind": "ParameterError"}}


def reading(*versions: str, stale: int = 0, lock: b.Json | None = None, **proxies: int) -> b.Json:
    """Return a result of istio_info; proxies by version, with underscores instead of dots."""
    counts = {name[1:].replace("_", "."): count for name, count in proxies.items()}
    return {
        "control_planes": [{"version": version} for version in versions],
        "proxies": {"some": counts},
        "namespaces": [{"stale_proxies": stale}],
        "lock": lock,
        "record": None,
    }


def record(state: str) -> b.Json:
    """Return a result with the record of the last run."""
    told = {
        "started_by": "anna@desk",
        "strategy": "canary",
        "phase": "data_plane",
        "message": "no room",
        "updated": "then",
    }
    return {**reading("1.30.3", v1_30_3=2), "record": {"state": state, **told}}


@pytest.mark.parametrize(
    ("reading_of_cluster", "state", "reason"),
    [
        ({"failed": True, "msg": "It cannot be reached."}, "unreachable", "It cannot be reached."),
        ({}, "unreachable", "it was not read"),
        (SLIP, "refused", "There is no namespace payment."),
        (reading("1.30.3", lock=LOCK), "locked", "anna@desk works on it since 2026-03-01T02:00:00Z"),
        (record("failed"), "failed", "the canary by anna@desk failed in data_plane: no room"),
        (record("running"), "interrupted", "the canary by anna@desk ended in data_plane at then"),
        (record("stopped"), "interrupted", "the canary by anna@desk ended in data_plane at then"),
        (record("done"), "not begun", "1.31.0 is not installed"),
        (reading("1.30.3", v1_30_3=2), "not begun", "1.31.0 is not installed"),
        (reading("1.30.3", "1.31.0", v1_30_3=2), "not begun", "0 of 2 proxies run 1.31.0"),
        (reading("1.30.3", "1.31.0", v1_30_3=2, v1_31_0=1), "half done", "1 of 3 proxies run 1.31.0"),
        (reading("1.31.0", v1_31_0=3, stale=1), "half done", "1 proxies are stale"),
        (reading("1.31.0", v1_31_0=3), "done", ""),
        (reading("1.31.0"), "done", ""),
    ],
)
def test_the_state_of_a_cluster(reading_of_cluster: b.Json, state: str, reason: str) -> None:
    found = cluster_state(reading_of_cluster, "1.31.0")
    assert (found["state"], found["reason"]) == (state, reason)


def test_without_a_version_one_version_everywhere_is_done() -> None:
    assert cluster_state(reading("1.30.3", "1.31.0", v1_30_3=2))["state"] == "done"
    assert cluster_state(reading("1.31.0", v1_30_3=2, v1_31_0=1))["state"] == "half done"


def test_a_distroless_image_counts_as_its_version() -> None:
    result = reading("1.31.0")
    result["proxies"] = {"r": {"1.31.0-distroless": 2}}
    assert cluster_state(result, "1.31.0")["state"] == "done"


def test_a_cluster_that_was_not_read_has_no_versions() -> None:
    assert fleet_status({"c1": SLIP})["lines"][0] == "refused: c1: There is no namespace payment."


def test_clusters_with_problems_come_first() -> None:
    found = fleet_status({"b": reading("1.31.0", v1_31_0=3), "c": {}, "a": reading("1.30.3", v1_30_3=2)}, "1.31.0")
    assert [one["cluster"] for one in found["clusters"]] == ["c", "a", "b"]
    assert found["counts"] == {"unreachable": 1, "not begun": 1, "done": 1}
    assert found["lines"] == [
        "unreachable: c: it was not read",
        "not begun: a (istiod 1.30.3, proxies 2 x 1.30.3): 1.31.0 is not installed",
        "done: b (istiod 1.31.0, proxies 3 x 1.31.0)",
        "3 clusters: 1 unreachable, 1 not begun, 1 done",
    ]


@pytest.mark.parametrize(
    ("installed", "version", "tag", "state", "reason"),
    [
        ("1.31.0-distroless", "1.31.0", "", "done", ""),
        ("1.31.0-distroless", "1.31.0-distroless", "", "done", ""),
        ("1.31.0", "1.31.0-distroless", "", "done", ""),
        ("1.24.3-solo-fips", "1.24.3", "", "done", ""),
        ("1.22.8-asm.1", "1.22.8-asm.1", "", "done", ""),
        ("1.22.8-asm.9", "1.22.8-asm.10", "", "not begun", "1.22.8-asm.10 is not installed"),
        ("1.31.0-rc.1", "1.31.0", "", "not begun", "1.31.0 is not installed"),
        ("1.28.3_fips", "1.28.3", "", "done", ""),
        ("1.28.3+sail", "1.28.3", "", "done", ""),
        ("asm-1-23", "1.23.0", "asm-1-23", "done", ""),
        (
            "asm-1-23",
            "1.23.0",
            "",
            "not begun",
            "1.23.0 is not installed, and no version is known of asm-1-23",
        ),
        ("latest", "1.31.0", "", "not begun", "1.31.0 is not installed, and no version is known of latest"),
    ],
)
def test_r14_versions_with_a_suffix(installed: str, version: str, tag: str, state: str, reason: str) -> None:
    result = {**reading(installed), "proxies": {"r": {installed: 2}}}
    found = cluster_state(result, version, tag)
    assert (found["state"], found["reason"]) == (state, reason)


@pytest.mark.parametrize(
    ("proxies", "state", "reason"),
    [
        ({"1.31.0": 2}, "done", ""),
        ({"1.31.0": 1, "1.30.3": 1}, "half done", "1 of 2 proxies run 1.31.0"),
        ({"1.30.3": 2}, "not begun", "1.31.0 is not installed, and no version is known of one outside this cluster"),
    ],
)
def test_a_control_plane_outside_the_cluster_shows_its_version_by_its_proxies(
    proxies: dict[str, int], state: str, reason: str
) -> None:
    found = cluster_state({**reading(""), "proxies": {"r": proxies}}, "1.31.0")
    assert (found["state"], found["reason"]) == (state, reason)


def test_r05_proxies_whose_version_is_unknown_are_counted() -> None:
    result = {**reading("1.31.0"), "proxies": {"r": {"1.31.0": 1, "unknown": 2}}}
    assert cluster_state(result, "1.31.0")["reason"] == (
        "1 of 3 proxies run 1.31.0, and no version is known of unknown"
    )


def test_without_a_version_variants_are_one_version() -> None:
    result = {**reading("1.31.0"), "proxies": {"r": {"1.31.0": 1, "1.31.0-distroless": 1}}}
    assert cluster_state(result)["state"] == "done"
