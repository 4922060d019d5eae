# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The analysis of istioctl in a precheck: its commands, and its failures (with shell scripts)."""

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_precheck import CORE, check
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck import istioctl_analysis
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import ISTIOCTL_COMMANDS
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import params, task

HEALTHY = [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(shop=b.OLD), *b.deployed()]
SCRIPT = """#!/bin/sh
[ "$1" = version ] && echo '{"clientVersion": {"version": "1.31.0"}}' && exit 0
echo "$@" >> "$(dirname "$0")/asked"
"""
ITEM = {
    "code": "IST0101",
    "level": "Error",
    "origin": "VirtualService shop/web",
    "message": "Referenced host not found",
}
ANSWER = f"[ $1 = x ] || echo '{json.dumps([ITEM])}'\n"


def precheck(folder: Path, script: str, *objects: b.Json, lacking: tuple[str, ...] = (), **options: t.Any) -> b.Json:
    """The result of a precheck with an istioctl that is a shell script."""
    path = folder / "istioctl"
    path.write_text(SCRIPT + script)
    path.chmod(0o755)
    given = {"version": b.NEW_VERSION, "revision": b.NEW, "fail_on": "never", "istioctl": str(path), **options}
    with FakeApi(*(objects or HEALTHY)) as api:
        api.may = lambda asked: asked["resource"] not in lacking
        result = task(api, CORE, **given)
        assert api.writes() == []
    return result


def asked(folder: Path) -> list[str]:
    """The commands that were run, without the flags that name the cluster."""
    path = folder / "asked"
    lines = path.read_text().splitlines() if path.exists() else []
    return sorted(line.partition(" --kubeconfig")[0] for line in lines)


def codes(result: b.Json) -> list[tuple[str, str, str]]:
    """Code, severity and object of all findings."""
    return [(row["code"], row["severity"], row["object"]) for row in result["findings"]]


@pytest.mark.parametrize(
    ("stage", "commands"),
    [
        ("before", ["analyze -o json -A --revision=", "x precheck -o json"]),
        ("after", ["analyze -o json -A --revision="]),
    ],
)
def test_which_commands_run(tmp_path: Path, stage: str, commands: list[str]) -> None:
    assert [row for row in codes(precheck(tmp_path, "", stage=stage)) if row[0] == "MU080"] == []
    assert asked(tmp_path) == commands


def test_without_the_option_no_command_runs(tmp_path: Path) -> None:
    assert codes(precheck(tmp_path, ANSWER, istioctl=None)) == []
    assert asked(tmp_path) == []


def test_findings_of_istioctl_count_like_those_of_checks(tmp_path: Path) -> None:
    result = precheck(tmp_path, ANSWER, *HEALTHY, *b.namespaces(lost="gone"), fail_on="error", allow=["MU010"])
    assert codes(result) == [("MU010", "error", "namespace lost"), ("IST0101", "error", "VirtualService shop/web")]
    assert "IST0101 VirtualService shop/web: Referenced host not found Remedy: follow https" in result["msg"]
    assert result["summary"]["error"] == 2


def test_findings_of_istioctl_are_allowed_and_waived_by_their_code(tmp_path: Path) -> None:
    assert "failed" not in precheck(tmp_path, ANSWER, fail_on="warning", allow=["IST0101"])
    waiver = {"code": "IST0101", "object": "* shop/*", "expires": "2999-12-31", "reason": "known"}
    result = precheck(tmp_path, ANSWER, fail_on="warning", waivers=[waiver])
    assert "failed" not in result
    assert result["summary"] == {"error": 0, "warning": 0, "info": 0, "waived": 1}


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo oops; exit 1", "istioctl 1.31.0 {} cannot be read: it contains no JSON."),
        ("echo 'Error: no access' >&2; exit 1", "istioctl 1.31.0 {} on cluster {} failed: Error: no access"),
        ("exit 2", "istioctl 1.31.0 {} on cluster {} failed: exit code 2"),
        (
            "echo 'failed to list *v1.Node'; sleep 60",
            "did not end within 1 s and was stopped. Its last output was: failed to list",
        ),
    ],
)
def test_an_istioctl_that_fails_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    monkeypatch.setattr(istioctl_analysis, "SECONDS", 1)
    result = precheck(tmp_path, script, *HEALTHY, *b.namespaces(lost="gone"))
    assert codes(result) == [
        ("MU010", "error", "namespace lost"),
        ("MU080", "warning", "istioctl analyze"),
        ("MU080", "warning", "istioctl x precheck"),
    ]
    assert message.format("analyze", result["cluster"]["name"]) in result["findings"][1]["message"]


def test_a_command_without_permissions_does_not_run(tmp_path: Path) -> None:
    result = precheck(tmp_path, "", lacking=("*", "secrets", "telemetries"))
    (row,) = result["findings"]
    assert (row["code"], row["object"], asked(tmp_path)) == ("MU080", "istioctl analyze", ["x precheck -o json"])
    assert row["message"] == (
        "This user may not list secrets, watch secrets, list telemetries.telemetry.istio.io, watch "
        "telemetries.telemetry.istio.io, and istioctl 1.31.0 analyze would wait for that forever."
    )


def test_both_commands_share_their_reviews(tmp_path: Path) -> None:
    questions = {dataclasses.replace(one, purpose="") for wanted in ISTIOCTL_COMMANDS.values() for one in wanted}
    assert precheck(tmp_path, "", lacking=("*",))["requests"]["dry_runs"] == 1 + len(questions)


def test_one_command_that_fails_keeps_the_findings_of_the_other(tmp_path: Path) -> None:
    result = precheck(tmp_path, f"[ $1 = x ] && exit 1\n{ANSWER}")
    assert [row[0] for row in codes(result)] == ["IST0101", "MU080"]


@pytest.mark.parametrize("code", [1, 79])
def test_exit_codes_that_only_report_findings(tmp_path: Path, code: int) -> None:
    assert [row[0] for row in codes(precheck(tmp_path, f"{ANSWER}[ $1 = x ] || exit {code}"))] == ["IST0101"]


def test_both_commands_run_in_parallel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(istioctl_analysis, "SECONDS", 10)
    wait = 'touch "$0.$1"; until [ -e "$0.x" ] && [ -e "$0.analyze" ]; do sleep 0.02; done'
    assert codes(precheck(tmp_path, wait)) == []


def test_s1_no_command_runs_on_another_cluster(tmp_path: Path) -> None:
    assert "not the expected one" in precheck(tmp_path, ANSWER, expected_cluster_id="other")["msg"]
    assert asked(tmp_path) == []


def test_an_istioctl_of_another_version_is_refused_before_any_request(tmp_path: Path) -> None:
    result = precheck(tmp_path, ANSWER, version="1.30.3")
    assert result["failure"]["kind"] == "ParameterError"
    assert "is version 1.31.0, but version is 1.30.3" in result["msg"]
    assert result["requests"]["reads"] == 0


def test_istioctl_needs_a_version() -> None:
    with pytest.raises(ParameterError, match="Parameter version is missing: istioctl must have this version"):
        check(params(CORE, stage="after", istioctl="istioctl"))
