# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup meshops.istio.fleet: documentation and start; the decisions are in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Order the clusters of a run, and read the state of the fleet
description:
  - Reads the groups of the inventory, C(--limit), C(--tags), the variables of the play, and the facts that the
    playbooks of this collection leave on hosts. The playbooks use it in C(hosts), in C(serial) and in their tasks.
  - A ring is an inventory group C(istio_ring_0), C(istio_ring_1) and so on. Clusters without a ring come last.
  - It fails for a ring without clusters, for a cluster in several rings, and for C(--tags) and C(--skip-tags) that do
    not select the first stages of the playbook.
options:
  _terms:
    description:
      - Parts to return. Without terms, the order of the clusters.
      - V(batch) is the state of the fleet when the batch of the play begins. Clusters that fail later count as soon as
        they fail.
      - V(inventory_problems) are the problems of the variables of all clusters.
      - V(job_slice) is the name of the job template of AWX that has cut the run into slices, or an empty text.
      - V(pattern) is the pattern that selects the clusters, for playbooks that only read.
      - V(plan) is the plan of the run, from the facts of all clusters.
      - V(recorded_runs) are the runs that a rollback may undo, from the facts of all clusters.
      - V(stages) are the stages that C(--tags) selects.
      - V(up_to_date) are the clusters on which the run would change nothing, from the facts of all clusters.
    type: list
    elements: str
    choices: [batch, inventory_problems, job_slice, pattern, plan, recorded_runs, stages, up_to_date]
seealso:
  - plugin: meshops.istio.variables
    plugin_type: lookup
  - plugin: meshops.istio.fleet_status
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Visit the clusters ring by ring
  hosts: "{{ lookup('meshops.istio.fleet').clusters }}"
  serial: "{{ lookup('meshops.istio.fleet').batch_sizes }}"
  gather_facts: false
  tasks:
    - name: Stop before the next batch once the failure budget is spent
      ansible.builtin.meta: end_play
      when: lookup('meshops.istio.fleet', 'batch').budget_spent
"""

RETURN = r"""
_raw:
  description: One value for each term. Without terms, the order of the clusters.
  type: list
  elements: raw
order:
  description: The value without terms.
  type: dict
  returned: without terms
  contains:
    clusters:
      description: The selected clusters, ring by ring.
      type: list
      elements: str
      sample: [test-1, paris-1, paris-2]
    batch_sizes:
      description: Sizes of the batches, for the keyword C(serial). No batch has clusters of two rings.
      type: list
      elements: raw
      sample: [1, 2]
    ring_of_cluster:
      description: Ring of each cluster. Empty for a cluster without a ring.
      type: dict
      sample: {test-1: istio_ring_0, paris-1: istio_ring_1, paris-2: istio_ring_1}
    up_to_date:
      description: The clusters that the run leaves alone because they are up to date.
      type: list
      elements: str
      sample: []
    pending_clusters:
      description: All other clusters.
      type: list
      elements: str
      sample: [test-1, paris-1, paris-2]
    clusters_to_plan:
      description: The pending clusters, and one cluster that is up to date.
      type: list
      elements: str
      sample: [test-1, paris-1, paris-2]
    several:
      description: Whether the run has more than one cluster.
      type: bool
      sample: true
batch:
  description: The value of the term V(batch).
  type: dict
  returned: for the term V(batch)
  contains:
    clusters:
      description: Number of clusters of the fleet.
      type: int
      sample: 5
    rings:
      description: Rings of the clusters of the batch.
      type: list
      elements: str
      sample: [istio_ring_1]
    is_first:
      description: Whether no cluster has begun before.
      type: bool
      sample: false
    begins_ring:
      description: Whether it is the first batch of its ring, and the ring is not the first one.
      type: bool
      sample: true
    failed:
      description: Clusters that have failed.
      type: list
      elements: str
      sample: []
    failure_budget:
      description: Number of clusters that may fail.
      type: int
      sample: 1
    budget_spent:
      description: Whether more clusters have failed.
      type: bool
      sample: false
    not_started:
      description: Clusters that have not begun.
      type: list
      elements: str
      sample: [paris-1, paris-2]
    hold:
      description: Why no cluster begins anything new. Empty while the failure budget is not spent.
      type: str
      sample: ""
plan:
  description: The value of the term V(plan), which is also the statistic C(istio_fleet_plan) of a run.
  type: dict
  returned: for the term V(plan)
  contains:
    clusters:
      description:
        - One entry for each cluster, in the order of the run. The C(state) is one of
          P(meshops.istio.fleet_status#filter), or V(refused) by its precheck.
        - A cluster with C(up_to_date) has nothing to do. Its record and one reading prove it.
      type: list
      elements: dict
      sample:
        - cluster: paris-1
          ring: istio_ring_1
          up_to_date: false
          state: half done
          reason: 9 of 28 proxies run 1.31.0
          versions: [1.30.3, 1.31.0]
          proxies: {1.30.3: 19, 1.31.0: 9}
          undo: ""
    counts:
      description: Number of clusters in each state that occurs.
      type: dict
      sample: {"half done": 1, "done": 4}
    findings:
      description: Findings of the prechecks, as P(meshops.istio.precheck_fleet#filter) returns them.
      type: list
      elements: dict
    duplicates:
      description: A sentence for each cluster with two names.
      type: list
      elements: str
      sample: []
    lines:
      description:
        - The same for people. For several clusters they include a line for each finding that is neither an error nor a
          warning, so that O(meshops.istio.istio_precheck#module:show=warning) can leave it out on each cluster.
      type: list
      elements: str
recorded_runs:
  description: The value of the term V(recorded_runs).
  type: dict
  returned: for the term V(recorded_runs)
  contains:
    known:
      description: Whether any cluster has recorded the run to undo.
      type: bool
      sample: true
    runs:
      description: All runs that clusters have recorded.
      type: list
      elements: str
      sample: [r3f9a1c22d]
stages:
  description: The value of the term V(stages).
  type: dict
  returned: for the term V(stages)
  contains:
    selected:
      description: The stages that run. V([all]) for a playbook without stages.
      type: list
      elements: str
      sample: [precheck, control_plane]
    skipped:
      description: The stages that C(--tags) leaves to another run.
      type: list
      elements: str
      sample: [data_plane, verify]
    message:
      description: Both in one sentence. Empty if no stage is skipped.
      type: str
"""

import dataclasses
import os
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.plan import (
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

Json = dict[str, t.Any]
# One name per line: the parser of plugin documentation warns about tuples.
#: Variables of Ansible and of the plays.
RUN_TAGS = "ansible_run_tags"
SKIP_TAGS = "ansible_skip_tags"
PLAYBOOK = "__istio_playbook"
#: Facts that the playbooks leave on each cluster.
READING = "__istio_mesh"
PRECHECK = "precheck_result"
UP_TO_DATE = "__istio_up_to_date"
EXCLUDED = "__istio_excluded"


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        """Return one value for each term, or the order of the clusters without terms.

        Raises:
            AnsibleError: there is no such term.
        """
        known = variables or {}
        inventory_hostnames = lookup_loader.get(
            "ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar
        )

        def select_hosts(pattern: t.Any) -> list[str]:
            return list(inventory_hostnames.run([pattern], variables=known))

        fleet = Fleet(known, self._templar.template, select_hosts)
        if not terms:
            return [fleet.order()]
        unknown = [term for term in terms if term not in TERMS]
        if unknown:
            raise AnsibleError(f"Unknown term {unknown[0]}; give {', '.join(TERMS)}, or no term.")
        return [TERMS[term](fleet) for term in terms]


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

    def _ordered(self) -> tuple[FleetOrder, list[str], list[str]]:
        """Return the order of the clusters, those that are up to date, and all clusters within --limit."""
        selected, limited = self._selected(), self._limited()
        skipped = self._skipped(selected, limited)
        groups = groups_with_hosts(self.variables["groups"]) if self.job_slice() else self.variables["groups"]
        order = order_clusters(selected, groups, limited - set(skipped), self._typed("istio_serial"))
        return order, skipped, [cluster for cluster in order["clusters"] if cluster in limited]

    def order(self) -> Json:
        """Return the order of the clusters."""
        order, skipped, limited = self._ordered()
        return {
            **order,
            "up_to_date": skipped,
            "pending_clusters": [cluster for cluster in order["clusters"] if cluster not in skipped],
            "clusters_to_plan": [cluster for cluster in order["clusters"] if cluster not in skipped[1:]],
            "several": len(limited) > 1,
        }

    def batch(self) -> Batch:
        """Return the state of the fleet when the batch of the play begins."""
        order, skipped, dummy = self._ordered()
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
        dummy, dummy_skipped, clusters = self._ordered()
        return {cluster: self._facts(cluster).get(fact, {}) for cluster in clusters}

    def plan(self) -> Json:
        """Return the plan of the run."""
        order, dummy, dummy_clusters = self._ordered()
        return plan_fleet(
            self._results(READING),
            prechecks=self._results(PRECHECK),
            version=str(self._typed("istio_version")),
            ring_of_cluster=order["ring_of_cluster"],
        )

    def recorded_runs(self) -> RecordedRuns:
        """Return the runs that a rollback may undo."""
        return recorded_runs(self._results(READING))

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
    "recorded_runs": Fleet.recorded_runs,
    "stages": Fleet.stages,
    "up_to_date": Fleet.up_to_date,
}
