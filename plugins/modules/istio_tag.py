#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.istio_tag: its documentation and entry point; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_tag
version_added: 1.0.0
short_description: Create, move and remove Istio revision tags
description:
  - Points a revision tag at a revision, or removes the tag. It runs C(istioctl) without a prompt, and reads the result
    back from the API server.
  - New pods of namespaces that select the tag get the proxy of the new revision. Running pods keep their proxy
    until M(meshops.istio.rollout_restart) restarts them.
  - The tag V(default) selects the revision for C(istio-injection=enabled). Its webhook, its Service and the default
    validator are moved together, and the webhook of a control plane without a revision is deactivated.
  - A tag has several owners (webhook, Service, validator). If only one of them is missing, or points at another or a
    removed revision, it is fixed too.
options:
  name:
    description:
      - Name of the tag. The name of an installed revision is refused, except V(default), and so is a name that another
        mesh of the cluster owns.
    type: str
    required: true
  revision:
    description:
      - Revision that the tag points at. Required with O(state=present).
    type: str
  state:
    description:
      - V(present) creates the tag, or moves it.
      - V(absent) removes the tag with all its owners. This is refused while the labels of a namespace or of a pod
        select it. The tag V(default) is also kept while the control plane without a revision is installed, because no
        webhook would inject then.
      - V(restored) moves the tag back to the revision before a change by this module, and removes that change from its
        journal. A tag that another client moved since, or whose previous revision is gone, is kept, and
        RV(not_restored) has the reason.
    type: str
    choices: [present, absent, restored]
    default: present
  run_id:
    description:
      - With O(state=restored), only the change by this run of a playbook is undone. V(current) is the run that the task
        itself belongs to. Without it the newest change is undone, whichever run made it.
      - The record of a cluster names its last run, see RV(meshops.istio.istio_info#module:record).
    type: str
  istioctl:
    description:
      - C(istioctl) on the machine where the task runs. A name without a slash is looked up on E(PATH).
      - The text C({version}) in it is replaced by the version, as in V(/opt/istio-{version}/bin/istioctl).
    type: str
    default: istioctl
  version:
    description:
      - Version of C(istioctl) to use. The binary must be of exactly this version.
      - The default is the version of the revision that the tag points at, or will point at.
        If that revision is gone, it is the version of another one.
    type: str
  allow_setting_changes:
    description:
      - Settings of the webhooks of the tag that may get lost, as RV(lost_settings) names them. The object alone, the
        path of the field alone, and patterns with V(*) accept settings too.
      - C(istioctl) renders these webhooks without the settings that an administrator or a chart gave them, such as
        C(reinvocationPolicy), C(failurePolicy) and selectors. Without this option such a move is refused, and
        O(state=restored) only warns.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    details: Makes all checks and the proof. C(istioctl) runs only to render webhooks that have settings of their own.
  diff_mode:
    support: full
    details:
      - Shows the revision of each owner of the tag, before and after. These are the webhook (C(revision)) and the
        Service.
      - For the tag V(default) also the validator, and whether the webhook of a control plane without a revision is
        parked (deactivated).
  idempotent:
    support: full
notes:
  - A tag is moved only to a revision that is proven. Its Deployment C(istiod) must be rolled out, its webhook must
    have a C(caBundle), and a pod created as a server-side dry run must be returned with the expected image.
  - It never restarts a workload and never changes a label of a namespace.
requirements:
  - istioctl of the version of the revision
extends_documentation_fragment:
  - meshops.istio.attributes
  - meshops.istio.attributes.action
  - meshops.istio.attributes.action_group
  - meshops.istio.allow
  - meshops.istio.auth
  - meshops.istio.planned
seealso:
  - module: meshops.istio.istio_revision
  - module: meshops.istio.namespace_revision
  - module: meshops.istio.rollout_restart
  - name: Stable revision labels
    description: The use of revision tags.
    link: https://istio.io/latest/docs/setup/upgrade/canary/#stable-revision-labels
author:
  - Meshops maintainers (@meshops)
"""

EXAMPLES = r"""
- name: Point tags at a new revision
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
      expected_cluster_id: "{{ cluster_id }}"
  tasks:
    - name: Create or move the tag prod
      meshops.istio.istio_tag:
        name: prod
        revision: 1-31-0
        istioctl: /opt/istio-{version}/bin/istioctl

    - name: Make the new revision the default
      meshops.istio.istio_tag:
        name: default
        revision: 1-31-0
        istioctl: /opt/istio-{version}/bin/istioctl

    - name: Restart the workloads that became stale
      meshops.istio.rollout_restart:
        namespaces:
          - reports
          - catalog

    - name: Remove a tag that no namespace selects any more
      meshops.istio.istio_tag:
        name: early
        state: absent
        istioctl: /opt/istio-{version}/bin/istioctl
"""

RETURN = r"""
actions:
  description: The changes, one phrase for each. In check mode the changes that the task would make. Empty if there are
    none.
  returned: success
  type: list
  elements: str
  sample:
    - "move tag prod: 1-30-3 -> 1-31-0 (namespaces reports; workloads Deployment tools/exporter)"
tag:
  description: Name of the tag.
  returned: success
  type: str
  sample: prod
revision:
  description: Revision that the tag points at. Null with O(state=absent).
  returned: success
  type: str
  sample: 1-31-0
not_restored:
  description: With O(state=restored), why the tag keeps its revision although the run moved it. Null otherwise.
  returned: success
  type: dict
  contains:
    reason:
      description: The reason.
      type: str
      sample: "it cannot be restored to 1-30-3: that revision does not exist any more"
    failed:
      description: Whether it had to be moved back and could not. False if another client moved it since.
      type: bool
      sample: true
lost_settings:
  description: Settings of the webhooks of the tag that a move resets, by object and field, each as
    [before, after]. Null stands for absent.
  returned: success
  type: dict
  sample:
    MutatingWebhookConfiguration istio-revision-tag-prod webhooks.[object.sidecar-injector.istio.io].failurePolicy:
      - Ignore
      - Fail
namespaces:
  description: Namespaces whose labels select the tag.
  returned: success
  type: list
  elements: str
  sample:
    - reports
workloads:
  description: Owners of pods that select the tag by their own labels, in namespaces without such a label. Empty if
    there are no changes.
  returned: success
  type: list
  elements: dict
  contains:
    namespace:
      description: Its namespace.
      type: str
      sample: tools
    kind:
      description: Its kind.
      type: str
      sample: Deployment
    name:
      description: Its name.
      type: str
      sample: exporter
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
  description: Number of requests that the task sent to the API server, without those of C(istioctl).
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
  description: The failure as data. C(msg) has it as sentences.
  returned: failure
  type: dict
  contains:
    kind:
      description: Kind of the failure. V(ParameterError) is a wrong option, V(SafetyError) a refusal, V(ProofError) a
        revision that is not proven, V(IstioctlError) a C(istioctl) that failed, or that did not make the
        change it reported. Others are V(ClusterError), a cluster that cannot be reached or is not the expected one, and
        answers of the API server such as V(ForbiddenError).
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

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_tag import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.module import run_module


def main() -> None:
    """Run the module."""
    run_module(CORE)


if __name__ == "__main__":
    main()
