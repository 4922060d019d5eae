#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.istio_run_record: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_run_record
version_added: 1.0.0
short_description: End a playbook run on a cluster
description:
  - Completes the record of the run in O(run), and releases the lock of the cluster.
  - A run that changed nothing has neither, so the module does nothing. There is one exception. If the previous run
    did not complete and this one did, this run replaces its record, because nothing is left to do.
  - Use it in an C(always) section, so that a failed run also unlocks its cluster.
  - With O(state=unlocked) it fails if another run holds the lock, and does nothing else.
options:
  state:
    description:
      - V(done) for a run that completed.
      - V(stopped) for a run that did not. If one of its tasks failed, the record already shows the reason.
      - V(unlocked) requires that no other run holds the lock, and ends nothing.
    type: str
    choices: [done, stopped, unlocked]
    default: done
attributes:
  check_mode:
    support: full
    details: Returns the record and ends nothing.
  diff_mode:
    support: none
  idempotent:
    support: full
notes:
  - It never reports a change, because the lock and the record are not part of the mesh.
extends_documentation_fragment:
  - meshops.istio.attributes
  - meshops.istio.attributes.action
  - meshops.istio.attributes.action_group
  - meshops.istio.auth
seealso:
  - module: meshops.istio.istio_info
author:
  - Meshops maintainers (@meshops)
"""

EXAMPLES = r"""
- name: Restart stale workloads while no other run works on the cluster
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
      run:
        strategy: restart
  tasks:
    - name: Hold the lock until the end
      block:
        - name: Restart
          meshops.istio.rollout_restart:
            namespaces: [shop, blog]
          register: restart
      always:
        - name: Release the lock
          meshops.istio.istio_run_record:
            state: "{{ 'done' if restart is succeeded else 'stopped' }}"
"""

RETURN = r"""
state:
  description: The given O(state).
  returned: success
  type: str
  sample: done
closed:
  description: Whether the run held the lock, which was released.
  returned: success
  type: bool
  sample: true
left_proxies:
  description:
    - Number of pods whose proxy does not run O(run.version), or is stale.
    - Null unless the run completed, changed the cluster and has a version.
  returned: success
  type: int
  sample: 0
left_namespaces:
  description:
    - Namespaces whose labels select a revision of another version than O(run.version).
    - Empty unless the run completed, changed the cluster and has a version.
  returned: success
  type: list
  elements: str
  sample: []
record:
  description: Record of the last run that changed the cluster. Null if there was none.
  returned: success
  type: dict
  contains:
    started_by:
      description: User and machine that started the run, or O(run.started_by).
      type: str
      sample: anna@deploy-1
    job:
      description: O(run.job) of the run.
      type: str
      sample: "42"
    strategy:
      description: O(run.strategy) of the run.
      type: str
      sample: canary
    version:
      description: O(run.version) of the run.
      type: str
      sample: 1.31.0
    revision:
      description: O(run.revision) of the run.
      type: str
      sample: 1-31-0
    state:
      description:
        - V(running), V(done), V(failed) or V(stopped).
        - The record of a killed run may stay V(running), without a lock.
      type: str
      sample: done
    phase:
      description: Last phase in which the run changed something.
      type: str
      sample: data_plane
    phases:
      description: Time of the first change in each phase.
      type: dict
      sample: {"control_plane": "2026-03-01T02:00:12Z", "data_plane": "2026-03-01T02:01:30Z"}
    message:
      description: Reason of the failure.
      type: str
      sample: ""
    started:
      description: Time of the first change of the run.
      type: str
      sample: "2026-03-01T02:00:12Z"
    updated:
      description: Time at which the record was last written.
      type: str
      sample: "2026-03-01T02:14:48Z"
    previous:
      description: Record of the previous run. Null if there was none.
      type: dict
      sample: null
cluster:
  description: The cluster that the task worked on.
  returned: when the connection options are usable
  type: dict
  contains:
    id:
      description: UID of the namespace C(kube-system). Empty if the cluster was not read.
      type: str
      sample: 8ee04046-6031-4913-8488-2210eae01ae8
    name:
      description: The context, else the URL that was given as O(host).
      type: str
      sample: paris-1
    server:
      description: URL of the API server.
      type: str
      sample: https://paris-1.example.com:6443
requests:
  description: Number of requests that the task sent to the API server.
  returned: when the connection options are usable
  type: dict
  contains:
    reads:
      description: Requests that read.
      type: int
      sample: 13
    writes:
      description: Requests that changed something. Always V(0) in check mode.
      type: int
      sample: 0
    dry_runs:
      description: Requests that the API server computed without storing the result.
      type: int
      sample: 1
failure:
  description: The failure, for programs. In C(msg) it is a sentence for people.
  returned: failure
  type: dict
  contains:
    kind:
      description: Kind of the failure. V(ParameterError) is a wrong option, V(ClusterError) a cluster that cannot be
        reached or is not the expected one, V(LockedError) one that another run works on. Others are answers of the
        API server such as V(ForbiddenError).
      type: str
      sample: ClusterError
    status:
      description: HTTP status.
      returned: when the API server answered with an error
      type: int
      sample: 403
    reason:
      description: Reason that the API server gave.
      returned: when the API server answered with an error
      type: str
      sample: Forbidden
"""

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_run_record import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.module import run_module


def main() -> None:
    """Run the module."""
    run_module(CORE)


if __name__ == "__main__":
    main()
