# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The core of module istio_precheck: the gate before, and the proof after, an upgrade."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import source_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.identity import identity
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    BEFORE,
    INFO,
    SEVERITIES,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_findings import merge_findings
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import (
    require_known_codes,
    run_checks,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.report import (
    blocking_findings,
    count_by_severity,
    failure_message,
    report_lines,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.waivers import apply_waivers, parse_waivers
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    MINOR_STEPS,
    parse_version,
    require_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.istioctl_analysis import (
    prepare_analysis,
    require_istioctl_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import (
    NEEDED,
    missing_permissions,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies import with_proxies
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.limits_option import (
    LIMITS_SPEC,
    require_named,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)

SPEC = ArgumentSpec(
    {
        "stage": {"type": "str", "choices": ["before", "after"], "default": "before"},
        "strategy": {"type": "str", "choices": list(MINOR_STEPS), "default": "canary"},
        "version": {"type": "str"},
        "revision": {"type": "str"},
        "source_revision": {"type": "str"},
        "installer": {"type": "str", "choices": list(NEEDED)},
        "fail_on": {"type": "str", "choices": ["error", "warning", "never"], "default": "error"},
        "show": {"type": "str", "choices": list(SEVERITIES), "default": INFO},
        "allow": {"type": "list", "elements": "str", "default": []},
        "istioctl": {"type": "str"},
        "waivers": {"type": "list", "elements": "dict", "default": []},
        **LIMITS_SPEC,
    },
    required_if=(("stage", "before", ("version", "revision")),),
)


def check(params: Mapping[str, t.Any]) -> None:
    """Refuse unknown codes and versions, and waivers that are wrong, before any request."""
    require_known_codes(params["allow"])
    parse_waivers(params["waivers"])
    require_istioctl_version(params)
    if params.get("version"):
        require_version(params["version"])


def run(task: TaskContext) -> TaskResult:
    """Read the cluster once, run every check of the stage, and say what was found."""
    params = task.params
    theirs = prepare_analysis(task)
    snapshot = task.snapshot(pods=True, precheck_inputs=True, meanwhile=theirs.start)
    require_named(task, snapshot)
    snapshot = with_proxies(task.client, snapshot)
    if params["installer"] and params["stage"] == BEFORE:
        lacking = missing_permissions(task.client, NEEDED[params["installer"]], task.istio_namespace)
        snapshot = dataclasses.replace(
            snapshot, precheck_inputs=dataclasses.replace(snapshot.precheck_inputs, denied=lacking)
        )
    version = parse_version(params["version"]) if params["version"] else None
    revision = params["revision"] or ""
    source = params["source_revision"]
    if params["stage"] == BEFORE and version:
        source = source_of(snapshot, params["strategy"], revision, version, source)
    # one day for all controllers, wherever they stand
    today = datetime.datetime.now(datetime.UTC).date()
    installer = params["installer"] or ""
    goal = Upgrade(params["strategy"], version, revision, source, params["stage"], installer, today)
    found = merge_findings(run_checks(snapshot, goal), theirs.answers(), snapshot)
    found = apply_waivers(found, parse_waivers(params["waivers"]), today, params["stage"])
    bad = blocking_findings(found, params["fail_on"], params["allow"])
    running = snapshot.mesh.revisions.get(source or "")
    for line in report_lines(found, params["show"]):
        task.progress(line)
    values = {
        "findings": [finding.as_dict() for finding in found],
        "summary": count_by_severity(found),
        "source_revision": source,
        "source_version": running.version if running else None,
        "proxies": snapshot.count_proxies(),
        "identities": {name: identity(one) for name, one in sorted(snapshot.mesh.revisions.items())},
        "unrestartable": [stuck.as_dict() for stuck in snapshot.unrestartable()],
    }
    failed = failure_message(params["stage"], task.client.connection.label, bad) if bad else ""
    return TaskResult(values=values, failed=failed)


CORE = ModuleCore("istio_precheck", SPEC, run, check, writes=False)
