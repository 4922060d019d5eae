#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.istio_precheck: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_precheck
version_added: 1.0.0
short_description: Fail unless an Istio mesh is ready for an upgrade, or has no problems after one
description:
  - Reads the cluster once, runs checks, and fails if they find problems. It changes nothing.
  - With O(stage=before), finds problems that would make an upgrade fail or do harm.
  - With O(stage=after), verifies that the upgrade is complete, and that no proxies, labels or webhooks were forgotten.
  - Each finding has a stable code, a severity, the object, and a remedy.
  - To read a mesh without checks, use M(meshops.istio.istio_info).
options:
  stage:
    description:
      - V(before) an upgrade or V(after) it.
      - After an upgrade stale proxies are errors, and checks that only concern the start of an upgrade do not run.
    type: str
    choices: [before, after]
    default: before
  strategy:
    description:
      - Strategy of the upgrade. It determines which version changes are supported.
      - V(canary) installs a second revision beside the first. It supports two minor versions up, or one down.
      - V(in_place) replaces the control plane of O(revision). It supports one minor version up or down.
      - V(downgrade) supports one minor version down, with a second revision, or in place if O(revision) exists.
    type: str
    choices: [canary, in_place, downgrade]
    default: canary
  version:
    description:
      - Target version of Istio, such as V(1.31.0). Required with O(stage=before).
    type: str
  revision:
    description:
      - Name of the target revision. Required with O(stage=before).
    type: str
  source_revision:
    description:
      - Revision that the upgrade starts from.
      - The default is the one other revision that namespaces follow. If no namespace follows another one, it is the
        default revision, or the only other revision. If namespaces follow several, the task fails.
    type: str
  tag:
    description:
      - Image tag of the target version in the run that follows, as in M(meshops.istio.istio_revision). The default is
        O(version).
      - Finding V(MU120) reports if the installation needs it.
    type: str
  values:
    description:
      - Helm values that the run that follows gives to the installation, as in M(meshops.istio.istio_revision). Finding
        V(MU121) reports those that pin images of another version.
    type: dict
    default: {}
  finalize:
    description:
      - Whether the run that follows moves the tag V(default) to O(revision) in the end. Finding V(MU145) then reports
        that another mesh of the cluster owns the default too.
    type: bool
    default: false
  installer:
    description:
      - Installer of control planes in the run that follows, as in M(meshops.istio.istio_revision). Finding V(MU009)
        lists the permissions that the user lacks for that run.
      - Without this option, the permission to read is enough, and no other permission is checked.
    type: str
    choices: [external, istioctl, helm]
  istioctl:
    description:
      - Path of C(istioctl) on the machine where the task runs. Its analysis runs while the cluster is read, and its
        findings are added. A name without a slash is looked up on E(PATH). Without this option, no C(istioctl) runs.
      - The text C({version}) in it is replaced by the version, as in V(/opt/istio-{version}/bin/istioctl).
      - The binary must have exactly the version O(version), because each version knows its own changes.
      - With O(stage=before), C(istioctl x precheck) and C(istioctl analyze) run, over all namespaces and revisions.
        With O(stage=after), only C(istioctl analyze) runs.
      - Its findings keep their code, such as V(IST0101), and their level. If a check of this module reports the same
        problem at the same object, only the finding of the check is returned, with the code of C(istioctl) in its
        message.
      - C(istioctl) must be allowed to read all objects that Istio's configuration refers to, including Secrets. If it
        may not, or if its output cannot be read within a minute, finding V(MU080) reports that, and all checks still
        run.
      - Missing permissions to install Istio, V(IST0141), are only a note. V(MU009) lists the missing permissions for
        the run that follows, if O(installer) is set.
    type: str
  fail_on:
    description:
      - Lowest severity that fails the task. With V(never) findings are only returned.
    type: str
    choices: [error, warning, never]
    default: error
  show:
    description:
      - Lowest severity that the live lines explain. Findings of a lower severity and waived findings are only counted.
      - The result always has all findings, so a playbook for many clusters can summarize them once, as
        P(meshops.istio.fleet#lookup) does.
    type: str
    choices: [error, warning, info]
    default: info
  allow:
    description:
      - Codes of findings that do not fail the task, such as V(MU012), or V(IST0101) of O(istioctl). They are still
        returned.
    type: list
    elements: str
    default: []
  waivers:
    description:
      - Findings that are accepted at some objects, for a reason and up to a date.
      - A waived finding stays in the result and is marked there. It does not fail the task, whatever O(fail_on) is.
      - An expired waiver no longer applies, and is a finding itself, V(MU092). A waiver that matches no finding before
        an upgrade is V(MU093), so that a list of waivers does not outlive the findings.
    type: list
    elements: dict
    default: []
    suboptions:
      code:
        description:
          - Code of the finding. Codes of C(istioctl analyze), such as V(IST0101), can be waived too.
        type: str
        required: true
      object:
        description:
          - Pattern of objects, as RV(findings[].object) names them. V(*), V(?) and V([abc]) match characters, and the
            case matters. The default accepts the finding everywhere.
        type: str
        default: "*"
      expires:
        description:
          - Last day on which the waiver applies, in UTC, such as V(2027-03-31).
        type: str
        required: true
      reason:
        description:
          - Why the finding is accepted, and by whom.
        type: str
        required: true
  broken_workloads:
    description:
      - Whether the run restarts or leaves workloads that were broken before, as option C(broken_workloads) of
        M(meshops.istio.rollout_restart).
      - With V(leave), old proxies of workloads of which no pod is ready are V(MU021), a warning after an upgrade.
        With V(last), they are V(MU020), an error.
      - RV(left_proxies) counts them with both, so that the report never calls the upgrade done.
    type: str
    choices: [last, leave]
    default: last
  tagged_namespaces:
    description:
      - How the upgrade moves namespaces that follow a tag other than C(default). With V(tag), it moves the tag. With
        V(label), they get a label of their own. With V(stay), neither happens.
    type: str
    choices: [tag, label, stay]
    default: tag
  label_changes:
    description:
      - With V(run), the run after this precheck changes the labels of namespaces. Where a webhook or a policy may
        refuse such a change, or may set other labels, each is sent as a dry run (finding V(MU117)).
      - With V(git), another client changes them, such as a GitOps controller, and the run waits for it. RV(git_changes)
        lists all namespaces then.
    type: str
    choices: [run, git]
    default: run
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
notes:
  - U(https://github.com/meshops/istio/blob/main/docs/findings.md) lists all findings with their severities, reasons and
    remedies.
  - The task queries every istiod through a port-forward for its connected proxies and the configuration that they
    reject. If some proxies are missing, it queries again for some seconds.
  - If the user may not read what a check needs, the check does not run. V(MU090) names each such check.
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
    - name: Fail if the cluster is not ready
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0

    - name: Fail on warnings too, but accept an inconsistent default revision
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0
        fail_on: warning
        allow:
          - MU012

    - name: Accept one finding at some objects up to a date
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0
        waivers:
          - code: MU010
            object: namespace sandbox-*
            expires: "2027-03-31"
            reason: Sandboxes are removed with the old cluster, MESH-42.

    - name: Include the analysis of istioctl of the target version
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0
        istioctl: /opt/istio-{version}/bin/istioctl

    - name: Only collect the findings
      meshops.istio.istio_precheck:
        version: 1.31.0
        revision: 1-31-0
        fail_on: never
      register: precheck

    - name: Show the findings
      ansible.builtin.debug:
        msg: "{{ item.code }} {{ item.object }}: {{ item.message }} Remedy: {{ item.remedy }}."
      loop: "{{ precheck.findings }}"
      loop_control:
        label: "{{ item.severity }}"

    - name: Verify that the upgrade is complete
      meshops.istio.istio_precheck:
        stage: after
        version: 1.31.0
        revision: 1-31-0
"""

RETURN = r"""
findings:
  description: All findings, worst first, and waived ones last. Also returned if the findings fail the task.
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
      description: Object that has the problem.
      type: str
      sample: Deployment reports/monthly
    message:
      description: The problem at this object.
      type: str
      sample: 2 pods run 1.30.2 of revision 1-30-3, and would get 1.30.3.
    why:
      description: Why it matters.
      type: str
      sample: They run a revision or an image that they would not get if they were created now.
    remedy:
      description: How to fix it.
      type: str
      sample: restart them with rollout_restart
    docs:
      description: URL of the documentation of the check.
      type: str
      sample: https://github.com/meshops/istio/blob/main/docs/findings.md#mu020
    waived:
      description: The waiver that applies to it, or null.
      type: dict
      contains:
        reason:
          description: Why the finding is accepted.
          type: str
          sample: The batch window is on Sunday, MESH-42.
        expires:
          description: Last day on which the waiver applies.
          type: str
          sample: "2027-03-31"
summary:
  description: Number of findings by severity. Waived findings are counted separately.
  returned: when the cluster was read
  type: dict
  sample:
    error: 1
    warning: 0
    info: 2
    waived: 1
source_revision:
  description: Revision that the upgrade starts from. Null if no other revision exists. With O(stage=after), the value
    of O(source_revision).
  returned: when the cluster was read
  type: str
  sample: 1-30-3
source_version:
  description: Version of that revision.
  returned: when the cluster was read
  type: str
  sample: 1.30.3
proxies:
  description: Number of live proxies, by revision and version. The version is the tag of the proxy's image. An image
    with a digest only has the version that its revision injects, or V(unknown) if the pod would get another proxy now.
  returned: when the cluster was read
  type: dict
  sample:
    1-30-3:
      1.30.3: 19
    1-31-0:
      1.31.0: 9
target_proxies:
  description: Number of the proxies of O(revision) that run O(version), or whose images do not show a version.
  returned: when the cluster was read
  type: int
  sample: 9
left_proxies:
  description:
    - Number of pods of the mesh whose proxy does not run O(version), or is stale, after an upgrade.
    - It includes proxies that the limits of the run left out, and proxies whose version is unknown.
    - Null with O(stage=before), and without O(version).
  returned: when the cluster was read
  type: int
  sample: 19
left_namespaces:
  description:
    - Namespaces whose labels select a revision of another version after an upgrade, with or without pods.
    - It includes namespaces that the limits of the run left out. Empty with O(stage=before), and without O(version).
  returned: when the cluster was read
  type: list
  elements: str
  sample: []
identities:
  description: The names that each revision has for its mesh, cluster and network, to compare the clusters of one mesh.
    Empty for a revision whose values are unknown, such as one before Istio 1.26.
  returned: when the cluster was read
  type: dict
  sample:
    1-30-3:
      mesh_id: paris
      cluster_name: paris-1
      network: seine
      trust_domain: cluster.local
git_changes:
  description:
    - The labels that the upgrade changes and that another client declares, such as a GitOps controller, Helm or a
      client that uses server-side apply. The owner may put the old labels back, so make the changes at their source.
    - With O(label_changes=git), also the namespaces without a known owner.
  returned: when the cluster was read
  type: list
  elements: dict
  contains:
    kind:
      description: V(namespace), V(tag), or the kind of a workload whose pods have a revision label of their own.
      type: str
      sample: namespace
    namespace:
      description: Namespace of a workload, else empty.
      type: str
      sample: ""
    name:
      description: Name of the namespace, tag or workload.
      type: str
      sample: shop
    owner:
      description: The client that declares the labels. Empty if none is known.
      type: str
      sample: Argo CD application shop
    labels_before:
      description: The labels now. For a workload, those of its pods.
      type: dict
      sample:
        istio-injection: enabled
    labels_after:
      description: The labels after the upgrade. Other labels of RV(git_changes[].labels_before) are removed.
      type: dict
      sample:
        istio.io/rev: 1-31-0
    patch:
      description: The change as a patch of the manifest. A label with null is removed. Null for a tag, which is
        rendered again.
      type: dict
      sample:
        apiVersion: v1
        kind: Namespace
        metadata:
          name: shop
          labels:
            istio-injection: null
            istio.io/rev: 1-31-0
unrestartable:
  description: Pods that are stale, or whose image is pinned, and that a rollout does not update. One entry for each
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
          V(on_delete), V(partition), V(pinned_image), and V(broken_before) with O(broken_workloads=leave).
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
actions:
  description: Always empty. All modules of this collection return it.
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
  description: The failure as data. C(msg) has it as sentences.
  returned: failure, unless findings failed the task
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
