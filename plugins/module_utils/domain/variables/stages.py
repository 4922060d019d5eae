# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Select the stages of an upgrade by tags: the tag of a stage includes all stages before it."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError

STAGES = ("precheck", "control_plane", "data_plane", "verify", "finalize")
ALL = "all"
#: Molecule gives these tags to every ansible-playbook that it starts; no task of the playbooks has them.
MOLECULE_TAGS = ("molecule-notest", "notest", "molecule-idempotence-notest")


class StageSelection(t.NamedTuple):
    """The stages that run, and those that are left to another run."""

    selected: list[str]
    skipped: list[str]


def select_stages(run_tags: Sequence[str], skipped_tags: Iterable[str], staged: bool = True) -> StageSelection:
    """Return the stages that tags select, and the others.

    Args:
        run_tags: the value of --tags, `all` where it is not set.
        skipped_tags: the value of --skip-tags; the tags that Molecule adds are ignored.
        staged: whether the playbook has stages.

    Raises:
        ParameterError: a tag is not a stage, or stages are skipped; either would end without any change.
    """
    selected = [tag for tag in run_tags if tag != ALL]
    skipped = [tag for tag in skipped_tags if tag not in MOLECULE_TAGS]
    stages = STAGES if staged else ()
    fact = f"the stages of this playbook are {', '.join(STAGES)}" if staged else "this playbook has no stages"
    if skipped:
        remedy = "give --tags with the last stage that is to run" if staged else "remove --skip-tags"
        raise ParameterError(
            f"No cluster was queried: --skip-tags {','.join(skipped)} is not possible, because {fact}"
            f"{', and each builds on those before it' if staged else ''}; {remedy}."
        )
    unknown = [tag for tag in selected if tag not in stages]
    if unknown:
        remedy = "use one of these" if staged else "remove --tags"
        raise ParameterError(f"No cluster was queried: no task has the tag {', '.join(unknown)}: {fact}; {remedy}.")
    if not selected or ALL in run_tags:
        return StageSelection([*stages] or [ALL], [])
    last = max(map(STAGES.index, selected))
    return StageSelection([*STAGES[: last + 1]], [*STAGES[last + 1 :]])
