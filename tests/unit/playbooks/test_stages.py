# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that does nothing because of its tags is never a success: each playbook refuses them before any request."""

from __future__ import annotations

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
#: No server listens there.
LOST = {"istio_host": "https://127.0.0.1:1", "istio_api_key": "none", "istio_version": "1.31.0"}
#: These would skip even the first task.
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
    output = start(tmp_path, {"lost": LOST}, ROOT / "playbooks" / f"{name}.yml", *flags)
    assert "No cluster was queried: " in output
    assert "TASK [" not in output


def test_the_tag_of_a_stage_queries_the_cluster(tmp_path: Path) -> None:
    output = start(tmp_path, {"lost": LOST}, ROOT / "playbooks" / "canary.yml", "--tags", "precheck")
    assert "TASK [Read each cluster, its lock and the record of its last run]" in output


REFUSED: dict[str, tuple[list[str], list[str]]] = {
    "an unknown tag is skipped": (["all"], ["nonsense"]),
    "always is skipped": (["all"], ["always"]),
    "an unknown tag beside a stage": (["precheck", "nonsense"], []),
    "an unknown tag beside all": (["all", "nonsense"], []),
    "only always": (["always"], []),
    "only untagged tasks": (["untagged"], []),
    "only tagged tasks": (["tagged"], []),
}


@pytest.mark.parametrize("staged", [True, False])
@pytest.mark.parametrize("tags", REFUSED.values(), ids=REFUSED)
def test_only_the_tags_of_stages_are_accepted(tags: tuple[list[str], list[str]], staged: bool) -> None:
    with pytest.raises(ParameterError, match="^No cluster was queried: "):
        select_stages(*tags, staged)


@pytest.mark.parametrize("staged", [True, False])
def test_the_tags_that_molecule_always_skips_are_ignored(staged: bool) -> None:
    assert select_stages(["all"], [*MOLECULE_TAGS], staged) == select_stages(["all"], [], staged)
    with pytest.raises(ParameterError, match="--skip-tags verify is not possible"):
        select_stages(["all"], [*MOLECULE_TAGS, "verify"], staged)


def test_a_playbook_without_stages_refuses_tags() -> None:
    with pytest.raises(
        ParameterError, match=r"no task has the tag verify: this playbook has no stages; remove --tags\.$"
    ):
        select_stages(["verify"], [], False)


@pytest.mark.parametrize(
    ("tags", "last"),
    [
        (["all"], "finalize"),
        (["all", "precheck"], "finalize"),
        (["precheck"], "precheck"),
        (["data_plane", "control_plane"], "data_plane"),
        (["finalize"], "finalize"),
    ],
)
def test_the_tag_of_a_stage_includes_all_stages_before_it(tags: list[str], last: str) -> None:
    selected, skipped = select_stages(tags, [])
    assert (selected[-1], [*selected, *skipped]) == (last, [*STAGES])


def test_a_refusal_names_the_stages() -> None:
    with pytest.raises(ParameterError, match="the stages of this playbook are precheck, control_plane, data_plane"):
        select_stages(["control-plane"], [])
