# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tool as an ordinary module, where the task's connection leads: a process of its own, JSON in, JSON out."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.namespace_revision import CORE as MOVE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.module import run_module
from unit.support import builders as b
from unit.support.core_helpers import patch_module_args
from unit.support.fake_api import FakeApi

SECRET = "s3cr3t-t0ken"
CLUSTER = [*b.two_planes(), *b.namespaces(shop=b.OLD)]


def module(tool: t.Any, arguments: b.Json, capsys: pytest.CaptureFixture[str]) -> tuple[int, b.Json]:
    """Exit code and result of a module."""
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        run_module(tool)
    found: b.Json = json.loads(capsys.readouterr().out)
    return int(ended.value.code or 0), found


def test_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    with FakeApi(*CLUSTER) as api:
        code, result = module(CORE, {"host": api.url, "api_key": SECRET}, capsys)
    assert (code, result["changed"], result["default"]["revision"]) == (0, False, b.OLD)
    assert SECRET not in json.dumps(result)


def test_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    code, result = module(CORE, {"context": "prod"}, capsys)
    assert (code, result["failed"], result["changed"]) == (1, True, False)
    assert "Parameter kubeconfig is missing" in result["msg"]
    assert result["failure"] == {"kind": "ParameterError"}


def test_s13_warnings_are_warnings_of_the_module(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda dummy, text: lines.append(text))
    with FakeApi(*CLUSTER) as api:
        dummy, result = module(CORE, {"host": api.url, "validate_certs": False}, capsys)
    assert "is not verified" not in json.dumps(result)
    assert ["is not verified" in text for text in lines] == [True]


def test_check_mode_and_diff_reach_the_core(capsys: pytest.CaptureFixture[str]) -> None:
    given = {"namespaces": ["shop"], "revision": b.NEW, "_ansible_check_mode": True, "_ansible_diff": True}
    with FakeApi(*CLUSTER) as api:
        dummy, result = module(MOVE, {**given, "host": api.url}, capsys)
        assert api.writes() == []
    assert (result["changed"], result["diff"]["after"]["shop"]["istio.io/rev"]) == (True, b.NEW)


def test_required_parameters_are_those_of_the_specification(capsys: pytest.CaptureFixture[str]) -> None:
    code, result = module(MOVE, {"host": "http://127.0.0.1:1", "namespaces": ["shop"]}, capsys)
    assert (code, result["msg"]) == (1, "state is present but all of the following are missing: revision")
