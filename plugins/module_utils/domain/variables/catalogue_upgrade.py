# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the variables that decide the target of an upgrade, and the installation and removal of control planes."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import (
    UPGRADES,
    WRITERS,
    Variable,
    same_help,
)

CHECKED = (*UPGRADES, "precheck", "verify")
HANDOVER = "For the handover: "

TARGET_VARIABLES = (
    Variable(
        name="istio_strategy", type=("canary", "in_place", "downgrade", "rollback"), default="canary",
        internal_choices=("rollback",), playbooks=CHECKED, affects_result=True, in_survey=True,
        options=("istio_precheck.strategy", "istio_revision.strategy"),
        roles=same_help("control_plane", "precheck", "verify"),
        help="Playbook of the upgrade: `canary` installs beside the running revision, `in_place` replaces it, "
        "`downgrade` does either.",
    ),
    Variable(
        name="istio_downgrade_strategy", type=("side_revision", "in_place"), default="side_revision",
        playbooks=("downgrade", "precheck", "verify"), affects_result=True, in_survey=True,
        help="`side_revision` installs the older version beside the newer one. `in_place` replaces the newer control "
        "plane; until the restarts are done, proxies are newer than it.",
    ),
    Variable(
        name="istio_version", type="text", default="", unset="required", playbooks=(*CHECKED, "status"),
        affects_result=True, required_by_roles=True, in_survey=True,
        options=("istio_precheck.version", "istio_revision.version", "istio_tag.version"),
        roles=same_help("control_plane", "data_plane", "finalize", "precheck", "verify"),
        help="Target version, such as `1.31.0`.",
    ),
    Variable(
        name="istio_revision", type="text", default="", playbooks=CHECKED, affects_result=True,
        unset="the version with dashes; in place `default`, which is the installation without a revision",
        required_by_roles=True, in_survey=True,
        options=(
            "istio_precheck.revision", "istio_revision.revision", "istio_tag.revision", "namespace_revision.revision",
            "rollout_restart.revision",
        ),
        roles=same_help("control_plane", "data_plane", "finalize", "precheck", "verify"),
        help="Name of the target revision.",
    ),
    Variable(
        name="istio_source_revision", type="text", default="", playbooks=CHECKED, affects_result=True,
        unset="the default revision, or the only other one; none in verify",
        options=("istio_precheck.source_revision", "istio_revision.source_revision", "rollout_restart.source_revision"),
        roles={
            "control_plane": "Revision whose settings are carried over. Empty means the default revision, or the only "
            "other one.",
            "data_plane": "Revision that namespaces are moved away from. Empty moves nothing and only restarts stale "
            "workloads.",
            "finalize": "Revision that is removed. Empty removes nothing.",
            "precheck": "Revision that the upgrade starts from. Empty means the default revision, or the only other "
            "one.",
            "verify": "Revision that the upgrade started from.",
        },
        help="Revision that the upgrade starts from.",
    ),
)  # fmt: skip
INSTALLATION_VARIABLES = (
    Variable(
        name="istio_installer", type=("istioctl", "helm", "external"), default="istioctl",
        playbooks=(*UPGRADES, "precheck"), affects_result=True,
        options=("istio_precheck.installer", "istio_revision.installer"),
        roles=same_help("control_plane", "finalize", "precheck"), guide="installers.md",
        help="Installer of control planes. With `external`, the run waits for another installer. The precheck checks "
        "the permissions that the installer needs.",
    ),
    Variable(
        name="istio_istioctl", type="text", default="", unset="`istioctl`; none in precheck",
        playbooks=(*WRITERS, "precheck"), affects_result=False,
        options=("istio_precheck.istioctl", "istio_revision.istioctl", "istio_tag.istioctl"),
        roles={
            "control_plane": "", "data_plane": "", "finalize": "", "rollback": "",
            "precheck": "Path of the `istioctl` of the target version, whose analysis the precheck includes. "
            "`{version}` is replaced by the version. Empty includes none.",
        },
        role_defaults=dict.fromkeys(("control_plane", "data_plane", "finalize", "rollback"), "istioctl"),
        help="Path of `istioctl`. `{version}` is replaced by the version.", guide="findings.md#codes-of-istio",
    ),
    Variable(
        name="istio_helm", type="text", default="helm", playbooks=UPGRADES, affects_result=False,
        options=("istio_revision.helm",), roles=same_help("control_plane", "finalize"), guide="installers.md#helm",
        help="Path of Helm, for the installer `helm`.",
    ),
    Variable(
        name="istio_charts", type="text", default="https://istio-release.storage.googleapis.com/charts",
        unset="Istio's own repository", playbooks=UPGRADES, affects_result=True, options=("istio_revision.charts",),
        roles=same_help("control_plane"), guide="installers.md#helm",
        help="Folder or URL of Istio's charts, for the installer `helm`. `{version}` is replaced by the version.",
    ),
    Variable(
        name="istio_end_pending_releases", type="list", default=[], playbooks=UPGRADES, affects_result=False,
        options=("istio_revision.end_pending_releases",), roles=same_help("control_plane", "finalize"),
        guide="installers.md#helm",
        help="Helm releases whose pending state is ended although another helm process left it. Only for a process "
        "that is known to be dead.",
    ),
    Variable(
        name="istio_profile", type="text", default="minimal", playbooks=UPGRADES, affects_result=True,
        options=("istio_revision.profile",),
        roles={"control_plane": "", "finalize": f"{HANDOVER}the profile that the new revision was installed with."},
        help="Installation profile. `minimal` leaves the shared gateways and the CNI of another revision unchanged.",
    ),
    Variable(
        name="istio_components", type="dict", default={}, playbooks=UPGRADES, affects_result=True,
        options=("istio_revision.components",),
        roles={
            "control_plane": "",
            "finalize": f"{HANDOVER}components of an IstioOperator, for settings of gateways that are not Helm values.",
        },
        help="Components of an IstioOperator in addition to those of the profile, for settings that are not Helm "
        "values.",
    ),
    Variable(
        name="istio_values", type="dict", default={}, playbooks=(*UPGRADES, "precheck"), affects_result=True,
        options=("istio_precheck.values", "istio_revision.values"),
        roles={
            "control_plane": "", "precheck": "",
            "finalize": f"{HANDOVER}the values that the new revision was installed with.",
        },
        help="Helm values that override the settings carried over from the running revision.",
    ),
    Variable(
        name="istio_tag", type="text", default="", unset="the version", playbooks=(*CHECKED, "status"),
        affects_result=True, options=("istio_precheck.tag", "istio_revision.tag"), guide="installers.md#image-tags",
        roles={
            "control_plane": "Image tag, if it differs from the version. The variant of the source, such as "
            "`-distroless`, is kept.",
            "data_plane": "Image tag of the revision, for check mode, if it differs from the version.",
            "precheck": "Image tag of the target version, if it differs from the version.",
            "verify": "Image tag of the target version, if it differs from the version.",
            "finalize": f"{HANDOVER}the image tag, if it differs from the version.",
        },
        help="Image tag, if it differs from the version. The variant of the source, such as `-distroless`, is kept; a "
        "vendor's build needs this variable.",
    ),
    Variable(
        name="istio_allow_setting_changes", type="list", default=[], playbooks=UPGRADES, affects_result=False,
        options=("istio_revision.allow_setting_changes", "istio_tag.allow_setting_changes"),
        roles={
            "control_plane": "Settings of the running revision that may change or get lost, as dotted paths of Helm "
            "values or as the refusal names them.",
            "data_plane": "Settings of the webhooks of a tag that its move may reset, as the refusal names them.",
            "finalize": "Settings of the webhooks of the default that its move may reset, as the refusal names them. "
            f"{HANDOVER}objects whose settings may get lost, such as "
            "`Service istio-system/istio-ingressgateway`, and settings that may change.",
        },
        help="Settings of the running control plane that may change although a user set them, as dotted paths of Helm "
        "values, objects whose settings may get lost in a handover, and settings that only the cluster holds or that "
        "the move of a tag resets, as the refusal names them. Patterns with `*` accept several of the latter.",
    ),
    Variable(
        name="istio_allow_default_change", type="bool", default=False, playbooks=UPGRADES, affects_result=True,
        options=("istio_revision.allow_default_change",), roles=same_help("control_plane"),
        help="Whether an installation without a revision may take the default from the revision that has it.",
    ),
    Variable(
        name="istio_timeout", type="int", default=300, playbooks=UPGRADES, affects_result=False,
        options=("istio_revision.timeout",),
        roles={
            "control_plane": "Seconds until the control plane must be ready.",
            "finalize": "Seconds until the old revision must be removed.",
        },
        help="Seconds until the control plane must be ready, or the old one removed.",
    ),
)  # fmt: skip
FINDING_VARIABLES = (
    Variable(
        name="istio_fail_on", type=("error", "warning", "never"), default="error", playbooks=CHECKED,
        affects_result=False, options=("istio_precheck.fail_on",), roles=same_help("precheck", "verify"),
        help="Lowest severity of a finding that counts as a failure. With `never`, findings are only reported.",
    ),
    Variable(
        name="istio_allow", type="list", default=[], playbooks=CHECKED, affects_result=False,
        options=(
            "istio_precheck.allow", "istio_revision.allow", "istio_tag.allow", "namespace_revision.allow",
            "rollout_restart.allow",
        ),
        roles={
            "control_plane": "Codes of findings that do not stop the installation.",
            "data_plane": "Codes of findings despite which namespaces, tags and workloads are moved, such as `MU053`.",
            "finalize": "Codes of findings that stop neither the handover nor the move of the default.",
            "precheck": "",
            "verify": "",
        },
        help="Codes of findings that do not count as a failure.", guide="findings.md",
    ),
    Variable(
        name="istio_waivers", type="dicts", default=[], playbooks=CHECKED, affects_result=False,
        options=("istio_precheck.waivers",), roles=same_help("precheck", "verify"), guide="precheck.md#waivers",
        help="Findings that are accepted: `code`, `expires` and `reason` each, and optionally a pattern of "
        "`object`.",
    ),
)  # fmt: skip
FINALIZE_VARIABLES = (
    Variable(
        name="istio_finalize", type="bool", default=False, unset="`false`; `true` in downgrade",
        playbooks=(*UPGRADES, "precheck"), options=("istio_precheck.finalize",), roles=same_help("precheck"),
        affects_result=True, help="Whether the default moves to the new revision and the old revision is removed.",
    ),
    Variable(
        name="istio_adopt_shared_components", type="bool", default=False, playbooks=UPGRADES, affects_result=True,
        options=("istio_revision.adopt_shared_components",), roles=same_help("finalize"),
        guide="canary.md#gateways-cni-and-ztunnel",
        help="Whether gateways, CNI and ztunnel of the old revision are handed over to the new one before the old one "
        "is removed.",
    ),
    Variable(
        name="istio_allow_blockers", type="list", default=[], playbooks=UPGRADES, affects_result=False, in_survey=True,
        options=("istio_revision.allow_blockers",), roles=same_help("finalize"), guide="canary.md#blockers",
        help="Codes of blockers despite which the old revision is removed. Each breaks something; a warning names the "
        "consequence.",
    ),
)  # fmt: skip
