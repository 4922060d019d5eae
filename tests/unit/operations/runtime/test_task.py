# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties of every task: the shape of results and failures, the named cluster (S1), no secrets (S13)."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime import task as task_module
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import run_of, task

SECRET = "s3cr3t-t0ken"
SHOP = "/api/v1/namespaces/shop"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster in order."""
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.OLD)) as found:
        yield found


def tool(
    core: Callable[[TaskContext], TaskResult | None], check: Callable[[t.Any], None] = lambda dummy: None
) -> ModuleCore:
    """A tool with one option, which every real one of its kind has."""
    spec = ArgumentSpec({"istioctl": {"type": "str", "default": "istioctl"}, "version": {"type": "str"}})
    return ModuleCore("probe", spec, lambda run: core(run) or TaskResult(), check)


def read(task: TaskContext) -> None:
    """A core that only reads."""
    task.snapshot()


def refuse(dummy: object) -> t.NoReturn:
    """A core or check that refuses."""
    raise SafetyError("Not like this.", {"blockers": ["a"]})


def write_and_refuse(task: TaskContext) -> t.NoReturn:
    """A core that fails half-way."""
    task.client.merge(SHOP, {"metadata": {}})
    refuse(task)


def test_the_shape_of_a_result(api: FakeApi) -> None:
    core = tool(lambda run: (run.snapshot(), TaskResult(["did it"], {"a": 1}, {"a": 2}, {"more": 3}))[1])
    result = task(api, core)
    reads = result.pop("requests")["reads"]
    assert reads > 5
    assert result == {
        "changed": True,
        "actions": ["did it"],
        "more": 3,
        "diff": {"before": {"a": 1}, "after": {"a": 2}},
        "cluster": {"id": b.CLUSTER_ID, "name": api.url, "server": api.url},
    }


def test_no_step_is_no_change(api: FakeApi) -> None:
    result = task(api, tool(lambda dummy: TaskResult()))
    assert result["changed"] is False
    assert "diff" not in result


def test_the_shape_of_a_failure(api: FakeApi) -> None:
    result = task(api, tool(refuse))
    assert result.pop("requests") == {"reads": 0, "writes": 0, "dry_runs": 0}
    assert result == {
        "failed": True,
        "changed": False,
        "msg": "Not like this.",
        "failure": {"kind": "SafetyError", "blockers": ["a"]},
        "cluster": {"id": "", "name": api.url, "server": api.url},
    }


def test_a_failure_that_is_a_verdict_keeps_its_values(api: FakeApi) -> None:
    result = task(api, tool(lambda dummy: TaskResult(values={"findings": [1]}, failed="Not ready.")))
    assert (result["failed"], result["msg"], result["findings"]) == (True, "Not ready.", [1])


def test_a_failure_half_way_has_changed_something(api: FakeApi) -> None:
    assert task(api, tool(write_and_refuse))["changed"] is True


def test_a_failure_after_istioctl_has_changed_something(api: FakeApi) -> None:
    def core(task: TaskContext) -> t.NoReturn:
        task.installer_wrote = True
        refuse(task)

    assert task(api, tool(core))["changed"] is True


def test_an_unexpected_error_is_a_bug_and_is_not_hidden(api: FakeApi) -> None:
    with pytest.raises(ZeroDivisionError):
        task(api, tool(lambda dummy: 1 / 0))  # type: ignore[arg-type, return-value]


def test_s1_without_a_cluster_nothing_is_tried(api: FakeApi) -> None:
    result = task(api, tool(refuse), host=None)
    assert "No cluster is named" in result["msg"]
    assert result["failure"] == {"kind": "ParameterError"}
    assert "cluster" not in result
    assert api.seen == []


def test_input_is_checked_before_any_request(api: FakeApi) -> None:
    result = task(api, tool(read, check=refuse))
    assert result["msg"] == "Not like this."
    assert api.seen == []


@pytest.mark.parametrize(("expected", "ok"), [(b.CLUSTER_ID, True), (None, True), ("another", False)])
def test_s1_the_expected_cluster_is_compared_before_the_first_write(
    api: FakeApi, expected: str | None, ok: bool
) -> None:
    def core(task: TaskContext) -> None:
        task.snapshot()
        task.client.merge(SHOP, {"metadata": {}})

    result = task(api, tool(core), expected_cluster_id=expected)
    assert bool(result.get("failed")) is not ok
    assert len(api.writes()) == int(ok)
    if not ok:
        assert (
            f"UID of its namespace kube-system is {b.CLUSTER_ID}, but expected_cluster_id is another" in result["msg"]
        )
        assert result["failure"]["kind"] == "ClusterError"


@pytest.mark.parametrize("core", [lambda dummy: None, refuse], ids=["success", "failure"])
def test_s13_tls_verification_off_warns_each_run(api: FakeApi, core: Callable[[TaskContext], None]) -> None:
    assert "is not verified (validate_certs is off)" in task(api, tool(core), validate_certs=False)["warnings"][0]
    assert "warnings" not in task(api, tool(core))


@pytest.mark.parametrize(
    "login", [{"api_key": SECRET}, {"username": "me", "password": SECRET}], ids=["token", "password"]
)
@pytest.mark.parametrize("core", [read, refuse, write_and_refuse], ids=["ok", "refused", "half-way"])
def test_s13_no_secret_in_results(api: FakeApi, login: b.Json, core: Callable[[TaskContext], None]) -> None:
    lines: list[str] = []
    result = task(api, tool(core), progress=lines.append, **login)
    assert SECRET not in json.dumps(result) + "".join(lines)


def test_s13_no_secret_in_the_repr_of_a_run(api: FakeApi) -> None:
    assert SECRET not in repr(run_of(api, tool(refuse), api_key=SECRET))


@pytest.mark.parametrize(
    ("name", "library"), [("KUBERNETES_IMPORT_ERROR", "kubernetes"), ("YAML_IMPORT_ERROR", "PyYAML")]
)
def test_a_missing_library_is_a_sentence(
    api: FakeApi, name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_module, name, "ImportError")
    assert f"The Python library {library} is missing where this task runs" in task(api, tool(refuse))["msg"]


def test_progress_reaches_the_caller(api: FakeApi) -> None:
    lines: list[str] = []
    task(api, tool(lambda run: run.progress("one of two")), progress=lines.append)
    assert lines == ["one of two"]


@pytest.mark.parametrize(
    ("revisions", "options", "expected"),
    [
        pytest.param([b.NEW], {}, "1.31.0", id="the revision's own version"),
        pytest.param(["gone", b.OLD], {}, "1.30.3", id="the first one that is known"),
        pytest.param([None, b.NEW], {}, "1.31.0", id="none is skipped"),
        pytest.param([b.OLD], {"version": "1.31.0"}, "1.31.0", id="the parameter wins"),
    ],
)
def test_which_istioctl(
    api: FakeApi, tmp_path: Path, revisions: list[str | None], options: b.Json, expected: str
) -> None:
    binary = api.istioctl(tmp_path, expected)
    template = str(tmp_path / "istioctl-{version}")
    task = run_of(api, tool(refuse), istioctl=template, **options)
    assert task.istioctl(b.mesh_of(api.objects), *revisions).binary == binary


def test_which_istioctl_is_not_guessed(api: FakeApi) -> None:
    task = run_of(api, tool(refuse))
    with pytest.raises(ParameterError, match="Parameter version is missing"):
        task.istioctl(b.mesh_of(b.plane(b.OLD, "acme-7")), b.OLD, "gone")
