# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read the state of the fleet from the variables of a play: the terms of the lookup `fleet`."""

from __future__ import annotations

import dataclasses
import functools
import os
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible.parsing.dataloader import DataLoader
from ansible.utils.vars import load_extra_vars

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.fleet_plan import (
    RecordedRuns,
    plan_fleet,
    recorded_runs,
    up_to_date_clusters,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.rings import (
    Batch,
    FleetOrder,
    default_budget,
    describe_batch,
    order_clusters,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.scope import (
    Playbook,
    SelectedStages,
    groups_with_hosts,
    job_slice,
    play_values,
    playbook_named,
    stages_of_run,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.inventory_check import (
    CLUSTER_NAMES,
    find_problems,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import (
    FINALIZE_BY_DEFAULT,
    read_variable,
)

#: Variables of Ansible and of the plays.
RUN_TAGS = "ansible_run_tags"
SKIP_TAGS = "ansible_skip_tags"
PLAYBOOK = "__istio_playbook"
#: Facts that the playbooks leave on each cluster.
READING = "__istio_mesh"
PRECHECK = "precheck_result"
UP_TO_DATE = "__istio_up_to_date"
EXCLUDED = "__istio_excluded"


@dataclasses.dataclass(frozen=True)
class Fleet:
    """Read what the functions of domain/fleet need from the variables of a play, or of one of its hosts.

    Attributes:
        variables: the variables, not rendered.
        render: returns a rendered variable.
        select_hosts: returns the hosts that a pattern selects.
    """

    variables: Mapping[str, t.Any]
    render: Callable[[t.Any], t.Any]
    select_hosts: Callable[[t.Any], list[str]]

    def _read(self, name: str, default: t.Any) -> t.Any:
        return self.render(self.variables[name]) if name in self.variables else default

    @property
    def _playbook(self) -> Playbook:
        return playbook_named(str(self._read(PLAYBOOK, "")))

    def _typed(self, name: str) -> t.Any:
        """Return a documented variable in its type."""
        names = (name, FINALIZE_BY_DEFAULT)
        return read_variable(name, {key: self._read(key, None) for key in names if key in self.variables})

    def pattern(self) -> t.Any:
        """Return the pattern that selects the clusters, and refuse tags that the playbook does not have."""
        self._stages()
        return self._read("istio_hosts", "") or "all"

    def _selected(self) -> list[str]:
        return self.select_hosts(self.pattern())

    def _limited(self) -> set[str]:
        """Return the hosts within --limit."""
        return set(self.select_hosts(self._read("ansible_limit", "all")))

    def _skipped(self, clusters: Sequence[str], limited: set[str]) -> list[str]:
        """Return the clusters that are up to date, from the first cluster: all clusters of a run have this fact."""
        first = next((cluster for cluster in clusters if cluster in limited), None)
        if first is None or not self._typed("istio_skip_up_to_date"):
            return []
        return list(self._facts(first).get(UP_TO_DATE, ()))

    def _facts(self, cluster: str) -> Mapping[str, t.Any]:
        facts: Mapping[str, t.Any] = self.variables.get("hostvars", {}).get(cluster, {})
        return facts

    @functools.cached_property
    def _ordered(self) -> tuple[FleetOrder, list[str], list[str]]:
        """Return the order of the clusters, those that are up to date, and all clusters within --limit."""
        selected, limited = self._selected(), self._limited()
        skipped = self._skipped(selected, limited)
        groups = groups_with_hosts(self.variables["groups"]) if self.job_slice() else self.variables["groups"]
        order = order_clusters(selected, groups, limited - set(skipped), self._typed("istio_serial"))
        return order, skipped, [cluster for cluster in order["clusters"] if cluster in limited]

    def order(self) -> Json:
        """Return the order of the clusters."""
        order, skipped, limited = self._ordered
        return {
            **order,
            "up_to_date": skipped,
            "pending_clusters": [cluster for cluster in order["clusters"] if cluster not in skipped],
            "clusters_to_plan": [cluster for cluster in order["clusters"] if cluster not in skipped[1:]],
            "several": len(limited) > 1,
        }

    def batch(self) -> Batch:
        """Return the state of the fleet when the batch of the play begins."""
        order, skipped, dummy = self._ordered
        rings = order["ring_of_cluster"]
        return describe_batch(
            self.variables["ansible_play_batch"],
            all_clusters=self.variables["ansible_play_hosts_all"],
            active=self.variables["ansible_play_hosts"],
            budget=self._typed("istio_failure_budget") or default_budget(rings),
            ring_of_cluster=rings,
            excluded=self._read(EXCLUDED, ()),
            up_to_date=len(skipped),
        )

    def _results(self, fact: str) -> dict[str, Mapping[str, t.Any]]:
        """Return the result that a task has left on each cluster within --limit, in the order of the run."""
        dummy, dummy_skipped, clusters = self._ordered
        return {cluster: self._facts(cluster).get(fact, {}) for cluster in clusters}

    def plan(self) -> Json:
        """Return the plan of the run."""
        order, dummy, dummy_clusters = self._ordered
        return plan_fleet(
            self._results(READING),
            prechecks=self._results(PRECHECK),
            version=str(self._typed("istio_version")),
            tag=str(self._typed("istio_tag")),
            ring_of_cluster=order["ring_of_cluster"],
        )

    def recorded_runs(self) -> RecordedRuns:
        """Return the runs that a rollback may undo."""
        return recorded_runs(self._results(READING))

    def _left_on_hosts(self, fact: str) -> dict[str, Mapping[str, t.Any]]:
        """Return the result that a task has left on each host of the play."""
        return {host: self._facts(host).get(fact, {}) for host in self.variables["ansible_play_hosts_all"]}

    def readings(self) -> dict[str, Mapping[str, t.Any]]:
        """Return the result of meshops.istio.istio_info on each host of the play."""
        return self._left_on_hosts(READING)

    def prechecks(self) -> dict[str, Mapping[str, t.Any]]:
        """Return the result of meshops.istio.istio_precheck on each host of the play."""
        return self._left_on_hosts(PRECHECK)

    def up_to_date(self) -> list[str]:
        """Return the clusters on which the run would change nothing."""
        return up_to_date_clusters(self._results(READING))

    def job_slice(self) -> str:
        """Return the name of the job template that has cut the run into slices, or an empty text."""
        names = ("workflow_job_name", "job_template_name")
        return job_slice(*(str(self._read(f"awx_{name}", self._read(f"tower_{name}", ""))) for name in names))

    def _stages(self, *, finalizes: bool = True) -> SelectedStages:
        run_tags, skip_tags = self._read(RUN_TAGS, ["all"]), self._read(SKIP_TAGS, [])
        return stages_of_run(run_tags, skip_tags, has_stages=self._playbook.has_stages, finalizes=finalizes)

    def stages(self) -> SelectedStages:
        """Return the stages that --tags selects."""
        return self._stages(finalizes=self._typed("istio_finalize"))

    def inventory_problems(self) -> list[str]:
        """Return the problems of the variables of all clusters; -e was read once for the whole run."""
        hostvars = self.variables["hostvars"]
        own = hostvars[self.variables["inventory_hostname"]]
        named_by_play = any(f"istio_{name}" in self.variables and f"istio_{name}" not in own for name in CLUSTER_NAMES)
        return find_problems(
            {cluster: hostvars[cluster] for cluster in self.variables["ansible_play_hosts_all"]},
            None if named_by_play else {name: os.environ.get(f"K8S_AUTH_{name.upper()}", "") for name in CLUSTER_NAMES},
            {name: self._read(name, "") for name in play_values(own)} if self._playbook.upgrades else None,
            self._playbook.strategy,
            load_extra_vars(DataLoader()),
        )


TERMS: dict[str, Callable[[Fleet], t.Any]] = {
    "batch": Fleet.batch,
    "inventory_problems": Fleet.inventory_problems,
    "job_slice": Fleet.job_slice,
    "pattern": Fleet.pattern,
    "plan": Fleet.plan,
    "prechecks": Fleet.prechecks,
    "readings": Fleet.readings,
    "recorded_runs": Fleet.recorded_runs,
    "stages": Fleet.stages,
    "up_to_date": Fleet.up_to_date,
}
