# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Base class of the action plugins: it runs the core of a module inside the controller.

A module needs 0.3 to 0.7 s of CPU time per host before it starts and cannot show progress; inside the controller the
same core needs 0.03 s and prints progress lines.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
import time
import typing as t
from collections.abc import Iterator, Mapping, Set

from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import KUBERNETES_IMPORT_ERROR
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import secrets_in
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.keeper_client import KeeperClient
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.clean_result import without_secrets
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import ModuleCore, execute
from ansible_collections.meshops.istio.plugins.plugin_utils.interrupts import interrupt_on_signal

display = Display()
#: Whether a person watches the run. It is read while ansible-playbook loads the plugin, as workers have no terminal.
#: Under ansible-runner, ansible-playbook has one.
WATCHED = sys.stdout.isatty()
#: Process ID of ansible-playbook. If a worker has another parent, ansible-playbook has ended.
LOADED_BY = os.getpid()


class ModuleAction(ActionBase):
    """Runs a core in the controller for a local connection, and its module for any other connection."""

    CORE: ModuleCore
    _requires_connection = True
    _supports_check_mode = True
    _supports_diff = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the result of the task."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        if self._needs_module():
            name = f"meshops.istio.{self.CORE.name}"
            if self.CORE.writes and self._task.args.get("run") and not self._task.check_mode:
                display.warning(
                    f"{name} runs as a module, because of its connection, user or async. The lock of its "
                    "cluster is held during this task, but not between two tasks, so another run can start there."
                )
            result.update(
                self._execute_module(module_name=name, task_vars=task_vars, wrap_async=bool(self._task.async_val))
            )
            return result
        controller = os.getppid() if os.getpid() == LOADED_BY else LOADED_BY
        with (
            interrupt_on_signal(controller),
            self._environment(),
            contextlib.closing(KeeperClient(controller)) as keeper,
        ):
            params, secrets = self._validated()
            host = str((task_vars or {}).get("inventory_hostname") or "")
            outcome = execute(
                self.CORE,
                params,
                check_mode=bool(self._task.check_mode),
                diff=bool(self._task.diff),
                progress=(lambda dummy: None) if self._task.no_log else progress_line(host, secrets),
                watched=WATCHED,
                controller=controller,
                keeper=keeper,
                inventory_name=host,
            )
        result.update(t.cast("dict[str, t.Any]", without_secrets(outcome, secrets)))
        if not self._task.no_log:
            result["invocation"] = {"module_args": without_secrets(self._shown(params), secrets)}
        return result

    def _needs_module(self) -> bool:
        """Return whether the task needs the module: it is remote, async or for another user, or lacks a library."""
        local = self._connection.transport == "local" and not self._play_context.become
        return not local or bool(self._task.async_val) or KUBERNETES_IMPORT_ERROR is not None

    def _validated(self) -> tuple[dict[str, t.Any], set[str]]:
        # Values from variables are tagged subclasses of str, int and so on; the core needs plain ones.
        arguments = json.loads(json.dumps(self._task.args, default=_as_text))
        spec = self.CORE.spec.as_keywords()
        options = spec.pop("argument_spec")
        checked = ArgumentSpecValidator(options, **spec).validate(arguments)
        params = checked.validated_parameters
        secrets = {*checked._no_log_values, *secrets_in(arguments), *secrets_in(params)}
        if checked.error_messages:
            # The messages repeat invalid values.
            message = without_secrets("; ".join(checked.error_messages), secrets)
            if isinstance(checked.errors[0], UnsupportedError):
                # This is the sentence of ansible-core for modules.
                module = f"meshops.istio.{self.CORE.name}"
                raise AnsibleActionFail(f"Unsupported parameters for ({module}) module: {message}")
            raise AnsibleActionFail(f"{self.CORE.name}: {message}")
        return params, secrets

    def _shown(self, params: Mapping[str, t.Any]) -> dict[str, t.Any]:
        options = self.CORE.spec.as_keywords()["argument_spec"]
        hidden = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
        return {k: hidden if v and options[k].get("no_log") else v for k, v in params.items() if k in options}

    @contextlib.contextmanager
    def _environment(self) -> Iterator[None]:
        """Set the environment variables of the task for the block, as the worker does not have them."""
        variables: dict[str, str] = {}
        for entry in self._task.environment or []:
            templated = self._templar.template(entry)
            if isinstance(templated, Mapping):
                variables.update({str(key): str(value) for key, value in templated.items()})
        before = {key: os.environ.get(key) for key in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for key, value in before.items():
                if value is None:
                    os.environ.pop(key, None)
                else:
                    os.environ[key] = value


def _as_text(value: object) -> str:
    """Return a date of YAML as a module would receive it: as text."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} cannot be represented in JSON")


def progress_line(host: str, secrets: Set[str] = frozenset()) -> t.Callable[[str], None]:
    """Return a function that prints one progress line without secrets, with the seconds since its creation."""
    started = time.monotonic()

    def print_line(text: str) -> None:
        # Texts of a cluster may have control characters and several lines.
        shown = without_secrets(text, secrets)
        plain = "".join(character if character.isprintable() else " " for character in shown)
        display.display(f"  [{host}] {time.monotonic() - started:5.1f}s  {plain.rstrip()}", color="bright gray")

    return print_line
