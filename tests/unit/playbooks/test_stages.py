# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tags never end a run that did nothing as a success: each playbook with each kind of tag, and no cluster is asked."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.stages import (
    MOLECULE_TAGS,
    STAGES,
    select_stages,
)
from unit.playbooks.playing import ROOT, start

STAGED, PLAIN = ("canary", "in_place", "downgrade"), ("rollback", "precheck", "verify", "status")
#: Nobody answers there.
LOST = {"istio_host": "https://127.0.0.1:1", "istio_api_key": "none", "istio_version": "1.31.0"}
#: Also where the first task itself would be skipped.
ALL_SKIPPED = ("--tags", "precheck", "--skip-tags", "always")


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        *((name, ALL_SKIPPED) for name in (*STAGED, *PLAIN)),
        *((name, ("--tags", "nonsense")) for name in STAGED),
        *((name, ("--tags", "verify")) for name in PLAIN),
    ],
)
def test_tags_that_would_skip_a_playbook_are_refused(tmp_path: Path, name: str, flags: tuple[str, ...]) -> None:
    said = start(tmp_path, {"lost": LOST}, ROOT / "playbooks" / f"{name}.yml", *flags)
    assert "No cluster was queried: " in said
    assert "TASK [" not in said


def test_a_stage_asks_the_cluster(tmp_path: Path) -> None:
    said = start(tmp_path, {"lost": LOST}, ROOT / "playbooks" / "canary.yml", "--tags", "precheck")
    assert "TASK [Read each cluster, its lock and the record of its last run]" in said


REFUSED: dict[str, tuple[list[str], list[str]]] = {
    "a slip is skipped": (["all"], ["nonsense"]),
    "what always runs is skipped": (["all"], ["always"]),
    "no stage beside one": (["precheck", "nonsense"], []),
    "no stage beside all": (["all", "nonsense"], []),
    "only what always runs": (["always"], []),
    "only what has no tag": (["untagged"], []),
    "only what has one": (["tagged"], []),
}


@pytest.mark.parametrize("staged", [True, False])
@pytest.mark.parametrize("tags", REFUSED.values(), ids=REFUSED)
def test_only_the_tags_of_stages_are_taken(tags: tuple[list[str], list[str]], staged: bool) -> None:
    with pytest.raises(ParameterError, match="^No cluster was queried: "):
        select_stages(*tags, staged)


@pytest.mark.parametrize("staged", [True, False])
def test_the_tags_that_molecule_always_skips_are_none_of_a_task_of_ours(staged: bool) -> None:
    assert select_stages(["all"], [*MOLECULE_TAGS], staged) == select_stages(["all"], [], staged)
    with pytest.raises(ParameterError, match="--skip-tags verify is not possible"):
        select_stages(["all"], [*MOLECULE_TAGS, "verify"], staged)


def test_a_playbook_without_stages_says_so() -> None:
    with pytest.raises(
        ParameterError, match=r"no task has the tag verify: this playbook has no stages; remove --tags\.$"
    ):
        select_stages(["verify"], [], False)


@pytest.mark.parametrize(
    ("asked", "last"),
    [
        (["all"], "finalize"),
        (["all", "precheck"], "finalize"),
        (["precheck"], "precheck"),
        (["data_plane", "control_plane"], "data_plane"),
        (["finalize"], "finalize"),
    ],
)
def test_the_tag_of_a_stage_stands_for_all_before_it(asked: list[str], last: str) -> None:
    found: dict[str, t.Any] = select_stages(asked, [])
    assert (found["run"][-1], [*found["run"], *found["left"]]) == (last, [*STAGES])


def test_a_refusal_names_the_stages() -> None:
    with pytest.raises(ParameterError, match="the stages of this playbook are precheck, control_plane, data_plane"):
        select_stages(["control-plane"], [])
