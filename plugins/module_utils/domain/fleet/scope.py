# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe a run: its playbook, the stages that tags select, and whether AWX has cut it into slices."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Container, Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import FINALIZE, PERCENT, VERSION
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.stages import select_stages
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import FINALIZE_BY_DEFAULT
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import UPGRADES, WRITERS

#: A play may set these for all clusters of an upgrade.
PLAY_VALUES = (VERSION, PERCENT, FINALIZE, FINALIZE_BY_DEFAULT)


@dataclasses.dataclass(frozen=True)
class Playbook:
    """A playbook of the collection.

    Attributes:
        strategy: the only strategy that it has; empty for a playbook that takes any.
        has_stages: whether --tags selects stages of it.
        upgrades: whether it needs a target version.
    """

    strategy: str = ""
    has_stages: bool = False
    upgrades: bool = False


def playbook_named(name: str) -> Playbook:
    """Return the playbook with a name; without a name, a play that is not one of the collection."""
    return Playbook(
        strategy=name if name in WRITERS else "",
        has_stages=name in UPGRADES,
        upgrades=name in (*UPGRADES, "precheck", "verify"),
    )


class SelectedStages(t.TypedDict):
    """The stages of a run."""

    selected: list[str]
    skipped: list[str]
    message: str


def stages_of_run(
    run_tags: Sequence[str], skip_tags: Iterable[str], *, has_stages: bool, finalizes: bool
) -> SelectedStages:
    """Return the stages that --tags selects, and those that it leaves to another run.

    Args:
        finalizes: whether the run would finalize without --tags.

    Raises:
        ParameterError: a tag does not belong to a stage, or --skip-tags is given.
    """
    selected, remaining = select_stages(run_tags, skip_tags, has_stages)
    skipped = [stage for stage in remaining if finalizes or stage != "finalize"]
    message = (
        f"Only the stages {', '.join(selected)} ran, because of --tags. Left to another run: {', '.join(skipped)}."
    )
    return {"selected": selected, "skipped": skipped, "message": message if skipped else ""}


def job_slice(workflow: str, template: str) -> str:
    """Return the name of a job template of AWX that has cut its job into slices, or an empty text.

    AWX does not pass to a job that it is a slice, but starts all slices by a workflow with the name of the template
    (JobTemplate.create_unified_job).
    """
    return template if workflow and workflow == template else ""


def groups_with_hosts(groups: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return the groups that have hosts: in a slice, a ring may be empty although the inventory has clusters for it."""
    return {name: hosts for name, hosts in groups.items() if hosts}


def play_values(host_variables: Container[str]) -> list[str]:
    """Return the variables that a cluster takes from the play, because it has no value of its own."""
    return [name for name in PLAY_VALUES if name not in host_variables]
