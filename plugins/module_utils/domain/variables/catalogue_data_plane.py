# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the variables that select namespaces and workloads, and that control moves and restarts."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import (
    UPGRADES,
    WRITERS,
    Variable,
    same_help,
)

RESTARTING = same_help("data_plane", "finalize", "rollback")
NAMESPACES_GUIDE, FAILURES_GUIDE = "canary.md#which-namespaces", "canary.md#what-fails"
#: The playbooks that read the limits of a run; the plan and the checks compare the cluster with them.
LIMITED = (*WRITERS, "precheck", "verify")
GIT_GUIDE = "gitops.md#let-git-change-the-labels"
PLANNED = (*UPGRADES, "precheck")
PATTERNS = "names or patterns, such as `pay-*`"

NAMESPACE_VARIABLES = (
    Variable(
        name="istio_waves", type="lists", default=[], unset="all, in waves of `istio_wave_size`", playbooks=LIMITED,
        affects_result=True, guide=NAMESPACES_GUIDE,
        roles={
            "data_plane": f"Waves of namespaces: a list of lists of {PATTERNS}. Only these namespaces are moved, in "
            "this order, and only tags that no other namespace follows. Empty means all namespaces of the source "
            "revision.",
            "finalize": "Lists of namespaces. Only these may be touched, as with `istio_namespaces`.",
            "rollback": "Lists of namespaces. Only these are moved back, in any order, and only tags that no other "
            "namespace follows.",
        },
        help=f"Waves of namespaces: a list of lists of {PATTERNS}. Only these namespaces are moved, in this order "
        "(rollback ignores the order).",
    ),
    Variable(
        name="istio_wave_size", type="int", default=5, playbooks=UPGRADES, affects_result=False,
        roles=same_help("data_plane"), help="Number of namespaces in a wave if `istio_waves` is empty.",
    ),
    Variable(
        name="istio_namespaces", type="list", default=[], unset="all", playbooks=LIMITED, affects_result=True,
        in_survey=True, guide=NAMESPACES_GUIDE,
        roles={
            "data_plane": f"Only these namespaces are moved, and only tags that no other namespace follows: {PATTERNS}."
            " The waves are planned as usual. Empty means all.",
            "finalize": f"Only these namespaces may be touched: {PATTERNS}. Nothing is finalized while another "
            "namespace would follow the default.",
            "rollback": f"Only these namespaces are moved back, and only tags that no other namespace follows: "
            f"{PATTERNS}. Empty means everything that was moved.",
        },
        help=f"Only these namespaces are moved, with tags that no other namespace follows: {PATTERNS}.",
    ),
    Variable(
        name="istio_exclude_namespaces", type="list", default=[], playbooks=LIMITED, affects_result=True,
        role_variable="exclude", guide=NAMESPACES_GUIDE,
        roles={
            "data_plane": f"Namespaces that are not moved: {PATTERNS}. A tag that one of them follows is not moved "
            "either.",
            "finalize": f"Namespaces that are not touched: {PATTERNS}. Nothing is finalized while one of them would "
            "follow the default.",
            "rollback": f"Namespaces that are not moved back: {PATTERNS}. A tag that one of them follows is not moved "
            "back either.",
        },
        help=f"Namespaces that are not moved: {PATTERNS}.",
    ),
    Variable(
        name="istio_tagged_namespaces", type=("tag", "label", "stay"), default="tag", playbooks=PLANNED,
        affects_result=True, options=("istio_precheck.tagged_namespaces",), roles=same_help("data_plane", "precheck"),
        help="How namespaces are moved that follow a tag other than `default`. With `tag`, the tag is moved after all "
        "waves, with everything that follows it. With `label`, they get the label of the revision, in waves, and the "
        "tag is not moved. With `stay`, neither happens.",
    ),
    Variable(
        name="istio_label_changes", type=("run", "git"), default="run", playbooks=PLANNED, affects_result=False,
        options=("istio_precheck.label_changes", "namespace_revision.label_changes"), guide=GIT_GUIDE,
        roles={
            "data_plane": "",
            "precheck": "With `git`, the run waits until Git has moved the namespaces, so that the precheck does not "
            "ask whether the run may move them, and its result lists the changes of all of them.",
        },
        help="With `run`, the run changes the labels of namespaces. With `git`, it shows the changes of each wave, "
        "waits until each namespace leads to the target revision, and then restarts.",
    ),
    Variable(
        name="istio_git_timeout", type="int", default=1800, playbooks=UPGRADES, affects_result=False,
        options=("namespace_revision.git_timeout",), roles=same_help("data_plane"), guide=GIT_GUIDE,
        help="Seconds to wait in each wave until Git has moved its namespaces, if `istio_label_changes` is `git`. Then "
        "the run restarts those that have moved, and stops.",
    ),
    Variable(
        name="istio_git_changes", type="text", default="", playbooks=PLANNED, affects_result=False,
        roles=same_help("precheck"), guide="gitops.md#the-changes-to-make",
        help="Folder on the controller, by absolute path, where the precheck writes the changes of labels that belong "
        "in Git: one file of patches for each cluster. Empty writes none.",
    ),
    Variable(
        name="istio_percent", type="int", default="", playbooks=UPGRADES, affects_result=True,
        options=("rollout_restart.percent",), roles=same_help("data_plane"),
        guide="canary.md#a-percentage-of-workloads",
        help="Percentage of the workloads that select the source revision by labels of their own pods to move, after "
        "waves and tags. Empty moves none of them.",
    ),
    Variable(
        name="istio_run_id", type="text", default="", unset="the last run that was not a rollback",
        playbooks=("rollback",), affects_result=False, in_survey=True,
        options=("istio_info.run_id", "istio_tag.run_id", "namespace_revision.run_id", "rollout_restart.run_id"),
        roles={"rollback": "Id of the run to undo. Empty means the last run that was not a rollback."},
        help="Id of the run to undo, as the playbook status shows it.", guide="status.md",
    ),
)  # fmt: skip
RESTART_VARIABLES = (
    Variable(
        name="istio_batch_size", type="amount", default="10", playbooks=WRITERS, affects_result=False,
        options=("rollout_restart.batch_size",), roles=RESTARTING,
        help="Number of workloads that are restarted together, or a percentage, such as `10%`.",
    ),
    Variable(
        name="istio_max_pods", type="int", default="", playbooks=WRITERS, affects_result=False,
        options=("rollout_restart.max_pods",), roles=RESTARTING,
        help="Maximum number of pods in the workloads of one batch. A larger workload is restarted alone. Empty "
        "means no limit.",
    ),
    Variable(
        name="istio_max_unavailable", type="amount", default="", playbooks=WRITERS, affects_result=False,
        options=("rollout_restart.max_unavailable",), roles=RESTARTING,
        help="Maximum number of pods of a namespace that may be unavailable at the same time, or a percentage, such as "
        "`20%`. A workload that exceeds it is restarted without others of its namespace. Empty means no limit.",
    ),
    Variable(
        name="istio_order", type=("name", "smallest", "annotation"), default="name", playbooks=WRITERS,
        affects_result=False, options=("rollout_restart.order",), roles=RESTARTING,
        help="Order of the workloads of a wave: by name, those with the fewest replicas first, or by their annotation "
        "`meshops.istio/restart-order`.",
    ),
    Variable(
        name="istio_pause", type="int", default=0, playbooks=WRITERS, affects_result=False,
        options=("rollout_restart.pause",), roles=RESTARTING, help="Seconds to wait between two batches.",
    ),
    Variable(
        name="istio_not_after", type="text", default="", playbooks=WRITERS, affects_result=False,
        options=("rollout_restart.not_after",), roles=RESTARTING, guide="canary.md#maintenance-window",
        help="End of the maintenance window: a time of day in UTC, such as `04:00`, or a timestamp, such as "
        "`2026-03-01T04:00:00Z`. After it, nothing more is moved, restarted or removed, and the run ends without a "
        "failure. Empty means no end.",
    ),
    Variable(
        name="istio_batch_timeout", type="int", default=300, playbooks=WRITERS, affects_result=False,
        options=("rollout_restart.batch_timeout",), roles=RESTARTING, guide=FAILURES_GUIDE,
        help="Seconds for which the rollout of a workload may make no progress.",
    ),
    Variable(
        name="istio_budget_timeout", type="int", default=120, playbooks=WRITERS, affects_result=False,
        options=("rollout_restart.budget_timeout",), roles=RESTARTING,
        help="Seconds to wait until a PodDisruptionBudget allows a disruption.",
    ),
    Variable(
        name="istio_log_lines", type="int", default=10, playbooks=WRITERS, affects_result=False,
        options=("rollout_restart.log_lines",), roles=RESTARTING,
        help="Number of the last log lines of a container in the evidence of a failed restart. `0` for none, where "
        "logs may contain confidential data.",
    ),
    Variable(
        name="istio_on_failure", type=("rollback", "hold"), default="rollback", playbooks=UPGRADES,
        affects_result=False, options=("rollout_restart.on_failure",), roles=same_help("data_plane"),
        guide=FAILURES_GUIDE,
        help="Reaction to a wave that fails because of the proxy or its revision.",
    ),
    Variable(
        name="istio_on_workload_failure", type=("rollback", "hold", "stop"), default="", unset="as `istio_on_failure`",
        playbooks=UPGRADES, affects_result=False, options=("rollout_restart.on_workload_failure",),
        roles={
            "data_plane": "Reaction to a workload that fails for its own reasons. The others and the later waves "
            "continue, and the role fails at its end. With `stop`, the wave fails. Empty means the value of "
            "`istio_on_failure`.",
        },
        help="Reaction to a workload that fails for its own reasons. The others and the later waves continue, and "
        "the run fails at its end. With `stop`, the wave fails.", guide=FAILURES_GUIDE,
    ),
    Variable(
        name="istio_broken_workloads", type=("last", "leave"), default="last", affects_result=True,
        playbooks=(*UPGRADES, "precheck", "verify"), guide=FAILURES_GUIDE,
        options=("rollout_restart.broken_workloads", "istio_precheck.broken_workloads"),
        roles={
            "data_plane": "", "finalize": "",
            "precheck": "Whether the run restarts workloads of which no pod is ready. With `leave`, it leaves them.",
            "verify": "Whether the run restarted workloads of which no pod is ready. With `leave`, they are no error.",
        },
        help="Workloads that were broken before, which are those of which no pod is ready. With `last`, they are "
        "restarted after the others of their wave. With `leave`, they are not restarted, and the cluster is "
        "incomplete.",
    ),
    Variable(
        name="istio_gates", type="dict", default={}, playbooks=WRITERS, affects_result=False,
        options=("rollout_restart.gates",), roles=RESTARTING,
        help="Additional gates that each batch of restarts has to pass, such as `{soak: 30, connected: true}`, as "
        "option `gates` of `meshops.istio.rollout_restart`.",
    ),
    Variable(
        name="istio_hooks", type="dict", default={}, playbooks=UPGRADES, affects_result=False,
        roles=same_help("data_plane"), guide="canary.md#hooks",
        help="Files of tasks to run for each wave, `before_wave` and `after_wave`, by absolute path. If a task fails, "
        "the wave fails.",
    ),
)  # fmt: skip
