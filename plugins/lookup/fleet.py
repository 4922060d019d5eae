# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup meshops.istio.fleet: documentation and start; plugin_utils/fleet reads the variables."""

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
      - V(prechecks) are the results of M(meshops.istio.istio_precheck) that the playbooks leave on all hosts of the
        play, and V(readings) those of M(meshops.istio.istio_info). On ansible-core before 2.19 they are marked as
        unsafe, so that no text of a cluster is evaluated as a template; some of its versions lose this mark in
        C(hostvars).
      - V(recorded_runs) are the runs that a rollback may undo, from the facts of all clusters.
      - V(stages) are the stages that C(--tags) selects.
      - V(up_to_date) are the clusters on which the run would change nothing, from the facts of all clusters.
    type: list
    elements: str
    choices:
      - batch
      - inventory_problems
      - job_slice
      - pattern
      - plan
      - prechecks
      - readings
      - recorded_runs
      - stages
      - up_to_date
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

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.loader import lookup_loader
from ansible.plugins.lookup import LookupBase

from ansible_collections.meshops.istio.plugins.plugin_utils.compat import lookup_errors, plain_texts
from ansible_collections.meshops.istio.plugins.plugin_utils.fleet import TERMS, Fleet


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        """Return one value for each term, or the order of the clusters without terms.

        Raises:
            AnsibleLookupError: there is no such term, or a variable has a wrong value.
        """
        known = variables or {}
        inventory_hostnames = lookup_loader.get(
            "ansible.builtin.inventory_hostnames", loader=self._loader, templar=self._templar
        )

        def select_hosts(pattern: t.Any) -> list[str]:
            return list(inventory_hostnames.run([pattern], variables=known))

        def render(value: t.Any) -> t.Any:
            return plain_texts(self._templar.template(value))

        fleet = Fleet(known, render, select_hosts)
        unknown = [term for term in terms if term not in TERMS]
        if unknown:
            raise AnsibleLookupError(f"Unknown term {unknown[0]}; give {', '.join(TERMS)}, or no term.")
        with lookup_errors():
            return [TERMS[term](fleet) for term in terms] if terms else [fleet.order()]
