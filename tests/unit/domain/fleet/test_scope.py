# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scope of a run: its playbook, its stages, and slices of a job."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.scope import (
    Playbook,
    groups_with_hosts,
    job_slice,
    play_values,
    playbook_named,
    stages_of_run,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("canary", Playbook("canary", has_stages=True, upgrades=True)),
        ("downgrade", Playbook("downgrade", has_stages=True, upgrades=True)),
        ("rollback", Playbook("rollback")),
        ("precheck", Playbook(upgrades=True)),
        ("verify", Playbook(upgrades=True)),
        ("status", Playbook()),
        ("", Playbook()),
    ],
)
def test_a_playbook_has_a_strategy_stages_and_a_target_version_or_not(name: str, expected: Playbook) -> None:
    assert playbook_named(name) == expected


def test_finalize_is_skipped_only_if_the_run_would_finalize() -> None:
    stages = stages_of_run(["verify"], [], has_stages=True, finalizes=False)
    assert (stages["skipped"], stages["message"]) == ([], "")
    stages = stages_of_run(["control_plane"], [], has_stages=True, finalizes=True)
    assert stages["selected"] == ["precheck", "control_plane"]
    assert stages["skipped"] == ["data_plane", "verify", "finalize"]
    assert stages["message"] == (
        "Only the stages precheck, control_plane ran, because of --tags. Left to another run: data_plane, "
        "verify, finalize."
    )


def test_a_playbook_without_stages_skips_none() -> None:
    assert stages_of_run(["all"], [], has_stages=False, finalizes=True) == {
        "selected": ["all"], "skipped": [], "message": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("workflow", "template", "expected"),
    [("", "", ""), ("", "Istio", ""), ("Upgrade", "Istio", ""), ("Istio", "Istio", "Istio")],
)
def test_a_slice_has_a_workflow_with_the_name_of_its_template(workflow: str, template: str, expected: str) -> None:
    assert job_slice(workflow, template) == expected


def test_a_slice_ignores_rings_without_hosts() -> None:
    assert groups_with_hosts({"istio_ring_0": [], "istio_ring_1": ["a"]}) == {"istio_ring_1": ["a"]}


def test_a_value_of_the_play_is_for_clusters_without_their_own() -> None:
    assert play_values({"istio_version": "1.31.0"}) == [
        "istio_percent",
        "istio_finalize",
        "__istio_finalize_by_default",
    ]
