# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""S13: no output contains a secret from any option of any module: each option, with each kind of output."""

from __future__ import annotations

import base64
import importlib
import json
import typing as t
from collections.abc import Iterator

import pytest
from ansible.errors import AnsibleActionFail
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.meshops.istio.plugins.module_utils.common.argspec import AUTH_SPEC, Spec
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.module import run_module
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    TaskResult,
)
from ansible_collections.meshops.istio.plugins.plugin_utils import action as action_module
from unit.paths import PLUGINS
from unit.plugin_utils.test_action import action
from unit.support import builders as b
from unit.support.core_helpers import patch_module_args

CORES: dict[str, ModuleCore] = {
    path.stem: importlib.import_module(
        f"ansible_collections.meshops.istio.plugins.module_utils.operations.modules.{path.stem}"
    ).CORE
    for path in sorted((PLUGINS / "modules").glob("*.py"))
    if path.stem != "__init__"
}
PASSWORD, TOKEN = "s3cr3t/p@ss", "t0ken-of-a-query"
#: The forms in which programs write them.
FORMS = ("s3cr3t/p@ss", "s3cr3t%2Fp%40ss", "s3cr3t%2fp%40ss", "s3cr3t/p%40ss", TOKEN)
URL = f"https://me:s3cr3t%2Fp%40ss@example.com/x?token={TOKEN}&env=prod"
ENCODED = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
HOST = {"host": "http://127.0.0.1:1"}


def options(spec: Spec, given: t.Any = None) -> Iterator[tuple[str, b.Json]]:
    """Yield each option that may contain text, by its path, with arguments in which it contains a secret."""
    for name, option in spec.items():
        kind, elements = option.get("type", "str"), option.get("elements")
        inner = option.get("options")
        if inner:
            for path, value in options(inner):
                yield f"{name}.{path}", {name: [value] if kind == "list" else value}
        elif option.get("no_log"):
            yield name, {name: PASSWORD}
        elif kind in ("str", "path", "raw", "dict", "list") and elements != "int":
            # The keys of a mapping, such as values of a chart, are the user's choice.
            value: t.Any = {"deep": {"url": URL, "accessToken": PASSWORD}} if kind == "dict" else URL
            yield name, {name: [value] if kind == "list" else value}


CASES = [
    pytest.param(module, arguments, id=f"{name}-{path}")
    for name, module in CORES.items()
    # All modules show the shared options in the same way.
    for path, arguments in options({**(AUTH_SPEC if name == "istio_info" else {}), **module.spec.options})
]


def leaks(shown: str) -> list[str]:
    """Return the secrets in an output, also those in the base64 of a header."""
    return [form for form in (*FORMS, ENCODED) if form in shown]


def everywhere(task: TaskContext) -> TaskResult:
    """Write all parameters to each kind of output."""
    text = str(dict(task.params))
    text += f" and {ENCODED} as sent" if URL in text else ""
    task.progress(text)
    diff = {"given": dict(task.params)}
    return TaskResult([text], diff, diff, {"deep": [{"x": text}]}, [text], failed=text)


def refuses(task: TaskContext) -> TaskResult:
    """Write all parameters to an error."""
    raise SafetyError(f"Not with {dict(task.params)}.", {"params": dict(task.params)})


def test_the_cases_include_options_with_secrets() -> None:
    paths = {case.id for case in CASES}
    assert {"rollout_restart-gates.http.url", "rollout_restart-gates.prometheus.token", "istio_revision-values"} < paths
    assert {"istio_revision-charts", "istio_info-proxy", "istio_info-host", "istio_info-api_key"} < paths


@pytest.mark.parametrize("core", [everywhere, refuses])
@pytest.mark.parametrize(("module", "arguments"), CASES)
def test_a_task_in_the_controller_shows_no_secret(
    monkeypatch: pytest.MonkeyPatch, module: ModuleCore, arguments: b.Json, core: t.Any
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(action_module.display, "display", lambda text, **dummy: lines.append(text))
    assert leaks(json.dumps(arguments))
    plugin = action(core, spec=module.spec, diff=True, args={**HOST, **arguments})
    try:
        shown = json.dumps(plugin.run(task_vars={"inventory_hostname": "a"}))
    except AnsibleActionFail as exc:
        # Most of these arguments are refused, and the error repeats them.
        shown = str(exc)
    assert leaks(shown + "".join(lines)) == []


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("istio_info", {**HOST, "proxy": URL}),
        ("istio_info", {**HOST, "api_key": PASSWORD}),
        ("istio_info", {**HOST, "validate_certs": URL}),
        ("rollout_restart", {**HOST, "namespaces": ["shop"], "gates": {"http": [URL]}}),
        ("rollout_restart", {**HOST, "namespaces": ["shop"], "gates": {"http": [{"url": URL}]}}),
    ],
)
def test_a_module_shows_no_secret_and_writes_none_into_the_log_of_its_system(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, arguments: b.Json
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda dummy, msg, log_args=None: logged.append(f"{msg} {log_args}"))
    core = ModuleCore(name, CORES[name].spec, everywhere)
    with patch_module_args(arguments), pytest.raises(SystemExit):
        run_module(core)
    output = capsys.readouterr().out
    # A module that refuses its parameters writes no log.
    assert logged or '"failed": true' in output
    assert leaks(output + "".join(logged)) == []


def test_other_values_are_not_redacted() -> None:
    """A value such as the name of an environment is also part of names that must stay readable."""
    seen = TaskResult(["prod of me at example.com"], values={"tag": "prod"})
    gates = {"http": [{"url": URL}]}
    spec = CORES["rollout_restart"].spec
    args = {**HOST, "namespaces": ["prod"], "gates": gates}
    result = action(lambda dummy: seen, spec=spec, args=args).run(task_vars={})
    assert (result["actions"], result["tag"]) == (["prod of me at example.com"], "prod")
    assert result["invocation"]["module_args"]["namespaces"] == ["prod"]
    # ansible-core replaces the login or only its password, whichever it sees first.
    url = result["invocation"]["module_args"]["gates"]["http"][0]["url"].replace("me:", "")
    assert url.startswith("https://********@example.com/x?")
