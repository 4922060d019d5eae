# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbooks set themselves: given by somebody else, it would lead them astray.

What -e gives beats all that a playbook sets, so such a run would do something else than its name says.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import CATALOGUE, STRATEGY

#: Variables of plays and tasks, and the documented one that leads to what somebody who gives them may want.
SET: dict[str, str] = {
    "istio_accepted_codes": "istio_allow",
    "istio_batch": "istio_serial",
    "istio_budget": "istio_failure_budget",
    "istio_changed": "",
    "istio_chosen": "istio_hosts",
    "istio_cluster_options": "istio_kubeconfig and istio_context",
    "istio_done": "",
    "istio_downgrade_in_place": "istio_downgrade_strategy",
    "istio_faults": "",
    "istio_finalize_by_default": "istio_finalize",
    "istio_fleet": "",
    "istio_fleet_settled": "istio_skip_up_to_date",
    "istio_gate": "istio_fail_on",
    "istio_idle": "istio_skip_up_to_date",
    "istio_installs": "istio_installer",
    "istio_known": "istio_other_variables",
    "istio_left_revision": "istio_source_revision",
    "istio_left_stages": "",
    "istio_left_text": "",
    "istio_limited": "istio_hosts",
    "istio_made_plan": "",
    "istio_named_by_play": "istio_kubeconfig and istio_context",
    "istio_playbook": "",
    "istio_played": "",
    "istio_prechecks": "",
    "istio_readings": "",
    "istio_replaces": STRATEGY,
    "istio_results": "",
    "istio_ringed": "istio_hosts",
    "istio_rings": "istio_hosts",
    "istio_shown": "",
    "istio_skips": "istio_skip_up_to_date",
    "istio_sliced": "",
    "istio_soak": "istio_ring_soak",
    "istio_spent": "istio_failure_budget",
    "istio_stages": "",
    "istio_status": "",
    "istio_summary": "",
    "istio_taken": "",
    "istio_target_revision": "istio_revision",
    "istio_template": "",
    "istio_there": "",
    "istio_upgrades": "",
    "istio_verdict": "istio_fail_on",
    "istio_whole": "",
    "istio_workflow": "",
}
#: Facts that they leave at hosts, where another playbook of the same run may find them; so only -e tells somebody else.
LEFT: dict[str, str] = {
    "istio_completed": "istio_skip_up_to_date",
    "istio_ended": "",
    "istio_given": "the variables themselves",
    "istio_mesh": "",
    "istio_out": "istio_hosts",
    "istio_plan": "istio_skip_up_to_date",
    "istio_settled": "istio_skip_up_to_date",
}


def own_faults(clusters: Mapping[str, Mapping[str, t.Any]], extra: Mapping[str, t.Any], playbook: str) -> Iterator[str]:
    """Return a sentence for each variable that only the playbooks may set.

    Args:
        clusters: the variables of each cluster; those that a play sets are not among them.
        extra: what -e gives.
        playbook: the playbook whose strategy is its name; empty for one that takes any.
    """
    names = {name for variables in clusters.values() for name in SET.keys() & variables.keys()} | (
        LEFT.keys() & extra.keys()
    )
    for name in sorted(names):
        instead = {**SET, **LEFT}[name]
        yield f"Variable {name} is set by the playbooks themselves; " + (
            f"give {instead} instead." if instead else "leave it out."
        )
    strategy = extra.get(STRATEGY, playbook)
    if playbook and strategy != playbook:
        other = f"Run meshops.istio.{strategy} and remove" if strategy in CATALOGUE[STRATEGY].type else "Remove"
        yield f"{STRATEGY}={strategy} conflicts with playbook {playbook}. {other} the variable."
