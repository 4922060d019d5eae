#!/usr/bin/python
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module meshops.istio.istio_revision: its documentation and entry point; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
module: istio_revision
version_added: 1.0.0
short_description: Install an Istio control plane revision, or remove one
description:
  - With O(state=present), installs a revision beside the existing ones, with the C(istioctl) of its version.
    Workloads stay on their present revision.
  - The changes are computed exactly before the installation. C(istioctl) renders the objects, and the API server
    compares each with the live one by a server-side dry run. If nothing differs, nothing is installed.
  - The settings of the revision that the upgrade starts from are carried over, and O(values) are merged into them.
  - The task succeeds only when the revision is proven to take workloads. Its Deployment C(istiod) must be rolled out,
    its webhook must have a C(caBundle), and a pod created as a server-side dry run must be returned with the expected
    image.
  - With O(state=absent), removes a revision that nothing needs any more. Otherwise the task fails, removes nothing
    and returns every blocker.
  - Blockers are namespaces, tags and default objects that point at the revision, live proxies on it, pods, workloads
    and CronJobs that would get it next, and gateways, CNI and ztunnel that C(istioctl) would delete with it.
  - A removal also deletes objects that C(istioctl) leaves, such as webhooks, and the remains of an interrupted removal.
options:
  revision:
    description:
      - Name of the revision, a DNS label such as V(1-31-0). A name that contains the version is best, because a
        revision keeps its version.
      - V(default) is the installation without a revision. It can be replaced in place or removed; a canary needs
        another name.
    type: str
    required: true
  state:
    description:
      - V(present) installs the revision, or restores its objects.
      - V(absent) removes it.
    type: str
    choices: [present, absent]
    default: present
  version:
    description:
      - Istio version to install, such as V(1.31.0). Required with O(state=present).
      - With O(state=absent), the version of the C(istioctl) to use. By default it is the version of the revision, or of
        another revision if it has no C(istiod).
    type: str
  strategy:
    description:
      - V(canary) installs beside the running revision. It may upgrade by two minor versions, or downgrade by one.
      - V(in_place) replaces the control plane of O(revision), which must exist. The version may change by one minor
        version.
      - V(downgrade) downgrades by one minor version, beside the running revision, or in place if O(revision) is the
        running one.
    type: str
    choices: [canary, in_place, downgrade]
    default: canary
  allow_setting_changes:
    description:
      - Settings of the running revision that may change, as dotted paths of Helm values such as
        V(pilot.env.PILOT_TRACE_SAMPLING). The installation is refused if another setting of a user would change.
      - Also objects that may lose settings when they are taken over, such as
        V(Service istio-system/istio-ingressgateway).
      - Also settings that only the cluster holds (RV(settings.cluster_only)), by name, such as
        V(meshConfig.outboundTrafficPolicy.mode) or V(Deployment istio-system/istiod spec.template.spec.nodeSelector).
        The object or the path of the field alone, and patterns with V(*), accept several of them.
    type: list
    elements: str
    default: []
  installer:
    description:
      - The tool that installs and removes control planes in this cluster.
      - V(istioctl) is the C(istioctl) of the version.
      - V(helm) is Helm with the charts of the version. It uses the release names of the Istio documentation,
        V(istio-base), and V(istiod) or V(istiod-<revision>). The release of an existing revision is read from its
        objects. Tags are still moved by C(istioctl).
      - V(external) is another tool, such as the Sail Operator or the Istio add-on of AKS, or a control plane in
        another place. Then this module installs and removes nothing. With O(state=present), it waits until the
        revision is installed, at most O(timeout) seconds, and proves it. With O(state=absent), it fails if anything
        still needs the revision.
      - Objects of an operator are never written, and a revision of V(helm) only with V(helm).
    type: str
    choices: [istioctl, helm, external]
    default: istioctl
  istioctl:
    description:
      - C(istioctl) on the machine where the task runs. A name without a slash is looked up on E(PATH).
      - The text C({version}) in it is replaced by the version, as in V(/opt/istio-{version}/bin/istioctl).
      - The binary must be of exactly that version, because it installs its own version.
      - Not used with O(installer=helm).
    type: str
    default: istioctl
  helm:
    description:
      - C(helm) on the machine where the task runs, of version 3 or 4. A name without a slash is looked up on E(PATH).
      - Used with O(installer=helm) only.
    type: str
    default: helm
  charts:
    description:
      - Location of the Istio charts, for O(installer=helm). A folder with V(base) and V(istiod), each as a folder or
        as V(base-<version>.tgz), or the URL of a chart repository, or a URL that starts with V(oci://).
      - The text C({version}) in it is replaced by the version.
      - The charts must be of exactly that version.
    type: str
    default: https://istio-release.storage.googleapis.com/charts
  end_pending_releases:
    description:
      - Releases whose pending state is ended although the helm of another client left it, for O(installer=helm). Use
        it only if that helm is known to be dead, because the cluster does not show that.
      - Without it, such a release fails the task after its helm had O(timeout) seconds. The pending state that a killed
        task of this collection left is ended in any case.
    type: list
    elements: str
    default: []
  profile:
    description:
      - Installation profile. V(minimal) is the control plane alone, which is enough for a second revision.
      - Profiles with gateways or CNI would take these from the revision that owns them; see
        O(adopt_shared_components).
      - Not used with O(installer=helm), whose charts have their own profiles in V(values.profile).
    type: str
    default: minimal
  source_revision:
    description:
      - Revision that the upgrade starts from. Its settings are carried over, and the supported change of version is
        checked against its version.
      - The default is the one other revision that namespaces follow; without such a revision, the default revision,
        or the only other one. If namespaces follow several revisions, the task fails.
    type: str
  carry_over:
    description:
      - Whether to carry the settings over. They come from the ConfigMap C(values-<revision>), which Istio writes
        since 1.26.
      - If O(revision) exists already, its own settings are kept.
      - The revision, the tag and default settings are not carried over.
        The hub is carried over unless it is one of Istio's own.
    type: bool
    default: true
  values:
    description:
      - Helm values of Istio, as below C(spec.values) of an IstioOperator, or as for the chart C(istiod) with
        O(installer=helm). Mappings are merged into the carried settings, other values replace them.
    type: dict
    default: {}
  tag:
    description:
      - Tag of the images. The default is O(version), with the image variant of the source, such as C(distroless).
      - Required if the source runs a custom tag, such as that of a vendor, because the tag of another version does not
        follow from it.
    type: str
  adopt_shared_components:
    description:
      - Whether this revision may take over the gateways, CNI and ztunnel of the revision that it starts from. It must
        be proven before. All objects that change hands are returned in RV(taken_over), and the task waits until they
        are rolled out.
      - With V(false), an installation that would take objects over as a side effect is refused.
      - The revision keeps the components that it owns already, whatever O(profile) is.
    type: bool
    default: false
  components:
    description:
      - Components of an IstioOperator, as below C(spec.components), in addition to those of O(profile) and those that
        the revision owns. Use it for settings that no Helm value holds. Gateways are matched by their names.
    type: dict
    default: {}
  allow_default_change:
    description:
      - Whether this revision may become the default if there is no tag V(default). In that case C(istioctl) makes any
        installed revision the default. An installation without a revision takes the default from any other.
      - With V(false) the task is refused in that case, unless no other control plane is installed.
    type: bool
    default: false
  timeout:
    description:
      - Seconds that the installer may take, and that the proof may take after that.
      - With O(installer=helm), also the seconds after which a pending release of a killed C(helm) is ended. Its pending
        record is removed then, and the upgrade is started again.
      - With O(state=absent), seconds until C(istioctl) must have ended, and again until the objects must be gone.
    type: int
    default: 300
  allow:
    description:
      - Codes of findings that do not refuse an installation. Checked are V(MU001), an unsupported change of version,
        V(MU002), a Kubernetes that is too old, V(MU005), a revision of this name with another version, and V(MU053),
        configuration that stops applying because the default moves as a side effect.
      - See M(meshops.istio.istio_precheck) for the codes.
    type: list
    elements: str
    default: []
  allow_blockers:
    description:
      - Codes of blockers that do not refuse a removal. A blocker with another code still refuses it.
      - Each overridden blocker is returned in RV(overridden), and there is a warning for each code.
      - With V(shared_component), gateways, CNI or ztunnel are deleted, so traffic through them fails immediately.
      - With V(namespace), V(tag) or V(selects_revision), new pods start without a proxy and without an error. The tags
        are removed with the revision.
      - With V(live_proxy) or V(connected_proxy), proxies get no configuration any more, and no new certificate when
        their present one expires. V(connected_proxy) stands for proxies that only C(istiod) knows, such as machines and
        pods of other clusters.
      - With V(bound_workload), the pods of a workload that names C(istiod) of the revision by its address, such as
        C(ztunnel), reach no C(istiod) any more.
      - With V(terminating_proxy), terminating pods get no new endpoints until they are gone. The task waits for pods
        that are gone within O(timeout).
      - With V(configuration), Istio configuration and Gateway API routes with the revision in the label
        C(istio.io/rev) have no effect any more. Requests that such an AuthorizationPolicy denied are allowed.
      - With V(not_checked), objects that could not be read may still need the revision, because the user may not read
        them or C(istiod) does not answer.
      - With V(default_validator) or V(default_service), that object is removed with the revision.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
    details:
      - Starts the installer only to render and to read. Other objects are read, or written as a server-side dry run.
      - With O(planned), an installation shows only the objects that it would take over. The earlier task would make the
        other changes.
  diff_mode:
    support: full
    details:
      - Shows the control planes, the default, and each object with at most 25 of its fields, before and after.
      - With O(state=absent) it shows every object that is removed.
  idempotent:
    support: full
notes:
  - CRDs are never downgraded. If those of the cluster are newer than O(version), they are left alone, with Helm the
    whole release of the chart V(base).
  - The default never changes as a side effect. Its target is planned before the installation, and checked after it.
    With Helm, value V(defaultRevision) of the chart V(base) is set to the revision of the mesh-wide validator.
  - An installation that would delete objects of the revision, because O(profile) or O(values) became smaller, is
    refused.
  - It never moves a namespace or a tag, and never restarts a workload.
  - After a failed installation existing workloads are unchanged. Fix the cause and run again.
requirements:
  - istioctl of the version to install, or of the version to remove; or Helm 3 or 4
extends_documentation_fragment:
  - meshops.istio.attributes
  - meshops.istio.attributes.action
  - meshops.istio.attributes.action_group
  - meshops.istio.auth
  - meshops.istio.planned
seealso:
  - module: meshops.istio.istio_precheck
  - module: meshops.istio.istio_tag
  - module: meshops.istio.namespace_revision
  - name: Canary upgrades
    description: Two control planes side by side, step by step.
    link: https://istio.io/latest/docs/setup/upgrade/canary/
author:
  - Meshops maintainers (@meshops)
"""

EXAMPLES = r"""
- name: Install a new control plane beside the present one
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
      expected_cluster_id: "{{ cluster_id }}"
  tasks:
    - name: Install revision 1-31-0 with the settings of the default revision
      meshops.istio.istio_revision:
        revision: 1-31-0
        version: 1.31.0
        istioctl: /opt/istio-{version}/bin/istioctl

    - name: Install a revision in a mesh that Helm installed
      meshops.istio.istio_revision:
        revision: 1-31-0
        version: 1.31.0
        installer: helm
        charts: /opt/istio/charts/{version}

    - name: Install another revision with more replicas and with images from a private registry
      meshops.istio.istio_revision:
        revision: 1-31-1
        version: 1.31.1
        source_revision: 1-31-0
        istioctl: /opt/istio-{version}/bin/istioctl
        values:
          global:
            hub: registry.example.com/istio
          pilot:
            autoscaleMin: 2

- name: Remove the previous control plane
  hosts: clusters
  connection: local
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio:
      kubeconfig: ~/.kube/fleet.yaml
      context: "{{ inventory_hostname }}"
  tasks:
    # If anything still needs the revision, the task fails and failure.blockers lists all of it.
    - name: Remove revision 1-30-3
      meshops.istio.istio_revision:
        revision: 1-30-3
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
    - "install revision 1-31-0 (1.31.0): create 17 objects, update 16 objects"
revision:
  description: Name of the revision.
  returned: success
  type: str
  sample: 1-31-0
version:
  description: Version of the revision.
  returned: success and O(state=present)
  type: str
  sample: 1.31.0
source_revision:
  description: Revision that the upgrade started from. Null if there is no other.
  returned: success and O(state=present)
  type: str
  sample: 1-30-3
removable:
  description: Whether nothing needs the revision any more, so that its installer may remove it.
  returned: success, O(state=absent), O(installer=external) and the revision still exists
  type: bool
  sample: true
settings:
  description: Helm values that the target version renders differently from the same settings, as dotted paths with the
    values before and after.
  returned: success and O(state=present)
  type: dict
  contains:
    user:
      description: Settings that a user gave to the source. These changes need O(allow_setting_changes).
      type: dict
      sample: {}
    cluster_only:
      description:
        - Settings that get lost because only objects of the cluster hold them, such as edits by C(kubectl edit) and
          components of an C(IstioOperator). The names are those of O(allow_setting_changes). Null stands for absent.
        - These changes need O(allow_setting_changes).
      type: dict
      sample:
        meshConfig.outboundTrafficPolicy.mode: [REGISTRY_ONLY, ALLOW_ANY]
    defaults:
      description: Defaults of charts and profile.
      type: dict
      sample:
        global.logging.level: ["default:info", "default:warn"]
taken_over:
  description: Objects of shared gateways, CNI and ztunnel that change hands.
  returned: success and O(state=present)
  type: list
  elements: str
  sample:
    - Deployment istio-system/istio-ingressgateway
overridden:
  description: Blockers that O(allow_blockers) overrode, with the same keys as RV(failure.blockers).
  returned: success and O(state=absent)
  type: list
  elements: dict
  sample: []
changes:
  description: Objects that were created or updated. In check mode those that the task would create or update.
  returned: success and O(state=present)
  type: list
  elements: dict
  contains:
    kind:
      description: Kind of the object.
      type: str
      sample: CustomResourceDefinition
    namespace:
      description: Its namespace. Empty for cluster-scoped objects.
      type: str
      sample: ""
    name:
      description: Its name.
      type: str
      sample: authorizationpolicies.security.istio.io
    change:
      description: V(create) or V(update).
      type: str
      sample: update
    fields:
      description: Paths of the fields that an update changes, at most 25. Their values are in the diff.
      type: list
      elements: str
      sample:
        - metadata.labels.istio.io/rev
        - metadata.labels.operator.istio.io/version
    field_count:
      description: Number of all fields that an update changes.
      type: int
      sample: 2
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
  description: Number of requests that the task sent to the API server, without those of C(istioctl) and Helm.
  returned: when the connection options are usable
  type: dict
  contains:
    reads:
      description: Requests that read.
      type: int
      sample: 46
    writes:
      description: Requests that changed something. Always V(0) in check mode.
      type: int
      sample: 0
    dry_runs:
      description: Requests that the API server computed without storing the result.
      type: int
      sample: 17
failure:
  description: The failure as data. C(msg) has it as sentences.
  returned: failure
  type: dict
  contains:
    kind:
      description: Kind of the failure. V(ParameterError) is a wrong option, V(SafetyError) a refusal, V(ProofError) a
        revision that is not proven, V(IstioctlError) and V(HelmError) an installer that failed. Others are
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
    blockers:
      description: All objects that still need the revision.
      returned: when O(state=absent) is refused
      type: list
      elements: dict
      contains:
        code:
          description:
            - One of V(tag), V(namespace), V(default_validator), V(default_service), V(live_proxy),
              V(terminating_proxy), V(connected_proxy), V(bound_workload), V(selects_revision), V(configuration),
              V(shared_component) and V(not_checked).
          type: str
          sample: namespace
        object:
          description: The object that needs it.
          type: str
          sample: namespace payments
        message:
          description: The reason.
          type: str
          sample: namespace payments selects 1-30-3, which is revision 1-30-3
        remedy:
          description: How to resolve it.
          type: str
          sample: "move it: namespace_revision namespaces=payments revision=..."
"""

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.module import run_module


def main() -> None:
    """Run the module."""
    run_module(CORE)


if __name__ == "__main__":
    main()
