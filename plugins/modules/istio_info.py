#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.istio_info: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_info
version_added: 1.0.0
short_description: Show control planes, tags and proxies of an Istio mesh
description:
  - Reads a cluster once and returns its control planes, its tags, the owners of the default, and the proxies by
    revision and version.
  - For each namespace it says which revision its new pods get and how many of its proxies are stale. A proxy is stale
    if its revision or its image is not the one that the pod would get now, or if it is missing.
  - It evaluates the webhooks that are installed, so it is right for any installer, and for any tag or selector.
  - It judges nothing. To fail on what is wrong, use M(meshops.istio.istio_precheck).
options:
  proxies:
    description:
      - Whether to read pods and workloads too. With V(false) it reads the control planes only, which is quicker on a
        large cluster.
    type: bool
    default: true
  record:
    description:
      - Whether to read who has locked the cluster, and what it remembers of the last run that changed it.
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
      - Run whose changes RV(undo) is about. By default the last one that was no rollback. Needs O(record=true).
      - Whether the cluster knows that run is in RV(undo.known).
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
- name: Look at one cluster
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

- name: Name the namespaces that still have stale proxies
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
  description: The revisions that are installed.
  returned: success
  type: list
  elements: dict
  contains:
    revision:
      description: Name of the revision. It is V(default) for an install without a revision.
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
      description: Who installed it. One of V(istioctl), V(helm) and V(operator). Null if nothing tells.
      type: str
      sample: helm
    managed_by:
      description: The same in words, with the Helm release or the operator.
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
  description: What the playbook rollback would undo. It goes by what each object remembers of the run, and leaves what
    somebody changed since.
  returned: with O(record=true) and RV(namespaces)
  type: dict
  contains:
    known:
      description: Whether the run has changed this cluster, as far as anything in it remembers.
      type: bool
      sample: true
    run_id:
      description: The run that would be undone. Null if no run has changed the cluster.
      type: str
      sample: r3f9a1c22d
    summary:
      description: The same in one line.
      type: str
      sample: "a rollback would undo run r3f9a1c22d: 1 namespace, 1 tag"
    namespaces:
      description: Namespaces that would go back, with their injection labels before and after the run.
      type: list
      elements: dict
      sample:
        - name: shop
          before:
            istio.io/rev: 1-30-3
          after:
            istio.io/rev: 1-31-0
    tags:
      description: Tags that would go back, with the revision before and after the run.
      type: list
      elements: dict
      sample:
        - name: prod
          before: 1-30-3
          after: 1-31-0
    workloads:
      description: Workloads whose pods would ask for what they asked for before the run.
      type: list
      elements: dict
      sample: []
    not_restored:
      description: What the run changed and what would stay as it is, with the reason. With C(failed=true) it should go
        back and cannot.
      type: list
      elements: dict
      sample: []
    stale_namespaces:
      description: Namespaces with stale pods on the revision that the run led to, where a rollback of it was begun and
        not ended.
      type: list
      elements: str
      sample: []
    recorded_runs:
      description: All runs that anything in the cluster remembers, with the number of objects.
      type: dict
      sample:
        r3f9a1c22d: 2
operator_tags:
  description: Tags that an operator keeps, with the operator. They are moved there and not by this collection.
  returned: success
  type: dict
  sample:
    stage: IstioRevisionTag stage of the Sail Operator
default:
  description: The owners of the default. In a mesh in order they agree.
  returned: success
  type: dict
  contains:
    revision:
      description: Revision that C(istio-injection=enabled) leads to. Null if it leads nowhere.
      type: str
      sample: 1-30-3
    validator:
      description: Revision that validates configuration without the label C(istio.io/rev).
      type: str
      sample: 1-30-3
    service:
      description: Revision of the Service of the tag V(default). Null before Istio 1.28, and without that tag.
      type: str
      sample: 1-30-3
    other_mesh:
      description: Namespace of another mesh in the cluster that has a default too. Null if there is none.
      type: str
      sample: null
proxies:
  description: Number of live proxies, by revision and version. The version is the tag of the proxy's image.
  returned: success and O(proxies=true)
  type: dict
  sample:
    1-30-3:
      1.30.3: 19
    1-31-0:
      1.31.0: 9
namespaces:
  description: Namespaces that ask for injection, or in which proxies run.
  returned: with O(proxies=true), and with O(stop_if_up_to_date=true) only if not RV(up_to_date)
  type: list
  elements: dict
  contains:
    name:
      description: Name of the namespace.
      type: str
      sample: reports
    revision_label:
      description: Revision or tag that its labels name. It is V(default) for C(istio-injection=enabled), and null if
        they name none.
      type: str
      sample: prod
    selected_by:
      description: V(revision), V(tag), V(default) or null.
      type: str
      sample: tag
    revision:
      description: Revision that this leads to. Null if no webhook owns the name, so that pods start without a proxy.
      type: str
      sample: 1-31-0
    followed_tags:
      description: Tags, or C(default), that workloads in it follow by labels of their pods, not by the namespace.
      type: list
      elements: str
      sample: []
    selected_per_workload:
      description: Whether it has neither of the labels that choose for all its pods, so that labels of their own count.
      type: bool
      sample: false
    gateways:
      description: Whether an injected gateway is in it.
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
      description: Revisions that these pods would get now, by the labels of the namespace or their own.
      type: list
      elements: str
      sample: ["1-31-0"]
unrestartable:
  description: Pods that are stale, or whose image is pinned, and that a rollout does not mend. One entry for each
    owner and reason.
  returned: success and O(proxies=true)
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
          V(custom_owner), V(paused), V(on_delete), V(partition) and V(pinned_image).
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
unreadable:
  description: Parts of objects that anybody may have written and nobody can read, such as an annotation. They are
    judged as if they were not there.
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
  description: Always empty. It is here because all modules of this collection return it.
  returned: success
  type: list
  elements: str
  sample: []
lock:
  description: Who works on the cluster now. Null if nobody does.
  returned: with O(record=true)
  type: dict
  contains:
    holder:
      description: Who runs, from where, and the number of the job.
      type: str
      sample: anna@deploy-1, job 42
    since:
      description: Since when.
      type: str
      sample: "2026-03-01T02:00:12Z"
    expires:
      description: When the lock runs out, unless it is renewed.
      type: str
      sample: "2026-03-01T02:19:48Z"
record:
  description: What the cluster remembers of the last run that changed it. Null if there was none.
  returned: with O(record=true)
  type: dict
  contains:
    started_by:
      description: Who ran, and from where.
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
      description: When each phase changed something first.
      type: dict
      sample: {"control_plane": "2026-03-01T02:00:12Z", "data_plane": "2026-03-01T02:01:30Z"}
    message:
      description: Why it failed.
      type: str
      sample: ""
    started:
      description: When the run changed something first.
      type: str
      sample: "2026-03-01T02:00:12Z"
    updated:
      description: When the record was written last.
      type: str
      sample: "2026-03-01T02:14:48Z"
    previous:
      description: The record of the run before. Null if there was none.
      type: dict
      sample: null
up_to_date:
  description:
    - Whether the last run that changed the cluster was the one that O(run) asks for (its C(wanted) is the same), came
      to its end, and would find nothing to do again, because nothing that it had looked at has changed since and no
      proxy is stale.
  returned: with O(record=true) and O(proxies=true)
  type: bool
  sample: true
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
      sample: 15
    writes:
      description: Requests that changed something. Always V(0) in check mode.
      type: int
      sample: 0
    dry_runs:
      description: Requests that the API server computed without storing the result.
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
