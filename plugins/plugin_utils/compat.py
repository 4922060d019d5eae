# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between the supported versions of ansible-core, one function for each place that needs it.

The lowest supported version is 2.16. Remove a function when the versions that it names are no longer supported.
"""

from __future__ import annotations

import signal
import typing as t
from collections.abc import Callable

import ansible.template

#: Since ansible-core 2.19, a text is a template only if it is marked as one.
MARKS_TEMPLATES = hasattr(ansible.template, "trust_as_template")


def result_parts(result: t.Any) -> tuple[str, t.Any, dict[str, t.Any]]:
    """Return the name of the host, the task and the values of a result that a callback receives.

    Before ansible-core 2.19, the attributes of TaskResult were private.
    """
    if hasattr(result, "task"):
        return result.host.name, result.task, result.result
    return result._host.name, result._task, result._result


def handler_or_default(number: signal.Signals) -> Callable[[int, t.Any], t.Any] | None:
    """Return the handler of a signal, also if it is the default of the system. Return None for an ignored signal.

    Before ansible-core 2.19, ansible-playbook has no handler for SIGTERM, and so SIGTERM ends it at once.
    """
    handler = signal.getsignal(number)
    if callable(handler):
        return handler
    return _end_process if handler == signal.SIG_DFL else None


def _end_process(number: int, dummy: t.Any) -> None:
    signal.signal(number, signal.SIG_DFL)
    signal.raise_signal(number)


def never_template(value: t.Any) -> t.Any:
    """Return a value whose texts are never templates.

    Before ansible-core 2.19, each text is a template that is not marked as unsafe. So a text of a kubeconfig or of a
    cluster could run commands on the controller.
    """
    if MARKS_TEMPLATES:
        return value
    # ansible-core 2.23 removes this function.
    from ansible.utils.unsafe_proxy import wrap_var

    return wrap_var(value)
