#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.istio_info: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_info
version_added: 1.0.0
short_description: Show the control planes, tags and proxies of an Istio mesh
description:
  - Reads a cluster once and returns its control planes, its tags, the owners of the default, and the proxies by
    revision and version.
  - For each namespace it returns the revision that its new pods get and the number of its stale proxies. A proxy is
    stale if its revision or its image is not the one that the pod would get now, or if it is missing.
  - It evaluates the installed webhooks, so it is correct for any installer, tag and selector.
  - It does not evaluate the state of the mesh. To fail on problems, use M(meshops.istio.istio_precheck).
options:
  proxies:
    description:
      - Whether to read pods and workloads too. With V(false) only the control planes are read, which is faster on a
        large cluster.
    type: bool
    default: true
  record:
    description:
      - Whether to read the lock of the cluster, and its record of the last run that changed it.
    type: bool
    default: false
  stop_if_up_to_date:
    description:
      - Whether to stop reading once pods, control planes and the record prove RV(up_to_date). Workloads, their owners
        and PodDisruptionBudgets are then not read, and RV(namespaces) and RV(undo) are left out.
      - Needs O(proxies=true) and O(record=true).
    type: bool
    default: false
  run_id:
    description:
      - Run whose changes RV(undo) describes. By default the last one that was not a rollback. Needs O(record=true).
      - RV(undo.known) is whether that run has changed the cluster.
    type: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
extends_documentation_fragment:
  - meshops.istio.attributes.info
  - meshops.istio.attributes.action
  - meshops.istio.attributes.action_group
  - meshops.istio.auth
  - meshops.istio.limits
  - meshops.istio.planned
seealso:
  - module: meshops.istio.istio_precheck
  - module: meshops.istio.rollout_restart
author:
  - Meshops maintainers (@meshops)
"""

EXAMPLES = r"""
- name: Read one cluster
  meshops.istio.istio_info:
    kubeconfig: ~/.kube/fleet.yaml
    context: paris-1
  delegate_to: localhost
  register: mesh

- name: Show the proxies by revision and version
  ansible.builtin.debug:
    var: mesh.proxies

- name: Show the UID to keep as expected_cluster_id in the inventory
  ansible.builtin.debug:
    var: mesh.cluster.id

- name: Show the namespaces that still have stale proxies
  ansible.builtin.debug:
    msg: "{{ mesh.namespaces | selectattr('stale_proxies') | map(attribute='name') | join(', ') }}"

- name: Read the control planes of a large cluster only, with a service account's token
  meshops.istio.istio_info:
    host: https://paris-1.example.com:6443
    ca_cert: /etc/ssl/paris-1.pem
    api_key: "{{ istio_reader_token }}"
    proxies: false
  delegate_to: localhost
"""

RETURN = r"""
kubernetes_version:
  description: Version of the API server.
  returned: success
  type: str
  sample: v1.36.3
control_planes:
  description: The installed revisions.
  returned: success
  type: list
  elements: dict
  contains:
    revision:
      description: Name of the revision. It is V(default) for an installation without a revision.
      type: str
      sample: 1-31-0
    version:
      description: Version that its C(istiod) runs, which is the tag of the image. Empty without a Deployment.
      type: str
      sample: 1.31.0
    ready:
      description: Whether its Deployment is at its newest generation, with all replicas ready.
      type: bool
      sample: true
    replicas:
      description: Replicas that it should have.
      type: int
      sample: 2
    ready_replicas:
      description: Replicas that are ready.
      type: int
      sample: 2
    tags:
      description: Tags that point at it.
      type: list
      elements: str
      sample: [default, prod]
    installer:
      description: Tool that installed it. One of V(istioctl), V(helm) and V(operator). Null if unknown.
      type: str
      sample: helm
    managed_by:
      description: The same for people, with the Helm release or the operator.
      type: str
      sample: Helm release istiod-1-31-0
tags:
  description: All tags, with the revision that each points at.
  returned: success
  type: dict
  sample:
    default: 1-30-3
    prod: 1-31-0
undo:
  description: The changes that the playbook rollback would undo, according to the journals of the objects. Objects that
    were changed since are not restored.
  returned: with O(record=true) and RV(namespaces)
  type: dict
  contains:
    known:
      description: Whether the run has changed this cluster, according to its record and the journals.
      type: bool
      sample: true
    run_id:
      description: The run that would be undone. Null if no run has changed the cluster.
      type: str
      sample: r3f9a1c22d
    summary:
      description: A summary in one line.
      type: str
      sample: "a rollback would undo run r3f9a1c22d: 1 namespace, 1 tag"
    namespaces:
      description: Namespaces that would be restored, with their injection labels before and after the run.
      type: list
      elements: dict
      sample:
        - name: shop
          before:
            istio.io/rev: 1-30-3
          after:
            istio.io/rev: 1-31-0
    tags:
      description: Tags that would be restored, with the revision before and after the run.
      type: list
      elements: dict
      sample:
        - name: prod
          before: 1-30-3
          after: 1-31-0
    workloads:
      description: Workloads whose pods would select the revision that they selected before the run.
      type: list
      elements: dict
      sample: []
    not_restored:
      description: Objects that the run changed and that would not be restored, with the reason. With C(failed=true) the
        object should be restored but cannot be.
      type: list
      elements: dict
      sample: []
    stale_namespaces:
      description: Namespaces with stale pods on the revision that the run led to, if a rollback of it was interrupted.
      type: list
      elements: str
      sample: []
    recorded_runs:
      description: All runs in the journals of the cluster, with the number of objects that each changed.
      type: dict
      sample:
        r3f9a1c22d: 2
operator_tags:
  description: Tags that an operator manages, with the operator. Move them there; this collection does not.
  returned: success
  type: dict
  sample:
    stage: IstioRevisionTag stage of the Sail Operator
default:
  description: The owners of the default. In a correct mesh they agree.
  returned: success
  type: dict
  contains:
    revision:
      description: Revision that C(istio-injection=enabled) selects. Null if it selects none.
      type: str
      sample: 1-30-3
    validator:
      description: Revision that validates configuration without the label C(istio.io/rev).
      type: str
      sample: 1-30-3
    service:
      description: Revision of the Service of the tag V(default). Null before Istio 1.28 and without that tag.
      type: str
      sample: 1-30-3
    other_mesh:
      description: Namespace of another mesh in the cluster that also has a default, else null.
      type: str
      sample: null
proxies:
  description: Number of live proxies, by revision and version. The version is the tag of the proxy's image. An image
    with a digest only has the version that its revision injects, or V(unknown) if the pod would get another proxy now.
  returned: success and O(proxies=true)
  type: dict
  sample:
    1-30-3:
      1.30.3: 19
    1-31-0:
      1.31.0: 9
namespaces:
  description: Namespaces that select injection, or in which proxies run.
  returned: with O(proxies=true), and with O(stop_if_up_to_date=true) only if not RV(up_to_date)
  type: list
  elements: dict
  contains:
    name:
      description: Name of the namespace.
      type: str
      sample: reports
    revision_label:
      description: Revision or tag that its labels select. It is V(default) for C(istio-injection=enabled), and null if
        they select none.
      type: str
      sample: prod
    selected_by:
      description: Kind of RV(namespaces[].revision_label), one of V(revision), V(tag), V(default) or null.
        It is V(default) too for RV(namespaces[].injected_by_default).
      type: str
      sample: tag
    revision:
      description: Revision that RV(namespaces[].revision_label) resolves to. Null if no webhook owns the name, so that
        pods start without a proxy.
      type: str
      sample: 1-31-0
    injected_by_default:
      description: Whether pods without labels are injected there although the namespace has no label either
        (C(sidecarInjectorWebhook.enableNamespacesByDefault)). RV(namespaces[].selected_by) is V(default) then, and
        RV(namespaces[].revision) is the revision that injects them. It is false if pods there select a revision by a
        label of their own.
      type: bool
      sample: false
    followed_tags:
      description: Tags, or V(default), that its workloads select by labels of their pods, not by the namespace.
      type: list
      elements: str
      sample: []
    selected_per_workload:
      description: Whether it has neither label that selects the revision of all its pods, so that labels of pods count.
      type: bool
      sample: false
    gateways:
      description: Whether it contains an injected gateway.
      type: bool
      sample: false
    proxies:
      description: Number of live proxies.
      type: int
      sample: 2
    stale_proxies:
      description: Number of pods whose proxy is stale or missing.
      type: int
      sample: 2
    target_revisions:
      description: Revisions that new pods in place of the stale ones would get.
      type: list
      elements: str
      sample: ["1-31-0"]
    judged:
      description:
        - How many of its proxies were judged in each way.
        - V(resolved) is by the rules of Istio's own webhooks, V(asked) by the answer of the API server to a dry run.
        - 'V(not judged: refused) is only by revision and version, because the API server refused the dry run.'
        - 'V(not judged: not asked) means that no dry run was sent.'
      type: dict
      sample: {"asked": 2, "resolved": 40}
unrestartable:
  description: Pods that are stale, or whose image is pinned, and that a rollout does not fix. One entry for each owner
    and reason.
  returned: success and O(proxies=true)
  type: list
  elements: dict
  contains:
    namespace:
      description: Namespace of the owner.
      type: str
      sample: batch
    kind:
      description: Kind of the topmost owner, or V(Pod) without an owner.
      type: str
      sample: Job
    name:
      description: Name of the owner.
      type: str
      sample: reindex
    pods:
      description: Number of its affected pods.
      type: int
      sample: 1
    code:
      description:
        - Code of the reason. One of V(bare_pod), V(job), V(cron_job), V(replica_set), V(argo_rollout),
          V(pod_owner), V(ends_by_itself), V(custom_owner), V(paused), V(on_delete), V(partition), V(no_room) and
          V(pinned_image).
      type: str
      sample: job
    reason:
      description: The reason, for people.
      type: str
      sample: a Job never replaces a running pod
    remedy:
      description: How to fix it.
      type: str
      sample: wait until it ends, or delete and create the Job
unreadable:
  description: Parts of objects that any user may have written and that cannot be read, such as an annotation. They are
    treated as missing.
  returned: success and O(proxies=true)
  type: list
  elements: dict
  contains:
    object:
      description: The object.
      type: str
      sample: Pod shop/odd
    field:
      description: The part of it.
      type: str
      sample: annotation sidecar.istio.io/status
    reason:
      description: Why it cannot be read.
      type: str
      sample: it is nested more than 64 levels deep
actions:
  description: Always empty. All modules of this collection return it.
  returned: success
  type: list
  elements: str
  sample: []
lock:
  description: The run that works on the cluster now, else null.
  returned: with O(record=true)
  type: dict
  contains:
    holder:
      description: User that runs it, the host, and the number of the job.
      type: str
      sample: anna@deploy-1, job 42
    since:
      description: When it took the lock.
      type: str
      sample: "2026-03-01T02:00:12Z"
    expires:
      description: When the lock expires, unless it is renewed.
      type: str
      sample: "2026-03-01T02:19:48Z"
record:
  description: The record of the last run that changed the cluster, else null.
  returned: with O(record=true)
  type: dict
  contains:
    started_by:
      description: User that started it, and the host.
      type: str
      sample: anna@deploy-1
    job:
      description: O(meshops.istio.istio_run_record#module:run.job) of the run.
      type: str
      sample: "42"
    strategy:
      description: O(meshops.istio.istio_run_record#module:run.strategy) of the run.
      type: str
      sample: canary
    version:
      description: O(meshops.istio.istio_run_record#module:run.version) of the run.
      type: str
      sample: 1.31.0
    revision:
      description: O(meshops.istio.istio_run_record#module:run.revision) of the run.
      type: str
      sample: 1-31-0
    state:
      description:
        - V(running), V(done), V(failed) or V(stopped).
        - A run that was killed may stay V(running), without a lock.
      type: str
      sample: done
    phase:
      description: The last phase in which the run changed something.
      type: str
      sample: data_plane
    phases:
      description: When each phase made its first change.
      type: dict
      sample: {"control_plane": "2026-03-01T02:00:12Z", "data_plane": "2026-03-01T02:01:30Z"}
    message:
      description: Reason of the failure.
      type: str
      sample: ""
    started:
      description: When the run made its first change.
      type: str
      sample: "2026-03-01T02:00:12Z"
    updated:
      description: When the record was last written.
      type: str
      sample: "2026-03-01T02:14:48Z"
    previous:
      description: The record of the run before it, else null.
      type: dict
      sample: null
up_to_date:
  description:
    - Whether a run as described by O(run) would find nothing to do. The last run that changed the cluster had the same
      C(request_digest) and completed, none of its inputs has changed since, and no proxy is stale.
  returned: with O(record=true) and O(proxies=true)
  type: bool
  sample: true
left_proxies:
  description:
    - Number of pods of the mesh whose proxy does not run the version of the last run, or is stale.
    - A run that its limits narrow has nothing to do, although proxies are left.
  returned: when RV(up_to_date)
  type: int
  sample: 0
left_namespaces:
  description: Namespaces whose labels select a revision of another version than the one of the last run.
  returned: when RV(up_to_date)
  type: list
  elements: str
  sample: []
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
      sample: 15
    writes:
      description: Requests that changed an object. Always V(0) in check mode.
      type: int
      sample: 0
    dry_runs:
      description: Dry-run requests, whose result the API server does not store.
      type: int
      sample: 0
failure:
  description: The failure, for programs. In C(msg) it is a sentence for people.
  returned: failure
  type: dict
  contains:
    kind:
      description: Kind of the failure. V(ParameterError) is a wrong option. Others are V(ClusterError), a cluster
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
"""

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.module import run_module


def main() -> None:
    """Run the module."""
    run_module(CORE)


if __name__ == "__main__":
    main()
