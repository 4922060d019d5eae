#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.istio_precheck: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_precheck
version_added: 1.0.0
short_description: Fail unless an Istio mesh is ready for an upgrade, or in order after one
description:
  - A gate for playbooks. It reads the cluster once, judges it, and fails if something is wrong. It changes nothing.
  - With O(stage=before), looks for what would make an upgrade fail or do harm.
  - With O(stage=after), proves that the upgrade is complete and left nothing behind.
  - Each finding has a code that stays the same, a severity, the object, and a remedy.
  - To read without a judgement, use M(meshops.istio.istio_info).
options:
  stage:
    description:
      - V(before) an upgrade or V(after) it.
      - After an upgrade stale proxies are errors, and what could only stand in the way of a start is not looked at.
    type: str
    choices: [before, after]
    default: before
  strategy:
    description:
      - How the upgrade is done. It decides which steps between versions are supported.
      - V(canary) is a second revision beside the first. It may go up by two minor versions, or down by one.
      - V(in_place) replaces the control plane of O(revision). It may go up or down by one minor version.
      - V(downgrade) goes down by one minor version, by a second revision, or in place if O(revision) is there already.
    type: str
    choices: [canary, in_place, downgrade]
    default: canary
  version:
    description:
      - Istio version to upgrade to, such as V(1.31.0). Required with O(stage=before).
    type: str
  revision:
    description:
      - Name of the revision to upgrade to. Required with O(stage=before).
    type: str
  source_revision:
    description:
      - Revision that the upgrade starts from.
      - If it is not given, it is the one other revision that namespaces follow; where none does, the revision that
        the default leads to, or the only other one. If namespaces follow several, the task fails.
    type: str
  installer:
    description:
      - What installs control planes in the run to come, as in M(meshops.istio.istio_revision). The permissions that
        such a run needs are asked for before it starts, V(MU009).
      - If it is not given, the permission to read is enough, and no other is asked for.
    type: str
    choices: [external, istioctl, helm]
  istioctl:
    description:
      - C(istioctl) on the machine where the task runs, which is asked too, while the cluster is read. A name without a
        slash is looked up on E(PATH). If it is not given, no C(istioctl) is asked.
      - The text C({version}) in it stands for the version, as in V(/opt/istio-{version}/bin/istioctl).
      - The binary must be of exactly O(version), because each version knows its own changes.
      - With O(stage=before), C(istioctl x precheck) and C(istioctl analyze) over all namespaces and revisions are
        asked. With O(stage=after), only the latter.
      - What it reports is a finding with its own code, such as V(IST0101), and its own level. What a check of ours says
        about the same object stands there once, with the code of C(istioctl) in the message.
      - It has to be allowed to read whatever Istio's configuration refers to, Secrets among it. Otherwise, or if its
        answer cannot be read within a minute, that is finding V(MU080), and all other findings are made.
      - Permissions to install Istio, V(IST0141), are only a note. What the run to come lacks is V(MU009), if
        O(installer) is given.
    type: str
  fail_on:
    description:
      - Lowest severity that fails the task. With V(never) findings are only returned.
    type: str
    choices: [error, warning, never]
    default: error
  show:
    description:
      - Lowest severity that the live lines explain. What is below it, and what is waived, is only counted there.
      - The result has all findings, whatever this is. So a playbook for many clusters can sum up for all of them what
        each would say, as P(meshops.istio.fleet#lookup) does.
    type: str
    choices: [error, warning, info]
    default: info
  allow:
    description:
      - Codes of findings that do not fail the task, such as V(MU012), or V(IST0101) of O(istioctl). They are returned
        all the same.
    type: list
    elements: str
    default: []
  waivers:
    description:
      - Findings that are accepted at some objects, for a reason and until a day.
      - A waived finding stays in the result and is marked there. It does not fail the task, whatever O(fail_on) is.
      - A waiver that has expired does not hold any more, and is a finding itself, V(MU092). So is one that matches
        nothing before an upgrade, V(MU093), so that a list of waivers does not outlive what it was for.
    type: list
    elements: dict
    default: []
    suboptions:
      code:
        description:
          - Code of the finding. Codes of C(istioctl analyze), such as V(IST0101), can be waived as well.
        type: str
        required: true
      object:
        description:
          - Pattern of objects, as RV(findings[].object) names them. V(*), V(?) and V([abc]) stand for characters, and
            case counts. If it is not given, the finding is accepted everywhere.
        type: str
        default: "*"
      expires:
        description:
          - Last day on which the waiver holds, by UTC, such as V(2027-03-31).
        type: str
        required: true
      reason:
        description:
          - Why the finding is accepted, and by whom.
        type: str
        required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
notes:
  - All findings with their severities, reasons and remedies are listed at
    U(https://github.com/meshops/istio/blob/main/docs/findings.md).
  - Every istiod is asked, by port-forward, which proxies are connected to it and what they reject. Where some are
    missing it is asked again for some seconds.
  - What may not be read is not judged. V(MU090) names each check that was not made.
extends_documentation_fragment:
  - meshops.istio.attributes.info
  - meshops.istio.attributes.action
  - meshops.istio.attributes.action_group
  - meshops.istio.auth
  - meshops.istio.limits
seealso:
  - module: meshops.istio.istio_info
  - module: meshops.istio.istio_revision
  - module: meshops.istio.rollout_restart
author:
  - Meshops maintainers (@meshops)
"""

EXAMPLES = r"""
- name: Check all clusters before and after an upgrade to 1.31.0
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
      expected_cluster_id: "{{ cluster_id }}"
  tasks:
    - name: Stop here if the cluster is not ready
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0

    - name: Be stricter, but accept two owners of the default
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0
        fail_on: warning
        allow:
          - MU012

    - name: Accept one finding, at the objects where it is known, for a while
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0
        waivers:
          - code: MU010
            object: namespace sandbox-*
            expires: "2027-03-31"
            reason: Sandboxes go away with the old cluster, MESH-42.

    - name: Ask istioctl of the target version too
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0
        istioctl: /opt/istio-{version}/bin/istioctl

    - name: Only collect what there is to say
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0
        fail_on: never
      register: precheck

    - name: Show it
      ansible.builtin.debug:
        msg: "{{ item.code }} {{ item.object }}: {{ item.message }} Remedy: {{ item.remedy }}."
      loop: "{{ precheck.findings }}"
      loop_control:
        label: "{{ item.severity }}"

    - name: Prove that the upgrade is complete
      meshops.istio.istio_precheck:
        stage: after
        version: 1.31.0
        revision: 1-31-0
"""

RETURN = r"""
findings:
  description: Everything that was found, worst first, then what is waived. Also returned when the gate fails.
  returned: when the cluster was read
  type: list
  elements: dict
  contains:
    code:
      description: Code of the check. It stays the same in later versions.
      type: str
      sample: MU020
    severity:
      description: V(error), V(warning) or V(info).
      type: str
      sample: error
    title:
      description: The finding in a few words.
      type: str
      sample: stale proxies
    object:
      description: Where it was found.
      type: str
      sample: Deployment reports/monthly
    message:
      description: What was found there.
      type: str
      sample: 2 pods run 1.30.2 of revision 1-30-3, and would get 1.30.3.
    why:
      description: Why it matters.
      type: str
      sample: They run a revision or an image that they would not get now.
    remedy:
      description: What to do about it.
      type: str
      sample: restart them with rollout_restart
    docs:
      description: Where the check is described.
      type: str
      sample: https://github.com/meshops/istio/blob/main/docs/findings.md#mu020
    waived:
      description: The waiver that holds for it, or null.
      type: dict
      contains:
        reason:
          description: Why the finding is accepted.
          type: str
          sample: The batch window is on Sunday, MESH-42.
        expires:
          description: Last day on which the waiver holds.
          type: str
          sample: "2027-03-31"
summary:
  description: Number of findings by severity, and of those that are waived, which no severity counts.
  returned: when the cluster was read
  type: dict
  sample:
    error: 1
    warning: 0
    info: 2
    waived: 1
source_revision:
  description: Revision that the upgrade starts from. Null if there is no other. With O(stage=after) as it was given.
  returned: when the cluster was read
  type: str
  sample: 1-30-3
source_version:
  description: Version of that revision.
  returned: when the cluster was read
  type: str
  sample: 1.30.3
proxies:
  description: Number of live proxies, by revision and version. The version is the tag of the proxy's image.
  returned: when the cluster was read
  type: dict
  sample:
    1-30-3:
      1.30.3: 19
    1-31-0:
      1.31.0: 9
identities:
  description: What each revision calls its mesh, cluster and network, to compare the clusters of one mesh. Empty for a
    revision whose values are not known, such as one before Istio 1.26.
  returned: when the cluster was read
  type: dict
  sample:
    1-30-3:
      mesh_id: paris
      cluster_name: paris-1
      network: seine
      trust_domain: cluster.local
unrestartable:
  description: Pods that are stale now, or whose image is pinned, and that a rollout does not mend. One entry for each
    owner and reason.
  returned: when the cluster was read
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
actions:
  description: Always empty. It is here because all modules of this collection return it.
  returned: when the cluster was read
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
  returned: failure, except that of the gate
  type: dict
  contains:
    kind:
      description: Kind of the failure. V(ParameterError) is a wrong option, V(SafetyError) a refusal. Others are
        V(ClusterError), a cluster that cannot be reached or is not the expected one, and answers of the API server
        such as V(ForbiddenError).
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

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_precheck import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.module import run_module


def main() -> None:
    """Run the module."""
    run_module(CORE)


if __name__ == "__main__":
    main()
