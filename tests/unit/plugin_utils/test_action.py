# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of the action plugins: the core runs inside the controller, or in the module where it must."""

from __future__ import annotations

import datetime
import importlib
import json
import os
import re
import typing as t
from collections.abc import Callable

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible.template import Templar

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import ArgumentSpec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)
from ansible_collections.meshops.istio.plugins.plugin_utils import action as action_module
from ansible_collections.meshops.istio.plugins.plugin_utils.action import ModuleAction
from unit.support.core_helpers import as_template

HOST, SECRET = "http://127.0.0.1:1", "s3cr3t-t0ken"
HIDDEN = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
VARIABLE = "MESHOPS_TEST_VARIABLE"
SPEC = ArgumentSpec({"names": {"type": "list", "elements": "str", "default": []}, "count": {"type": "int"}})
OF_RUN = {"host": HOST, "run": {"started_by": "anna"}}
Core = Callable[[TaskContext], TaskResult]


def nothing(dummy: TaskContext) -> TaskResult:
    """Return the result of a core that has nothing to do."""
    return TaskResult()


def action(
    core: Core = nothing, *, connection: str = "local", become: bool = False, spec: ArgumentSpec = SPEC, **task: t.Any
) -> ModuleAction:
    """Return the action plugin of a core, for a real task object."""
    arguments = task.pop("args", {"host": HOST})
    loaded = Task.load({"name": "x", "debug": {}, **task}, loader=DataLoader())
    loaded.args = arguments
    context = PlayContext()
    context._become = become
    loader = DataLoader()
    plugin_class = type("Probe", (ModuleAction,), {"CORE": ModuleCore("probe", spec, core)})
    plugin: ModuleAction = plugin_class(
        task=loaded,
        connection=connection_loader.get(connection, context),
        play_context=context,
        loader=loader,
        templar=Templar(loader=loader, variables={"name": "templated"}),
        shared_loader_obj=None,
    )
    return plugin


def run(core: Core = nothing, **options: t.Any) -> dict[str, t.Any]:
    """Return the result of a task."""
    return action(core, **options).run(task_vars={"inventory_hostname": "prod-1"})


def test_the_core_runs_inside_the_controller() -> None:
    seen: list[tuple[bool, t.Any]] = []

    def core(task: TaskContext) -> TaskResult:
        seen.append((task.check_mode, task.params["names"]))
        return TaskResult(["step"], {"a": 1}, {"a": 2}, {"pid": os.getpid()})

    result = run(core, args={"host": HOST, "names": "a,b"}, check_mode=True, diff=True)
    assert seen == [(True, ["a", "b"])]
    assert (result["changed"], result["pid"], result["diff"]) == (
        True,
        os.getpid(),
        {"before": {"a": 1}, "after": {"a": 2}},
    )


def test_a_refusal_is_a_failed_task() -> None:
    def core(dummy: TaskContext) -> TaskResult:
        raise SafetyError("Not like this.")

    result = run(core)
    assert (result["failed"], result["msg"], result["changed"]) == (True, "Not like this.", False)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"host": HOST, "count": "many"}, "probe: .*count"),
        (
            {"host": HOST, "naems": []},
            r"^Unsupported parameters for \(meshops.istio.probe\) module: naems. Supported parameters include",
        ),
    ],
)
def test_arguments_are_validated_as_the_module_does(args: dict[str, t.Any], message: str) -> None:
    with pytest.raises(AnsibleActionFail, match=message):
        run(args=args)


def test_a_date_of_yaml_becomes_the_text_that_a_module_receives() -> None:
    seen: list[t.Any] = []

    def core(task: TaskContext) -> TaskResult:
        seen.extend(task.params["names"])
        return TaskResult()

    run(core, args={"host": HOST, "names": [datetime.date(2027, 3, 31)]})
    assert seen == ["2027-03-31"]


def test_the_invocation_is_shown_with_defaults() -> None:
    shown = run()["invocation"]["module_args"]
    assert (shown["host"], shown["names"], shown["istio_namespace"]) == (HOST, [], "istio-system")


@pytest.mark.parametrize("name", ["api_key", "password"])
def test_s13_secrets_are_redacted_everywhere(name: str) -> None:
    def core(task: TaskContext) -> TaskResult:
        return TaskResult([f"logged in with {task.params[name]}"], values={"deep": [{"x": task.params[name]}]})

    result = run(core, args={"host": HOST, "username": "me", name: SECRET})
    assert SECRET not in json.dumps(result)
    assert result["invocation"]["module_args"][name] == HIDDEN
    assert result["invocation"]["module_args"]["username"] == "me"


def test_s13_secrets_from_the_environment_are_redacted_too() -> None:
    def core(task: TaskContext) -> TaskResult:
        return TaskResult(values={"seen": task.params["api_key"]})

    result = run(core, environment=[{"K8S_AUTH_API_KEY": SECRET}])
    assert SECRET not in json.dumps(result)


def test_no_log_hides_the_invocation() -> None:
    assert "invocation" not in run(no_log=True)


def test_the_tasks_environment_is_applied_and_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "before")
    monkeypatch.delenv("K8S_AUTH_CONTEXT", raising=False)
    seen: list[str | None] = []

    def core(task: TaskContext) -> TaskResult:
        seen.extend((os.environ.get(VARIABLE), task.params["proxy"]))
        raise SafetyError("Even if it fails.")

    environment = [{VARIABLE: as_template("{{ name }}")}, {"K8S_AUTH_PROXY": "http://proxy:3128"}]
    assert run(core, environment=environment)["failed"]
    assert seen == ["templated", "http://proxy:3128"]
    assert os.environ[VARIABLE] == "before"
    assert "K8S_AUTH_PROXY" not in os.environ


def test_the_environment_is_restored_after_a_bug() -> None:
    with pytest.raises(ZeroDivisionError):
        run(lambda dummy: TaskResult([str(1 / 0)]), environment=[{VARIABLE: "x"}])
    assert VARIABLE not in os.environ


@pytest.mark.parametrize(
    "elsewhere",
    [{"connection": "ssh"}, {"become": True}, {"async": 60}],
    ids=["a remote connection", "another user", "async"],
)
def test_the_module_runs_where_the_core_cannot(elsewhere: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    passed: dict[str, t.Any] = {}
    monkeypatch.setattr(ModuleAction, "_execute_module", lambda self, **more: passed.update(more) or {"from": "module"})

    def core(dummy: TaskContext) -> TaskResult:
        raise AssertionError("the core ran in the controller")

    assert run(core, **elsewhere)["from"] == "module"
    assert passed["module_name"] == "meshops.istio.probe"
    assert passed["wrap_async"] is ("async" in elsewhere)


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({"connection": "ssh", "args": OF_RUN}, True),
        ({"async": 60, "args": OF_RUN}, True),
        ({"connection": "ssh", "args": OF_RUN, "check_mode": True}, False),
        ({"connection": "ssh"}, False),
        ({"args": OF_RUN}, False),
    ],
    ids=["a run", "async", "check mode", "no run", "local"],
)
def test_a_run_over_another_connection_warns_that_it_is_not_locked_between_its_tasks(
    given: dict[str, t.Any], warned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr(action_module.display, "warning", lambda text, **dummy: warnings.append(text))
    monkeypatch.setattr(ModuleAction, "_execute_module", lambda *dummy, **more: {"from": "module"})
    run(**given)
    assert any("not between two tasks" in text for text in warnings) is warned


def test_without_the_library_in_the_controller_the_module_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action_module, "KUBERNETES_IMPORT_ERROR", "ImportError: no module named kubernetes")
    monkeypatch.setattr(ModuleAction, "_execute_module", lambda *dummy, **more: {"from": "module"})
    assert run()["from"] == "module"


def test_progress_lines_name_the_cluster_and_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(action_module.display, "display", lambda text, **dummy: lines.append(text))

    def core(task: TaskContext) -> TaskResult:
        task.progress("batch 1 of 2: 3 of 5 workloads done")
        return TaskResult()

    run(core)
    assert len(lines) == 1
    assert re.fullmatch(r"  \[prod-1\]  +0\.\ds  batch 1 of 2: 3 of 5 workloads done", lines[0])


def test_a_progress_line_is_one_line_without_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(action_module.display, "display", lambda text, **dummy: lines.append(text))
    run(lambda task: TaskResult(values={"x": task.progress("\x1b[2Jtwo\r\nlines\tof \u2028 Zürich\n")}))
    assert [line.partition("s  ")[2] for line in lines] == [" [2Jtwo  lines of   Zürich"]


@pytest.mark.parametrize("watched", [True, False])
def test_the_core_knows_whether_a_user_watches(monkeypatch: pytest.MonkeyPatch, watched: bool) -> None:
    monkeypatch.setattr(action_module, "WATCHED", watched)
    assert run(lambda task: TaskResult(values={"watched": task.watched}))["watched"] is watched


def test_s13_no_log_silences_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(action_module.display, "display", lambda text, **dummy: lines.append(text))

    def core(task: TaskContext) -> TaskResult:
        task.progress("something")
        return TaskResult()

    run(core, no_log=True)
    assert lines == []


@pytest.mark.parametrize(
    "name", ["istio_info", "istio_precheck", "istio_revision", "istio_tag", "namespace_revision", "rollout_restart"]
)
def test_each_action_plugin_runs_the_core_of_its_module(name: str) -> None:
    plugin = importlib.import_module(f"ansible_collections.meshops.istio.plugins.action.{name}")
    assert plugin.ActionModule.CORE.name == name
