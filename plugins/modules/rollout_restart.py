#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.rollout_restart: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_restart
version_added: 1.0.0
short_description: Restart workloads with a stale Istio proxy, in batches
description:
  - Restarts Deployments, StatefulSets, DaemonSets and Argo Rollouts whose pods do not run the Istio proxy that they
    would get now.
  - Such a pod is stale. Its proxy has another revision or another image, or it has no proxy and would get one.
    With O(scope=all) workloads without a stale pod are restarted too.
  - Restarts as C(kubectl rollout restart) does, by the annotation C(kubectl.kubernetes.io/restartedAt) on the pod
    template. An Argo Rollout is restarted as C(kubectl argo rollouts restart) does, by its C(spec.restartAt), if it is
    V(Healthy) and may be read.
  - A workload whose restart was begun by an earlier run is waited for, and not restarted again.
  - Workloads go in batches of O(batch_size), in the O(order) that is asked for. Gateways go last, in batches of their
    own.
  - A batch starts only when each PodDisruptionBudget has room for the pods that the batch takes down at once.
    Kubernetes does not look at budgets during a rollout, so this module does.
  - The next batch starts only when the gates are passed. All rollouts of the batch are complete, and none of their pods
    runs another proxy than the expected one, or none. O(gates) adds more.
  - The first failed batch stops the task, and what happens then is up to O(on_failure). A batch fails by evidence of
    trouble with the proxy or its revision. The proxy of a new pod does not start or does not get ready, pods are
    refused by a webhook or a quota, a rollout completes with another proxy than the expected one, a gate is not passed,
    or a rollout stands still and nothing proves that this is the workload's own trouble.
  - A workload that fails by itself does not take back the others. That is so when its own container crashes beside a
    proxy that is ready, when its image cannot be pulled or its configuration is missing, when no node takes its pods,
    when an old pod does not go long after its grace period, when it is paused or changed by somebody else meanwhile,
    when the API server refuses its change, and when a budget gets no room for it. What happens to it is up to
    O(on_workload_failure). The other workloads go on, and the task fails at its end.
  - Several workloads that fail by themselves are no chance, because a proxy can break applications too. If more than
    one and more than a quarter of those in a batch, or of all so far, have failed by themselves after their restart,
    the batch has failed.
  - A crash loop, or an image that cannot be pulled, counts when it lasts for 15 seconds or after three restarts, and a
    refused pod after 3 seconds, because a database may come up later and a registry may be busy.
  - A workload that another client deletes or replaces meanwhile is waited for no longer, and is named in
    RV(deleted_meanwhile).
  - Pods that were not ready before the restart of their workload, such as one of a DaemonSet on a dead node, are waited
    for 15 seconds longer than the others. If they are down as before then, they are named in
    RV(still_unavailable) and in a warning. A proxy that is not ready is never taken as down before.
  - What cannot be read while a batch runs is read again. If that lasts, the task fails, but takes nothing back, because
    nothing is known to be wrong with what was restarted.
  - Pods that no rollout replaces are returned in RV(unrestartable), each with a remedy. They are left alone.
  - With O(percent) a share of the workloads that choose a revision by the labels of their own pods is moved to
    O(revision) too. The change of the label is their restart, in the same batches and with the same gates.
options:
  namespaces:
    description:
      - Namespaces whose workloads are looked at, as names or patterns such as V(pay-*). Nothing outside of them is
        restarted.
      - With an empty list nothing is read. Only the options are checked.
    type: list
    elements: str
    required: true
  scope:
    description:
      - V(stale) restarts workloads with at least one stale pod.
      - V(all) restarts every workload that has replicas, stale or not. With this choice every run restarts again.
    type: str
    choices: [stale, all]
    default: stale
  kinds:
    description:
      - Restart only workloads of these kinds. Without it all kinds are meant.
    type: list
    elements: str
    choices: [Deployment, StatefulSet, DaemonSet, Rollout]
    default: []
  names:
    description:
      - Restart only workloads with one of these names. An entry is C(NAME) or C(KIND/NAME). In C(NAME), V(*) stands for
        any characters and V(?) for one.
      - An entry that no workload of the O(namespaces) is called by, stale or not, fails the task before anything is
        restarted.
    type: list
    elements: str
    default: []
  label_selector:
    description:
      - Restart only workloads whose own labels match, in the syntax of C(kubectl --selector), such as
        V(app=web,tier in (front,back),!legacy). The labels of their pods do not count.
    type: str
  field_selector:
    description:
      - Restart only workloads whose fields match, in the syntax of C(kubectl --field-selector), such as
        V(metadata.name!=web). As at the API server, the fields are C(metadata.name) and C(metadata.namespace).
    type: str
  percent:
    description:
      - This share of the selected workloads that choose for themselves asks for O(revision), by the label
        C(istio.io/rev) of its pods. The others ask for what they asked for before. V(0) puts everything back. Nothing
        but the share and what leaves it is restarted then.
      - A workload chooses for itself if its namespace has neither the label C(istio.io/rev) nor C(istio-injection), and
        its pods have a proxy by their own label C(istio.io/rev) or C(sidecar.istio.io/inject=true). Any other workload
        is not counted and not moved. A namespace with one of the two labels fails the task before anything is
        written, because labels of pods count for nothing there. Move it with M(meshops.istio.namespace_revision).
      - The share is taken in each namespace by itself, rounded up, so that V(10) moves one of two workloads and two of
        eleven. Those with the lowest SHA-256 of C(NAMESPACE/KIND/NAME) are moved, gateways after all others. It is the
        same choice in each run and on each cluster, and a larger share has all of a smaller one. A workload that is new
        may take the place of one other.
      - The label before and after, and the run that changed it, are kept in the annotation C(meshops.istio/journal) of
        the workload. A smaller share puts the label back exactly and forgets the change. A workload whose label
        somebody changed since stays, and is returned in RV(unrestartable).
      - Workloads that cannot be moved are not counted and are returned in RV(unrestartable). These are Argo Rollouts,
        as a change of their template is an update with steps of its own, workloads whose selector asks for
        C(istio.io/rev), and those that are paused, have a partition or V(OnDelete).
    type: int
  revision:
    description:
      - Revision or tag for O(percent) to move to. Needed if that is above V(0).
      - What leaves the share goes back from this revision only. Without it V(0) puts back whatever was moved.
    type: str
  source_revision:
    description:
      - With O(percent), only workloads count that ask for this revision, by its name, a tag or as the default, or
        asked for it before they were moved.
    type: str
  run_id:
    description:
      - With O(percent=0), only what this run of a playbook changed goes back. V(current) is the run that the task
        itself belongs to. Without it the newest change goes back, whoever made it.
    type: str
  batch_size:
    description:
      - Number of workloads that are restarted together, such as V(10), or a percentage of those to restart, such as
        V(10%). Percentages round down, but not below one.
    type: str
    default: "10"
  max_pods:
    description:
      - At most so many pods belong to the workloads of one batch, over the whole cluster.
      - A workload with more pods goes alone, and a warning names it.
    type: int
  max_unavailable:
    description:
      - At most so many pods of one namespace are taken down at the same time, or such a percentage of the pods that
        all workloads of the namespace together want. Percentages round down, but not below one.
      - What counts is what the rollouts of a batch take down by their own update strategies before the new pods are
        ready, as for a PodDisruptionBudget. Pods that are down for another reason do not count.
      - A single workload that takes down more, such as a Deployment with strategy V(Recreate), goes without others of
        its namespace that take down pods, and a warning names it.
    type: str
  order:
    description:
      - What goes first. V(name) goes by namespace, kind and name.
      - V(smallest) begins with the workloads that have the fewest replicas.
      - V(annotation) goes by the annotation C(meshops.istio/restart-order) of the workloads, a whole number, lowest
        first. Without it a workload has V(0). A batch then holds only workloads with the same number.
      - Gateways go last in any order.
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
      - End of the maintenance window. After it no batch is started. A batch that runs already is waited for.
      - A time of the day in UTC, such as V("22:30"), in quotes because YAML makes a number of it. It is the nearest
        such time. If it is more than twelve hours ahead, it has passed.
      - Or a timestamp with its offset, such as V(2026-03-01T02:30:00Z).
      - A task that stops for this does not fail. RV(stopped_early) is set, RV(remaining) lists the rest, a warning says
        so, and the next run goes on.
    type: str
  deadline:
    description:
      - Seconds that the whole task may take. A batch that would start later does not start, and the task fails.
      - What was restarted stays restarted then, whatever O(on_failure) says, because nothing is wrong with it.
    type: int
  batch_timeout:
    description:
      - Seconds for which the rollout of a workload may stand still, as C(progressDeadlineSeconds) counts them. A pod of
        the new template, a new pod that gets ready and an old pod that goes are progress, each once. After that the
        workload has failed.
      - So a rollout has as many times this time as it has pods, and no more. A workload whose pods took more than half
        of it to get ready before has twice the time that they took. An old pod in its grace period is waited for.
    type: int
    default: 300
  budget_timeout:
    description:
      - Seconds to wait, before each batch, until the PodDisruptionBudgets have room. After that the workloads without
        room have failed by themselves.
      - A workload that its budget never has room for, because too few pods may be down even while all are healthy, is
        not waited for. It is left out, and returned in RV(unrestartable) with code V(no_room), in check mode too.
      - Finding V(MU023) of M(meshops.istio.istio_precheck) names the workloads without room beforehand.
    type: int
    default: 120
  on_failure:
    description:
      - What to do after a failed batch.
      - V(rollback) gives all workloads that this task restarted or moved their earlier pod template back, and waits for
        them.
        For an Argo Rollout there is no such way back. It is restarted once more, so that its pods get their proxy by
        the labels that are there then.
      - V(hold) leaves everything as it is, so that somebody can look at it.
    type: str
    choices: [rollback, hold]
    default: rollback
  on_workload_failure:
    description:
      - What to do with a workload that fails by itself.
      - V(rollback) gives that workload its earlier pod template back. Labels of its namespace stay, so that it is
        restarted by the next run.
      - V(hold) leaves it as it is.
      - With both the others go on, what succeeded stays, and the task fails at its end, with RV(failure.caused_by)
        V(workloads).
      - V(stop) takes it as a failed batch, so that O(on_failure) decides about all of them.
      - Without it the workload goes the way of O(on_failure). One application that is broken for itself is no reason to
        restart healthy ones twice more, on each run.
    type: str
    choices: [rollback, hold, stop]
  restore_labels:
    description:
      - With O(on_failure=rollback), also put the labels of the O(namespaces) back that were there before the run of
        this task moved them by M(meshops.istio.namespace_revision). Without O(run) it is the newest move of those that
        O(planned.namespaces) names, or of all where it names none.
      - Set it if the namespaces were moved for this restart. Otherwise pods that are created during the rollback
        get their proxy from the new revision again.
    type: bool
    default: false
  gates:
    description:
      - What each batch has to pass in addition before the next one starts. A gate that is not passed is a failed batch.
    type: dict
    suboptions:
      soak:
        description:
          - Seconds for which all pods of the batch must stay ready. One that restarts or is no longer ready fails the
            batch at once.
        type: int
        default: 0
      istiod:
        description:
          - The control plane that the batch went to must be rolled out and inject what it should, which is proved by a
            dry run.
        type: bool
        default: false
      connected:
        description:
          - Every new proxy must be connected to the expected revision, and reject no configuration. All istiods in the
            cluster are asked, through a port-forward.
        type: bool
        default: false
      http:
        description:
          - URLs that must answer as expected. They are asked from where this task runs, with the proxies of the
            environment. Redirects are not followed.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description:
              - The URL. A user and password in it are sent as basic authentication, special characters written with
                percent signs. They are hidden in results, as values of its query are whose name or form is that of a
                secret; O(gates.http[].password) is the better place.
            type: str
            required: true
          status:
            description: The HTTP statuses that are right.
            type: list
            elements: int
            default: [200]
          timeout:
            description: Seconds until the whole answer must be there.
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
          - Instant queries whose samples must all be as expected. An empty result, and C(NaN), prove nothing and are
            not passed.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description: Base URL of the Prometheus server or of what answers like one. C(/api/v1/query) is added.
            type: str
            required: true
          query:
            description: The query, in PromQL. It must give a scalar or an instant vector.
            type: str
            required: true
          compare:
            description: How a sample is compared with O(gates.prometheus[].value).
            type: str
            choices: ['<', '<=', '==', '!=', '>=', '>']
            required: true
          value:
            description: What a sample is compared with.
            type: float
            required: true
          token:
            description: Bearer token.
            type: str
          timeout:
            description: Seconds until the whole answer must be there.
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
          - Seconds until the gates O(gates.istiod), O(gates.connected), O(gates.http) and O(gates.prometheus) must be
            passed, each. They are asked every second, because a proxy needs a moment to connect and a metric to be
            collected.
        type: int
        default: 60
  log_lines:
    description:
      - How many of the last lines of a broken container's log are returned as evidence of a failed batch, in
        RV(failure). They are never printed as progress nor part of C(msg).
      - A log may contain anything, so V(0) leaves them out. With C(no_log) on the task nothing of the result is shown.
    type: int
    default: 10
  allow:
    description:
      - Codes of findings that shall not refuse a move by O(percent). Checked is V(MU053), configuration that would
        stop to apply, because its label C(istio.io/rev) names the revision that is left.
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
    details: Shows the number of stale pods of each workload, and what the moved ones ask for, before and after.
  idempotent:
    support: partial
    details: With O(scope=stale), a second run finds nothing stale and writes nothing. With O(scope=all) every run
      restarts.
notes:
  - Nothing is restarted if a new pod would be rejected, or would lose its proxy because its namespace names a
    revision or tag that does not exist, or C(istio-injection=enabled) while no default is active.
  - With O(scope=all) nothing is restarted either if a pod would lose its proxy for any other reason, but that its
    namespace has C(istio-injection=disabled) or it has C(sidecar.istio.io/inject=false) itself.
  - Nothing is restarted either if the revision that the pods would get is not proven. Its Deployment C(istiod) must
    be rolled out, its webhook must have a C(caBundle), and a pod created as a server-side dry run must come back with
    the expected image.
  - Before the first restart, each namespace is asked in the same way. A pod with the labels of one of its workloads
    must come back with a proxy of the expected revision.
  - If somebody else changes a pod template after its restart, their rollout replaces that of this task. It is waited
    for, has to pass the gates too, is named in RV(changed_meanwhile), and is never rolled back.
  - Pods are followed by one watch. Without the right to watch pods they are listed every few seconds. Without the
    right to read events and logs, refused pods of a StatefulSet or DaemonSet are found only by O(batch_timeout), and
    the evidence is shorter.
  - After a run that was stopped or failed, run it again. It restarts what is still stale and was not begun. With
    O(scope=all) it cannot know what the earlier run had finished, and restarts that again.
  - A restart is taken as begun if the template was stamped by one, and none of the stale pods carries that stamp.
  - What is told about Argo Rollouts was proven with recorded and acted objects, not with their controller.
  - It changes no label of a namespace, unless O(restore_labels) is set and a batch failed, and no label of pods
    without O(percent).
  - Whatever else writes a pod template, such as a GitOps controller, takes the label of O(percent) away again.
  - It deletes a pod in one case only. When a StatefulSet is rolled back, its new pods that are not ready are deleted,
    because Kubernetes does not replace them by itself.
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
    description: What a PodDisruptionBudget limits, and what it does not.
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
    - name: Restart what is stale, at most five workloads at a time
      meshops.istio.rollout_restart:
        namespaces:
          - shop
          - payments
        batch_size: 5
      register: restarted

    - name: Show what nobody restarts
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

    - name: Let a tenth of the workloads that choose for themselves ask for the new revision
      meshops.istio.rollout_restart:
        namespaces:
          - tools
        revision: 1-31-0
        percent: 10
        gates:
          soak: 60

    - name: Later give all of them back what they asked for before
      meshops.istio.rollout_restart:
        namespaces:
          - tools
        percent: 0

# Run this with --check --diff first: it lists the workloads and batches, and changes nothing.
- name: Move one namespace and restart it, or put everything back
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
  tasks:
    - name: Let new pods of the namespace get the new proxy
      meshops.istio.namespace_revision:
        namespaces:
          - search
        revision: 1-31-0

    - name: Restart its workloads, and undo the move too if a batch fails
      meshops.istio.rollout_restart:
        namespaces:
          - search
        restore_labels: true
        # In check mode the task before has moved nothing, so say what it would have done.
        planned:
          revision: 1-31-0
          namespaces:
            - search
"""

RETURN = r"""
actions:
  description: What was done, one sentence for each step. In check mode what would be done. Empty if nothing was to
    do.
  returned: success
  type: list
  elements: str
  sample:
    - "restart Deployment shop/cart (2 stale pods)"
    - "restart Deployment shop/web (3 stale pods)"
restarted:
  description: Workloads that were restarted, in their order. In check mode those that would be.
  returned: success
  type: list
  elements: str
  sample:
    - Deployment catalog/browse
    - Deployment shop/cart
    - Deployment shop/web
resumed:
  description: Workloads whose restart was under way already. It was waited for, and passed the same gates.
  returned: success
  type: list
  elements: str
  sample: []
moved:
  description: Workloads that were moved, with what they asked for before and ask for now. They are among those in
    RV(restarted).
  returned: success
  type: list
  elements: dict
  contains:
    workload:
      description: The workload.
      type: str
      sample: Deployment tools/wiki
    before:
      description: Label C(istio.io/rev) of its pods before, or nothing if they had none.
      type: str
      sample: 1-30-3
    after:
      description: The label now, or nothing if it was removed.
      type: str
      sample: 1-31-0
  sample: []
movable_workloads:
  description: With O(percent), the namespaces with workloads that choose for themselves and can be moved.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: The namespace.
      type: str
      sample: tools
    workloads:
      description: How many there are.
      type: int
      sample: 11
    selected:
      description: Those that the share consists of.
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
    - All batches as they were planned before the first one, with those that were not started.
    - In check mode they are shown as live lines too, with what cannot be restarted.
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
      description: How many pods they have together.
      type: int
      sample: 5
    takes_down:
      description: How many of them are down at once by the update strategies.
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
          description: How many pods more than now may be down.
          type: int
          sample: 1
        takes_down:
          description: How many the batch takes down. If that is more, the batch waits up to O(budget_timeout).
          type: int
          sample: 1
    expected_seconds:
      description:
        - About how long the batch takes, from how long the pods that run now took to get ready, how many at a time
          the update strategies replace, C(minReadySeconds) and the soak time of O(gates).
        - It takes longer where pods take long to end before their successors start, where an image has to be pulled,
          and on a busy cluster; none of these is known before.
        - Nothing where no pod of the batch tells, because none is ready.
      type: int
      sample: 12
not_after:
  description: When the maintenance window ends, in UTC, or nothing without O(not_after).
  returned: success
  type: str
  sample: "2026-03-01T02:30:00Z"
stopped_early:
  description: Whether O(not_after) came before the last batch.
  returned: success
  type: bool
  sample: false
remaining:
  description: Workloads that were not restarted for that reason. The next run goes on with them.
  returned: success
  type: list
  elements: str
  sample: []
changed_meanwhile:
  description: Workloads whose pod template somebody else changed after the restart, and who. Their rollout was waited
    for and had to pass the same gates.
  returned: success
  type: list
  elements: str
  sample: ["Deployment shop/web, by kubectl-edit"]
deleted_meanwhile:
  description: Workloads that somebody else deleted or replaced meanwhile. They were waited for no more, and are not
    among those in RV(restarted).
  returned: success
  type: list
  elements: str
  sample: []
still_unavailable:
  description: Workloads that were restarted, and some of whose pods did not come up and had not been up before. Nothing
    is known of these pods.
  returned: success
  type: list
  elements: dict
  contains:
    workload:
      description: The workload.
      type: str
      sample: DaemonSet shop/agent
    pods:
      description: Its pods that are down as before, with what keeps them from being ready.
      type: list
      elements: str
      sample: ["pod agent-x2x8k on node n7, Terminating"]
unrestartable:
  description: Pods that are stale, or whose image is pinned, and that a rollout does not mend, and workloads that have
    no pods now. With O(percent) also workloads that choose for themselves and cannot be moved. One entry for each
    owner and reason.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the owner.
      type: str
      sample: batch
    kind:
      description: Kind of the topmost owner, or V(Pod) if there is none.
      type: str
      sample: Job
    name:
      description: Name of the owner.
      type: str
      sample: reindex
    pods:
      description: How many of its pods are concerned.
      type: int
      sample: 1
    code:
      description:
        - Why no rollout helps. One of V(bare_pod), V(job), V(cron_job), V(replica_set), V(argo_rollout),
          V(custom_owner), V(paused), V(on_delete), V(partition), V(pinned_image), V(scaled_to_zero), V(no_room),
          a budget that never lets so many pods be down, and, with O(percent), V(selector), V(unreadable),
          V(changed_since) and V(previous_revision_gone).
      type: str
      sample: job
    reason:
      description: The reason in words.
      type: str
      sample: a Job never replaces a running pod
    remedy:
      description: What a person can do.
      type: str
      sample: wait until it ends, or delete and create the Job
seconds:
  description: How long the task took.
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
  description: The failure, for programs. In C(msg) it is a sentence for people.
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
      description: Whose trouble ended the task. V(revision) is a failed batch, V(workloads) is workloads that failed by
        themselves, while all others succeeded or with O(on_workload_failure=stop), V(cluster) is a cluster that could
        not be asked or written any more, and V(time) the deadline.
      returned: when restarts had begun
      type: str
      sample: workloads
    failed_workloads:
      description: Workloads that failed by themselves, with their evidence in RV(failure.evidence).
      returned: when restarts had begun
      type: list
      elements: str
      sample: ["Deployment shop/cart"]
    deleted_meanwhile:
      description: Workloads that somebody else deleted or replaced meanwhile.
      returned: when restarts had begun
      type: list
      elements: str
      sample: []
    stopped_early:
      description: Whether the end of the maintenance window left something.
      returned: when workloads failed by themselves
      type: bool
      sample: false
    evidence:
      description: What is wrong, one entry for each workload or pod. What may not be read is left out.
      returned: when a batch failed
      type: list
      elements: dict
      contains:
        workload:
          description: The workload.
          type: str
          sample: Deployment shop/web
        pod:
          description: The pod. Empty if it is about the workload.
          type: str
          sample: web-6d9c7b5f4-x2x8k
        container:
          description: The container, if it is about one.
          type: str
          sample: web
        reason:
          description: The reason in one word, mostly that of Kubernetes.
          type: str
          sample: CrashLoopBackOff
        message:
          description: What the cluster says about it.
          type: str
          sample: back-off 10s restarting failed container
        log:
          description: The last O(log_lines) lines of the container's log, of the first five entries. After a crash
            those of the run that crashed.
          type: list
          elements: str
          sample: ["cannot connect to the database"]
        events:
          description: The newest warnings about the pod or workload, of the first five entries.
          type: list
          elements: str
          sample: ["BackOff: Back-off restarting failed container web"]
    changed_meanwhile:
      description: Workloads whose pod template somebody else changed after the restart, and who. They are not rolled
        back.
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
      description: Workloads of the batches that had passed the gate.
      returned: when a batch failed
      type: list
      elements: str
      sample:
        - Deployment catalog/browse
        - Deployment shop/cart
    rolled_back:
      description: Whether everything was put back. V(false) with O(on_failure=hold).
      returned: when a batch failed
      type: bool
      sample: true
    rollback_problems:
      description: What could not be put back.
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
