#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.rollout_restart: its documentation and entry point; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_restart
version_added: 1.0.0
short_description: Restart workloads with a stale Istio proxy, in batches
description:
  - Restarts Deployments, StatefulSets, DaemonSets and Argo Rollouts whose pods do not run the Istio proxy that
    injection would add to them now.
  - Such a pod is stale. Its proxy has another revision or another image, or it has no proxy although injection would
    add one. With O(scope=all) workloads without a stale pod are restarted too.
  - Works as C(kubectl rollout restart) does, by the annotation C(kubectl.kubernetes.io/restartedAt) on the pod
    template. An Argo Rollout is restarted as C(kubectl argo rollouts restart) does, by its C(spec.restartAt), if it is
    V(Healthy) and can be read.
  - If an earlier run began to restart a workload, the task waits for that restart and does not repeat it.
  - Workloads are restarted in batches of O(batch_size) in the given O(order). Gateways come last, in separate batches.
  - A batch starts only when each PodDisruptionBudget has room for the pods that the batch takes down at once.
    Kubernetes does not check budgets during a rollout, so this module does.
  - The next batch starts only when the previous one has passed its gates. All its rollouts are complete, and all its
    pods run the expected proxy. O(gates) adds more checks.
  - The first failed batch stops the task, and O(on_failure) decides what happens then. A batch fails if the cluster
    shows a problem of the proxy or its revision. The proxy of a new pod does not start or does not become ready, a
    webhook or a quota refuses pods, a rollout completes with another proxy than the expected one, a gate is not passed,
    or a rollout makes no progress and nothing proves that the workload itself is the cause.
  - A workload that fails independently of the revision does not fail its batch. This is the case when its container
    crashes beside a proxy that is ready, when its image cannot be pulled or its configuration is missing, when no node
    can run its pods, when an old pod still exists long after its grace period, when another client pauses or changes
    the workload meanwhile, when the API server refuses its change, and when its budget has no room.
    O(on_workload_failure) decides what happens to it. The other workloads continue, and the task fails at its end.
  - If many workloads fail like this at the same time, it is not a coincidence, because a proxy can break applications
    too. The batch has failed if more than one workload and more than a quarter of those in the batch, or of all so far,
    have failed after their restart.
  - A crash loop, or an image that cannot be pulled, counts when it lasts for 15 seconds or after three restarts, and a
    refused pod after 3 seconds, because a database may start later and a registry may be busy.
  - If another client deletes or replaces a workload meanwhile, the task waits for it no longer and names it in
    RV(deleted_meanwhile).
  - For pods that were not ready before the restart of their workload, such as a pod of a DaemonSet on a dead node, the
    task waits 15 seconds longer than for the others. If they are down as before then, RV(still_unavailable) and a
    warning name them. A proxy that is not ready never counts as down before.
  - Objects that cannot be read while a batch runs are read again. If they still cannot be read, the task fails but
    undoes nothing, because no problem of the restarted workloads is known.
  - Gateways and waypoints of the Gateway API are not restarted, because C(istiod) replaces them as soon as their
    Gateway belongs to another revision. The task waits for them before the first batch, within O(batch_timeout), and
    returns them in RV(managed_gateways). If one is not replaced, the task fails before it restarts anything, as a batch
    would.
  - Pods that no rollout replaces are returned in RV(unrestartable), each with a remedy, and are left alone.
  - With O(percent) a percentage of the workloads that select a revision by labels of their pods is moved to O(revision)
    too. The change of the label restarts them, in the same batches and with the same gates.
options:
  namespaces:
    description:
      - Namespaces to restart workloads in, as names or patterns such as V(pay-*). Nothing in other namespaces is
        restarted.
      - With an empty list the task only checks the options and reads nothing.
    type: list
    elements: str
    required: true
  scope:
    description:
      - V(stale) restarts workloads with at least one stale pod.
      - V(all) restarts every workload that has replicas, stale or not. Every run then restarts them again.
    type: str
    choices: [stale, all]
    default: stale
  kinds:
    description:
      - Restart only workloads of these kinds. The default is all kinds.
    type: list
    elements: str
    choices: [Deployment, StatefulSet, DaemonSet, Rollout]
    default: []
  names:
    description:
      - Restart only workloads with one of these names. An entry is C(NAME) or C(KIND/NAME). In C(NAME), V(*) stands for
        any characters and V(?) for one.
      - If an entry matches no workload of the O(namespaces), stale or not, the task fails before it restarts anything.
    type: list
    elements: str
    default: []
  label_selector:
    description:
      - Restart only workloads whose own labels match, in the syntax of C(kubectl --selector), such as
        V(app=web,tier in (front,back),!legacy). Labels of their pods do not count.
    type: str
  field_selector:
    description:
      - Restart only workloads whose fields match, in the syntax of C(kubectl --field-selector), such as
        V(metadata.name!=web). As at the API server, the fields are C(metadata.name) and C(metadata.namespace).
    type: str
  percent:
    description:
      - Percentage of the selected workloads that are to select O(revision), by the label C(istio.io/rev) of their pods.
        The others get back the label that they had before. V(0) moves all of them back. Only workloads that are moved
        to the revision or back are restarted then.
      - The percentage counts workloads that select their revision themselves. Their namespace has neither the label
        C(istio.io/rev) nor C(istio-injection), and their pods have a proxy because of the pod label C(istio.io/rev) or
        C(sidecar.istio.io/inject=true). Other workloads are not counted and not moved. If a namespace has one of the
        two labels, the task fails before it writes anything, because Istio ignores the labels of pods there. Move such
        a namespace with M(meshops.istio.namespace_revision).
      - The percentage applies to each namespace separately and is rounded up, so that V(10) moves one of two workloads
        and two of eleven. The workloads with the lowest SHA-256 of C(NAMESPACE/KIND/NAME) are moved, gateways after all
        others. So each run and each cluster selects the same workloads, and a larger percentage contains every smaller
        one. A new workload may take the place of one other workload.
      - The annotation C(meshops.istio/journal) of the workload keeps the label before and after, and the run that
        changed it. A smaller percentage restores the label exactly and removes the entry. A workload whose label was
        changed since keeps it, and is returned in RV(unrestartable).
      - Workloads that cannot be moved are not counted and are returned in RV(unrestartable). These are Argo Rollouts,
        because a change of their template is an update with separate steps, workloads whose selector contains
        C(istio.io/rev), and workloads that are paused, have a partition or use V(OnDelete).
    type: int
  revision:
    description:
      - Revision or tag that O(percent) moves workloads to. Required if O(percent) is above V(0).
      - Only workloads that select this revision are moved back. Without it V(0) moves back all workloads that were
        moved.
    type: str
  source_revision:
    description:
      - With O(percent), only count workloads that select this revision, by its name, a tag or as the default, or that
        did before they were moved.
    type: str
  run_id:
    description:
      - With O(percent=0), only undo the changes of this run of a playbook. V(current) is the run that the task belongs
        to. Without it the newest change of each workload is undone, whichever run made it.
    type: str
  batch_size:
    description:
      - Number of workloads that are restarted together, such as V(10), or a percentage of the workloads to restart,
        such as V(10%). Percentages are rounded down, but not below one.
    type: str
    default: "10"
  max_pods:
    description:
      - Maximum number of pods in the workloads of one batch, over the whole cluster.
      - A workload with more pods is restarted alone, and a warning names it.
    type: int
  max_unavailable:
    description:
      - Maximum number of pods of one namespace that a batch takes down at the same time, or a percentage of the pods
        that all workloads of the namespace should have. Percentages are rounded down, but not below one.
      - Only pods count that the rollouts of a batch take down by their update strategies before the new pods are ready,
        as for a PodDisruptionBudget. Pods that are down for another reason do not count.
      - A single workload that takes down more pods, such as a Deployment with strategy V(Recreate), is restarted
        without other workloads of its namespace that take down pods, and a warning names it.
    type: str
  order:
    description:
      - Order of the workloads. V(name) sorts by namespace, kind and name.
      - V(smallest) starts with the workloads that have the fewest replicas.
      - V(annotation) sorts by the annotation C(meshops.istio/restart-order) of the workloads, a whole number, lowest
        first. Without the annotation a workload has V(0). A batch then contains only workloads with the same number.
      - Gateways come last in any order.
    type: str
    choices: [name, smallest, annotation]
    default: name
  pause:
    description:
      - Seconds to wait between two batches.
    type: int
    default: 0
  not_after:
    description:
      - End of the maintenance window. No batch starts after it. The task still waits for a batch that has started.
      - A time of the day in UTC, such as V("22:30"), in quotes because YAML reads it as a number otherwise. The nearest
        such time is used. If it is more than twelve hours ahead, it has passed.
      - Or a timestamp with its offset, such as V(2026-03-01T02:30:00Z).
      - A task that stops at the end of the window does not fail. RV(stopped_early) is set, RV(remaining) lists the
        remaining workloads, a warning names the reason, and the next run continues.
    type: str
  deadline:
    description:
      - Maximum seconds for the whole task. A batch that would start later does not start, and the task fails.
      - Restarted workloads keep their new pods then, with any O(on_failure), because they have no problem.
    type: int
  batch_timeout:
    description:
      - Maximum seconds for which the rollout of a workload makes no progress, as C(progressDeadlineSeconds) counts
        them. A pod of the new template, a new pod that becomes ready and an old pod that ends are progress, each once.
        After this time the workload has failed.
      - So a rollout may take this time once for each of its pods, and no longer. If the pods of a workload took more
        than half of it to become ready before, the workload has twice the time that they took. The grace period of an
        old pod does not count.
    type: int
    default: 300
  budget_timeout:
    description:
      - Maximum seconds to wait before each batch until the PodDisruptionBudgets have room. After this time the
        workloads without room have failed, independently of the revision.
      - If a budget can never have room for a workload, because it allows too few pods down even while all are healthy,
        the task does not wait. The workload is left out, and returned in RV(unrestartable) with code V(no_room), in
        check mode too.
      - Finding V(MU023) of M(meshops.istio.istio_precheck) lists the workloads without room beforehand.
    type: int
    default: 120
  on_failure:
    description:
      - Action after a failed batch.
      - V(rollback) restores the earlier pod template of all workloads that this task restarted or moved, and waits for
        their rollouts. The template of an Argo Rollout does not change by a restart. It is restarted once more, so that
        its pods get the proxy that the labels select by then.
      - V(hold) leaves everything as it is for inspection.
    type: str
    choices: [rollback, hold]
    default: rollback
  on_workload_failure:
    description:
      - Action for a workload that fails independently of the revision.
      - V(rollback) restores the earlier pod template of that workload. Labels of its namespace stay, so that the next
        run restarts it again.
      - V(hold) leaves the workload as it is.
      - With both the others continue, successful restarts are kept, and the task fails at its end with
        RV(failure.caused_by) V(workloads).
      - V(stop) counts the workload as a failed batch, so that O(on_failure) decides about all of them.
      - The default is the value of O(on_failure). A single broken application does not justify to restart healthy ones
        twice more on each run.
    type: str
    choices: [rollback, hold, stop]
  broken_workloads:
    description:
      - Action for workloads that were broken before. Such a workload has pods, and none of them is ready.
      - V(last) restarts them after the others, in separate batches. Pods that are down as before then do not fail the
        task. RV(still_unavailable) names them.
      - V(leave) does not restart them. RV(unrestartable) names them with code V(broken_before), and a warning too. If a
        pod of them is created again, it gets the proxy that injection adds by then.
      - A restart that an earlier task began goes on with both.
    type: str
    choices: [last, leave]
    default: last
  skip_missing:
    description:
      - Whether a namespace that does not exist is left out with a warning. With V(false) it fails the task. A namespace
        that is being deleted is always left out with a warning.
    type: bool
    default: false
  restore_labels:
    description:
      - With O(on_failure=rollback), also restore the labels that the O(namespaces) had before the run of this task
        moved them by M(meshops.istio.namespace_revision). Without O(run) this undoes the newest move of
        O(planned.namespaces), or of all namespaces if it is empty.
      - A namespace that must not be restarted, such as one into which the expected revision is not proven to inject,
        then fails alone, with any O(on_failure). Its labels are restored before anything is restarted, the others are
        restarted, and the task fails at its end with RV(failure.caused_by) V(namespaces). If nothing can be restarted,
        all labels are restored.
      - Set it if the namespaces were moved for this restart. Otherwise pods that are created during the rollback
        get their proxy from the new revision again.
    type: bool
    default: false
  gates:
    description:
      - Further checks that each batch has to pass before the next one starts. A gate that is not passed fails the
        batch.
    type: dict
    suboptions:
      soak:
        description:
          - Seconds for which all pods of the batch must stay ready. A pod that restarts or is no longer ready fails the
            batch immediately.
        type: int
        default: 0
      istiod:
        description:
          - The control plane of the new pods must be rolled out and inject the expected proxy, which a dry run proves.
        type: bool
        default: false
      connected:
        description:
          - Every new proxy must be connected to the expected revision, and reject no configuration. The task
            queries all istiods in the cluster through a port-forward.
        type: bool
        default: false
      http:
        description:
          - URLs that must answer as expected. The requests come from the host of this task and use the proxies of its
            environment. Redirects are not followed.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description:
              - The URL. A user and password in it are sent as basic authentication, special characters written with
                percent signs. Results hide them, and also values of the query string whose name or form is that of a
                secret. O(gates.http[].password) is the better place.
            type: str
            required: true
          status:
            description: The expected HTTP statuses.
            type: list
            elements: int
            default: [200]
          timeout:
            description: Maximum seconds until the whole answer has arrived.
            type: int
            default: 10
          ca_path:
            description: File of certificates to trust instead of the system's. Certificates are always verified.
            type: path
          username:
            description: User for basic authentication, with O(gates.http[].password).
            type: str
          password:
            description: Password for basic authentication.
            type: str
      prometheus:
        description:
          - Instant queries whose samples must all compare as given. An empty result or C(NaN) proves nothing and does
            not pass.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description: Base URL of the Prometheus server or of a compatible service. C(/api/v1/query) is added.
            type: str
            required: true
          query:
            description: The query, in PromQL. Its result must be a scalar or an instant vector.
            type: str
            required: true
          compare:
            description: How a sample is compared with O(gates.prometheus[].value).
            type: str
            choices: ['<', '<=', '==', '!=', '>=', '>']
            required: true
          value:
            description: The value that a sample is compared with.
            type: float
            required: true
          token:
            description: Bearer token.
            type: str
          timeout:
            description: Maximum seconds until the whole answer has arrived.
            type: int
            default: 10
          ca_path:
            description: File of certificates to trust instead of the system's. Certificates are always verified.
            type: path
          username:
            description: User for basic authentication, with O(gates.prometheus[].password).
            type: str
          password:
            description: Password for basic authentication.
            type: str
      timeout:
        description:
          - Maximum seconds until each of the gates O(gates.istiod), O(gates.connected), O(gates.http) and
            O(gates.prometheus) must be passed. They are queried every second, because a proxy needs a moment to connect
            and a metric to be collected.
        type: int
        default: 60
  log_lines:
    description:
      - Number of last lines of a broken container's log that RV(failure) returns as evidence of a failed batch. They
        are never printed as progress and never part of C(msg).
      - A log may contain secrets. V(0) leaves the lines out, and C(no_log) on the task hides the whole result.
    type: int
    default: 10
  allow:
    description:
      - Codes of findings that do not refuse a move by O(percent). The only one is V(MU053), configuration that would
        stop applying because its label C(istio.io/rev) names the previous revision.
      - See M(meshops.istio.istio_precheck) for the codes.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    details: Returns the same workloads and batches that a real run would restart now.
  diff_mode:
    support: full
    details: Shows the number of stale pods of each workload, and the revision label of moved workloads, before and
      after.
  idempotent:
    support: partial
    details: With O(scope=stale), a second run finds no stale pods and writes nothing. With O(scope=all) every run
      restarts the workloads.
notes:
  - Nothing is restarted if a new pod would be rejected, or would lose its proxy because its namespace names a
    revision or tag that does not exist, or C(istio-injection=enabled) while no default is active.
  - With O(scope=all) nothing is restarted either if a pod would lose its proxy for any other reason, except that its
    namespace has C(istio-injection=disabled) or the pod itself has C(sidecar.istio.io/inject=false).
  - Nothing is restarted either if the revision that the pods would get is not proven to work. Its Deployment C(istiod)
    must be rolled out, its webhook must have a C(caBundle), and a pod created as a server-side dry run must come back
    with the expected image.
  - Before the first restart, each namespace is checked in the same way. A pod with the labels of one of its workloads
    must come back with a proxy of the expected revision.
  - If another client changes a pod template after its restart, that rollout replaces the rollout of this task. The task
    waits for it, and it has to pass the gates too. It is named in RV(changed_meanwhile), and is never rolled back.
  - Pods are observed by one watch. Without the right to watch pods they are listed every few seconds. Without the
    right to read events and logs, refused pods of a StatefulSet or DaemonSet are found only by O(batch_timeout), and
    the evidence is shorter.
  - After a run that was stopped or failed, run it again. It restarts workloads that are still stale and were not begun.
    With O(scope=all) it cannot know which workloads the earlier run had finished, and restarts them again.
  - A restart counts as begun if the template has the stamp of a restart, and none of the stale pods has it.
  - The support of Argo Rollouts was tested with recorded and simulated objects, not with their controller.
  - The module changes no label of a namespace, unless O(restore_labels) is set and a batch failed, and no label of pods
    without O(percent).
  - Another client that writes the pod template, such as a GitOps controller, removes the label of O(percent) again.
  - If another client sets back the labels of a namespace, or the tag, that the run has moved, nothing more is restarted
    in the namespaces that follow, because a restart would only follow the old label. The labels are read again before
    each batch after the first and at the end. RV(failure.failed_namespaces) names these namespaces and the writer.
  - The module deletes a pod in one case only. When a StatefulSet is rolled back, its new pods that are not ready are
    deleted, because Kubernetes does not replace them.
extends_documentation_fragment:
  - meshops.istio.attributes
  - meshops.istio.attributes.action
  - meshops.istio.attributes.action_group
  - meshops.istio.auth
  - meshops.istio.planned
seealso:
  - module: meshops.istio.namespace_revision
  - module: meshops.istio.istio_info
  - module: meshops.istio.istio_precheck
  - name: Disruptions
    description: The disruptions that a PodDisruptionBudget limits, and those that it does not.
    link: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
  - name: Canary upgrades
    description: Why workloads are restarted after a new revision is installed.
    link: https://istio.io/latest/docs/setup/upgrade/canary/
author:
  - Meshops maintainers (@meshops)
"""

EXAMPLES = r"""
- name: Bring the proxies of three namespaces up to date
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
      expected_cluster_id: "{{ cluster_id }}"
  tasks:
    - name: Restart stale workloads, at most five at a time
      meshops.istio.rollout_restart:
        namespaces:
          - shop
          - payments
        batch_size: 5
      register: restarted

    - name: Show pods that cannot be restarted
      ansible.builtin.debug:
        msg: "{{ item.kind }} {{ item.namespace }}/{{ item.name }}: {{ item.reason }}; {{ item.remedy }}"
      loop: "{{ restarted.unrestartable }}"
      loop_control:
        label: "{{ item.namespace }}/{{ item.name }}"

    - name: Restart a tenth of the rest at a time, small ones first, until the maintenance window ends
      meshops.istio.rollout_restart:
        namespaces:
          - search
        label_selector: tier in (front,back),!legacy
        batch_size: 10%
        max_pods: 50
        max_unavailable: 20%
        order: smallest
        pause: 60
        not_after: "04:00"

    - name: Restart the gateways one by one, with time for budgets to make room
      meshops.istio.rollout_restart:
        namespaces:
          - ingress
        batch_size: 1
        batch_timeout: 600
        budget_timeout: 900

    - name: Restart with gates after each batch
      meshops.istio.rollout_restart:
        namespaces:
          - payments
        batch_size: 2
        gates:
          soak: 30
          istiod: true
          connected: true
          http:
            - url: https://payments.example.com/healthz
          prometheus:
            - url: https://prometheus.example.com
              query: >-
                sum(rate(istio_requests_total{destination_service_namespace="payments",response_code=~"5.."}[1m]))
                / sum(rate(istio_requests_total{destination_service_namespace="payments"}[1m]))
              compare: "<"
              value: 0.01
              token: "{{ prometheus_token }}"

    - name: Move a tenth of the workloads that select their revision by pod labels
      meshops.istio.rollout_restart:
        namespaces:
          - tools
        revision: 1-31-0
        percent: 10
        gates:
          soak: 60

    - name: Later move all of them back to their previous revision
      meshops.istio.rollout_restart:
        namespaces:
          - tools
        percent: 0

# Run this with --check --diff first: it lists the workloads and batches, and changes nothing.
- name: Move one namespace and restart it, or undo both
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
  tasks:
    - name: Select the new revision for new pods of the namespace
      meshops.istio.namespace_revision:
        namespaces:
          - search
        revision: 1-31-0

    - name: Restart its workloads, and undo the move too if a batch fails
      meshops.istio.rollout_restart:
        namespaces:
          - search
        restore_labels: true
        # In check mode the previous task has moved nothing, so list the changes that it would have made.
        planned:
          revision: 1-31-0
          namespaces:
            - search
"""

RETURN = r"""
actions:
  description: The changes, one phrase for each. In check mode the changes that the task would make. Empty if there are
    none.
  returned: success
  type: list
  elements: str
  sample:
    - "restart Deployment shop/cart (2 stale pods)"
    - "restart Deployment shop/web (3 stale pods)"
restarted:
  description: Workloads that were restarted, in their order. In check mode those that the task would restart.
  returned: success
  type: list
  elements: str
  sample:
    - Deployment catalog/browse
    - Deployment shop/cart
    - Deployment shop/web
resumed:
  description: Workloads whose restart an earlier run had begun. The task waited for it, and it passed the same gates.
  returned: success
  type: list
  elements: str
  sample: []
moved:
  description: Workloads that were moved, with the revision label of their pods before and after. RV(restarted) lists
    them too.
  returned: success
  type: list
  elements: dict
  contains:
    workload:
      description: The workload.
      type: str
      sample: Deployment tools/wiki
    before:
      description: Label C(istio.io/rev) of its pods before, or null if they had none.
      type: str
      sample: 1-30-3
    after:
      description: The label now, or null if it was removed.
      type: str
      sample: 1-31-0
  sample: []
movable_workloads:
  description: With O(percent), the namespaces with workloads that select their revision by pod labels and can be moved.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: The namespace.
      type: str
      sample: tools
    workloads:
      description: Number of such workloads.
      type: int
      sample: 11
    selected:
      description: Workloads that O(percent) selects.
      type: list
      elements: str
      sample: [Deployment tools/forum, Deployment tools/wiki]
  sample: []
batches:
  description: The workloads of RV(restarted) and RV(resumed), batch by batch.
  returned: success
  type: list
  elements: list
  sample:
    - [Deployment catalog/browse, Deployment shop/cart]
    - [Deployment shop/web]
plan:
  description:
    - All batches as planned before the first one, also those that were not started.
    - Check mode also shows them as live lines, with the workloads that cannot be restarted.
  returned: success
  type: list
  elements: dict
  contains:
    workloads:
      description: The workloads of the batch.
      type: list
      elements: str
      sample: [Deployment shop/cart, Deployment shop/web]
    gateways:
      description: Whether they are gateways.
      type: bool
      sample: false
    pods:
      description: Number of pods that they have together.
      type: int
      sample: 5
    takes_down:
      description: Number of these pods that the update strategies take down at once.
      type: int
      sample: 2
    budgets:
      description: The PodDisruptionBudgets that count their pods.
      type: list
      elements: dict
      contains:
        name:
          description: Namespace and name.
          type: str
          sample: shop/web
        allowed:
          description: Number of pods that may be down in addition to those that are down now.
          type: int
          sample: 1
        takes_down:
          description: Number of pods that the batch takes down. If it is more than allowed, the batch waits up to
            O(budget_timeout).
          type: int
          sample: 1
    expected_seconds:
      description:
        - Approximate duration of the batch. It is computed from how long the running pods took to become ready, how
          many pods the update strategies replace at a time, C(minReadySeconds) and the soak time of O(gates).
        - The batch takes longer if pods take long to end before their successors start, if an image has to be pulled,
          and on a busy cluster. None of these is known before.
        - Null if no pod of the batch is ready, so that no duration is known.
      type: int
      sample: 12
not_after:
  description: End of the maintenance window in UTC, or an empty string without O(not_after).
  returned: success
  type: str
  sample: "2026-03-01T02:30:00Z"
stopped_early:
  description: Whether the maintenance window ended before the last batch.
  returned: success
  type: bool
  sample: false
remaining:
  description: Workloads that were not restarted for that reason. The next run continues with them.
  returned: success
  type: list
  elements: str
  sample: []
changed_meanwhile:
  description: Workloads whose pod template another client changed after the restart, and that client. The task waited
    for their rollout, which had to pass the same gates.
  returned: success
  type: list
  elements: str
  sample: ["Deployment shop/web, by kubectl-edit"]
deleted_meanwhile:
  description: Workloads that another client deleted or replaced meanwhile. The task waited for them no longer, and
    RV(restarted) does not list them.
  returned: success
  type: list
  elements: str
  sample: []
still_unavailable:
  description: Workloads that were restarted, and some of whose pods are not ready and were not ready before. Whether
    these pods would work is not known.
  returned: success
  type: list
  elements: dict
  contains:
    workload:
      description: The workload.
      type: str
      sample: DaemonSet shop/agent
    pods:
      description: Its pods that are down as before, with the reason.
      type: list
      elements: str
      sample: ["pod agent-x2x8k on node n7, Terminating"]
managed_gateways:
  description: Gateways and waypoints of the Gateway API whose revision has changed with the labels of their namespace
    or with a tag. C(istiod) of that revision has replaced their pods. In check mode, it would replace them.
  returned: success
  type: list
  elements: dict
  contains:
    gateway:
      description: The Deployment that C(istiod) made for the Gateway.
      type: str
      sample: Deployment edge/public-istio
    before:
      description: The revision of its pods before.
      type: str
      sample: 1-30-3
    revision:
      description: The revision whose C(istiod) owns the Gateway now.
      type: str
      sample: 1-31-0
    pods:
      description: The number of its pods.
      type: int
      sample: 2
unrestartable:
  description: Pods that are stale, or whose image is pinned, and that a rollout does not update, and workloads that
    have no pods now. With O(percent) also workloads that select their revision by pod labels and cannot be moved. One
    entry for each owner and reason.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the owner.
      type: str
      sample: batch
    kind:
      description: Kind of the topmost owner, or V(Pod) for a pod without owner.
      type: str
      sample: Job
    name:
      description: Name of the owner.
      type: str
      sample: reindex
    pods:
      description: Number of its pods that are affected.
      type: int
      sample: 1
    code:
      description:
        - Why a rollout does not update the pods. One of V(bare_pod), V(job), V(cron_job), V(replica_set),
          V(argo_rollout), V(pod_owner), V(ends_by_itself), V(custom_owner), V(paused),
          V(on_delete), V(partition), V(pinned_image), V(scaled_to_zero),
          V(no_room) (a budget that never allows so many pods down), V(broken_before) with
          O(broken_workloads=leave), and with O(percent), V(selector), V(unreadable),
          V(changed_since) and V(previous_revision_gone).
      type: str
      sample: job
    reason:
      description: The reason as a sentence.
      type: str
      sample: a Job never replaces a running pod
    remedy:
      description: The remedy.
      type: str
      sample: wait until it ends, or delete and create the Job
seconds:
  description: Duration of the task.
  returned: success
  type: float
  sample: 41.8
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
      sample: 20
    writes:
      description: Requests that changed something. Always V(0) in check mode.
      type: int
      sample: 4
    dry_runs:
      description: Requests that the API server computed without storing the result.
      type: int
      sample: 1
failure:
  description: The failure as data. C(msg) has it as sentences.
  returned: failure
  type: dict
  contains:
    kind:
      description: Kind of the failure. V(ParameterError) is a wrong option, V(SafetyError) a refusal, V(ProofError) a
        revision that is not proven, V(RolloutError) a failed batch or a deadline. Others are V(ClusterError), a cluster
        that cannot be reached or is not the expected one, and answers of the API server such as V(ForbiddenError).
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
    caused_by:
      description: The cause of the failure. V(revision) is a failed batch. V(workloads) are workloads that failed
        independently of the revision, while all others succeeded or with O(on_workload_failure=stop). V(cluster) is a
        cluster that could not be read or written any more, and V(time) the deadline. V(namespaces) are namespaces that
        failed alone, while all others succeeded.
      returned: when restarts had begun
      type: str
      sample: workloads
    namespace:
      description: The namespace whose new pods would be rejected, or would lose their proxy.
      returned: when that is the reason of a refusal
      type: str
      sample: shop
    failed_namespaces:
      description: Namespaces that failed alone, each with the reason, such as labels that another client has set back.
      returned: when there are such namespaces
      type: dict
      sample:
        shop: "namespace shop: run r3f9a1c22d moved it to istio.io/rev=1-31-0, and argocd-controller has set it back:
          now it has istio-injection=enabled"
    failed_workloads:
      description: Workloads that failed independently of the revision, with their evidence in RV(failure.evidence).
      returned: when restarts had begun
      type: list
      elements: str
      sample: ["Deployment shop/cart"]
    deleted_meanwhile:
      description: Workloads that another client deleted or replaced meanwhile.
      returned: when restarts had begun
      type: list
      elements: str
      sample: []
    stopped_early:
      description: Whether the maintenance window ended before the last batch.
      returned: when workloads failed and all batches were passed
      type: bool
      sample: false
    evidence:
      description: The problems, one entry for each workload or pod. Logs and events that cannot
        be read have one line that says why.
      returned: when a batch failed
      type: list
      elements: dict
      contains:
        workload:
          description: The workload.
          type: str
          sample: Deployment shop/web
        pod:
          description: The pod. Empty if the problem concerns the workload.
          type: str
          sample: web-6d9c7b5f4-x2x8k
        container:
          description: The container, if the problem concerns one.
          type: str
          sample: web
        reason:
          description: The reason in one word, mostly the reason that Kubernetes reports.
          type: str
          sample: CrashLoopBackOff
        message:
          description: The message of the cluster.
          type: str
          sample: back-off 10s restarting failed container
        log:
          description: The last O(log_lines) lines of the container's log, for the first five entries. After a crash
            these are lines of the execution that crashed.
          type: list
          elements: str
          sample: ["cannot connect to the database"]
        events:
          description: The newest warnings about the pod or workload, for the first five entries.
          type: list
          elements: str
          sample: ["BackOff: Back-off restarting failed container web"]
    changed_meanwhile:
      description: Workloads whose pod template another client changed after the restart, and that client. They are not
        rolled back.
      returned: when a batch failed
      type: list
      elements: str
      sample: []
    remaining:
      description: Workloads that were not restarted.
      returned: when restarts had begun
      type: list
      elements: str
      sample:
        - Deployment shop/web
    completed_before:
      description: Workloads that had passed all gates before.
      returned: when a batch failed
      type: list
      elements: str
      sample:
        - Deployment catalog/browse
        - Deployment shop/cart
    rolled_back:
      description: Whether all restarts were undone that had to be. V(false) with O(on_failure=hold).
      returned: when a batch failed
      type: bool
      sample: true
    rollback_problems:
      description: Why restarts or labels could not be undone.
      returned: when a batch failed and O(on_failure=rollback)
      type: list
      elements: str
      sample: []
"""

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.module import run_module


def main() -> None:
    """Run the module."""
    run_module(CORE)


if __name__ == "__main__":
    main()
