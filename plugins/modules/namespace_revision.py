#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.namespace_revision: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: namespace_revision
version_added: 1.0.0
short_description: Move namespaces to an Istio revision or tag, or restore their labels
description:
  - Sets the label C(istio.io/rev) of namespaces, so that their new pods get the proxy of a revision or tag.
  - A label C(istio-injection) is removed in the same patch, because it would take precedence over
    C(istio.io/rev). Injection is never interrupted.
  - The labels before and after each change, and the run that made it, are kept in the annotation
    C(meshops.istio/journal) of the namespace. O(state=restored) restores the exact labels from before.
  - Running pods keep their proxy. Restart them with M(meshops.istio.rollout_restart).
options:
  namespaces:
    description:
      - Namespaces to move. Each must exist.
      - A pattern such as V(pay-*) matches namespaces of the mesh, with O(enroll=true) also others.
      - Namespaces that Istio never injects into are refused, such as C(kube-system).
    type: list
    elements: str
    required: true
  revision:
    description:
      - Name of the revision or tag to move to. Required with O(state=present).
      - A name that no injection webhook owns is refused, because pods would then start without a proxy and without an
        error.
    type: str
  state:
    description:
      - V(present) moves the namespaces to O(revision).
      - V(restored) restores the labels from before a change by this module. The namespaces are independent. A namespace
        that was changed since, or whose previous revision is gone, keeps its labels and is returned in
        RV(not_restored). A namespace that no run changed keeps its labels.
    type: str
    choices: [present, restored]
    default: present
  run_id:
    description:
      - With O(state=restored), only the changes of this run are undone. V(current) is the run that the task itself
        belongs to. Without it the newest change of each namespace is undone, whichever run made it.
      - The record of a cluster names its last run, see RV(meshops.istio.istio_info#module:record).
    type: str
  skip_missing:
    description:
      - Whether a namespace that does not exist is left out with a warning and returned in RV(missing). With V(false)
        it fails the task with O(state=present) before any namespace is moved.
    type: bool
    default: false
  enroll:
    description:
      - Whether to move namespaces too that are not in the mesh or have opted out of it. New pods in them are then
        injected for the first time.
      - With V(false) such a namespace fails the task before any namespace is moved.
    type: bool
    default: false
  label_changes:
    description:
      - With V(run), the task changes the labels.
      - With V(git), another client changes them, such as a GitOps controller. The task shows the changes to make, and
        waits until each namespace leads to the revision that O(revision) resolves to, by whatever label. It writes
        nothing.
      - Only with O(state=present).
    type: str
    choices: [run, git]
    default: run
  git_timeout:
    description:
      - Seconds to wait with O(label_changes=git). Namespaces that have not moved by then are returned in
        RV(not_moved), and the task fails.
    type: int
    default: 1800
attributes:
  check_mode:
    support: full
    details: Returns the same moves that a real run would make now. With O(label_changes=git) it does not wait.
  diff_mode:
    support: full
    details: Shows the two labels of each namespace, before and after.
  idempotent:
    support: full
notes:
  - Before the first move, the target revision must be ready. Its Deployment C(istiod) must be rolled out, its webhook
    must have a C(caBundle), and a pod that is created as a server-side dry run must have the expected image. Otherwise
    no namespace is moved.
  - If the labels or policies of all namespaces prevent such a dry run, one namespace is moved first, and its own pod
    templates are asked for in it. If they show that the revision does not inject, its labels are restored and the task
    fails. If they cannot be asked for either, a warning says so.
  - The last five changes are recorded. After two moves by two runs, O(state=restored) undoes the second move, and
    another task with it the first one. A change is deleted from the record once M(meshops.istio.istio_revision) has
    removed the revision that it would be restored to.
  - Before the first move, each patch is sent as a server-side dry run, also in check mode. A namespace that an
    admission policy refuses, or whose labels a policy puts back, is not moved, and neither is one whose labels another
    client changes at the same moment. The others are moved, and the task fails with RV(not_moved).
  - A namespace that is being deleted is left out with a warning and returned in RV(missing).
  - A move is refused if configuration of these namespaces, or of the root namespace, would stop applying. That is
    configuration whose label C(istio.io/rev) names their previous revision. O(state=restored) only warns of it.
  - With O(state=restored) a namespace that does not exist any more is returned in RV(missing) and does not fail the
    task.
  - It never changes a pod or a workload, and no other label.
extends_documentation_fragment:
  - meshops.istio.attributes
  - meshops.istio.attributes.action
  - meshops.istio.attributes.action_group
  - meshops.istio.allow
  - meshops.istio.auth
  - meshops.istio.planned
seealso:
  - module: meshops.istio.rollout_restart
  - module: meshops.istio.istio_tag
  - module: meshops.istio.istio_info
  - name: Canary upgrades
    description: How the label C(istio.io/rev) selects a control plane.
    link: https://istio.io/latest/docs/setup/upgrade/canary/
author:
  - Meshops maintainers (@meshops)
"""

EXAMPLES = r"""
- name: Move namespaces to a new revision
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
      expected_cluster_id: "{{ cluster_id }}"
  tasks:
    - name: Let new pods of two namespaces get the proxy of revision 1-31-0
      meshops.istio.namespace_revision:
        namespaces:
          - shop
          - catalog
        revision: 1-31-0

    - name: Let a namespace follow a tag
      meshops.istio.namespace_revision:
        namespaces:
          - reports
        revision: prod

    - name: Add a namespace to the mesh
      meshops.istio.namespace_revision:
        namespaces:
          - legacy
        revision: prod
        enroll: true

- name: Undo a move
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
  tasks:
    - name: Restore the labels
      meshops.istio.namespace_revision:
        namespaces:
          - shop
          - catalog
        state: restored

    - name: Restart the stale workloads
      meshops.istio.rollout_restart:
        namespaces:
          - shop
          - catalog
"""

RETURN = r"""
actions:
  description: The executed steps, one sentence for each. In check mode the planned steps. Empty if there was nothing to
    do.
  returned: success
  type: list
  elements: str
  sample:
    - "move namespace shop: istio.io/rev=1-30-3 -> istio.io/rev=1-31-0"
    - "move namespace catalog: istio-injection=enabled -> istio.io/rev=1-31-0"
moved:
  description: Namespaces that were moved, in check mode namespaces that would be moved.
  returned: success
  type: list
  elements: str
  sample:
    - shop
    - catalog
not_restored:
  description: With O(state=restored), the namespaces that keep their labels although the run changed them.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Name of the namespace.
      type: str
      sample: shop
    message:
      description: Why it keeps its labels.
      type: str
      sample: "Namespace shop: it was changed since: run r3f9a1c22d left istio.io/rev=1-31-0, now it has
        istio.io/rev=prod"
    failed:
      description: Whether it should have been restored but could not be. False if it was changed since.
      type: bool
      sample: false
not_moved:
  description: With O(state=present), the namespaces that could not be moved. If there are any, the task fails.
  returned: when the cluster was read
  type: list
  elements: dict
  contains:
    namespace:
      description: Name of the namespace.
      type: str
      sample: shop
    message:
      description: Why it was not moved.
      type: str
      sample: "Namespace shop: the API server answered that it has istio-injection=enabled, istio.io/rev=1-31-0 instead
        of istio.io/rev=1-31-0, so an admission policy sets its labels; change the policy, or exclude the namespace"
waited_for:
  description: With O(label_changes=git), the namespaces that the task waited for. In check mode those that it would
    wait for. RV(moved) has those of them that lead to the revision now.
  returned: when the cluster was read
  type: list
  elements: str
  sample: []
missing:
  description: The namespaces that were left out because they do not exist any more or are being deleted.
  returned: success
  type: list
  elements: str
  sample: []
revision:
  description: The revision that O(revision) resolves to, which differs if O(revision) is a tag. Null with
    O(state=restored).
  returned: success
  type: str
  sample: 1-31-0
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
      description: The context, else the URL in O(host).
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
      sample: 8
    writes:
      description: Requests that changed an object. Always V(0) in check mode.
      type: int
      sample: 2
    dry_runs:
      description: Dry-run requests, whose result the API server does not store.
      type: int
      sample: 1
failure:
  description: The failure, for programs. In C(msg) it is a sentence for people.
  returned: failure
  type: dict
  contains:
    kind:
      description: Kind of the failure. V(ParameterError) is a wrong option, V(SafetyError) a refusal, V(ProofError) a
        revision that is not ready. Others are V(ClusterError), a cluster that cannot be reached or is not the
        expected one, and answers of the API server such as V(ForbiddenError).
      type: str
      sample: SafetyError
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

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.namespace_revision import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.module import run_module


def main() -> None:
    """Run the module."""
    run_module(CORE)


if __name__ == "__main__":
    main()
