# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of an upgrade that tags ask for; the tag of a stage stands for all before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError

STAGES = ("precheck", "control_plane", "data_plane", "verify", "finalize")
ALL = "all"

# Molecule gives them to every ansible-playbook that it starts; no task of ours has them.
OF_MOLECULE = ("molecule-notest", "notest", "molecule-idempotence-notest")


def stages(run_tags: Sequence[str], skipped: Iterable[str], staged: bool = True) -> dict[str, list[str]]:
    """Return the stages that run and those that are left.

    Args:
        run_tags: what --tags gives, ``all`` where nothing was given.
        skipped: what --skip-tags gives; the tags that Molecule adds skip nothing.
        staged: whether the playbook has stages.

    Raises:
        ParameterError: a tag is none of a stage, or stages are skipped; either would end without having done anything.
    """
    asked, left_out = [tag for tag in run_tags if tag != ALL], [tag for tag in skipped if tag not in OF_MOLECULE]
    known = STAGES if staged else ()
    has = f"the stages of this playbook are {', '.join(STAGES)}" if staged else "this playbook has no stages"
    if left_out:
        instead = "give --tags with the last stage that is to run" if staged else "leave --skip-tags out"
        raise ParameterError(
            f"No cluster was asked: --skip-tags {','.join(left_out)} cannot be kept to, because {has}"
            f"{', and each builds on those before it' if staged else ''}; {instead}."
        )
    unknown = [tag for tag in asked if tag not in known]
    if unknown:
        instead = "name one of these" if staged else "leave --tags out"
        raise ParameterError(f"No cluster was asked: no task has the tag {', '.join(unknown)}: {has}; {instead}.")
    if not asked or ALL in run_tags:
        return {"run": [*known] or [ALL], "left": []}
    last = max(map(STAGES.index, asked))
    return {"run": [*STAGES[: last + 1]], "left": [*STAGES[last + 1 :]]}
