# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Differences between the supported versions of ansible-core, one function for each place that needs it.

The lowest supported version is 2.16. Remove a function when the versions that it names are no longer supported.
"""

from __future__ import annotations

import contextlib
import signal
import typing as t
from collections.abc import Callable, Iterator

import ansible.template
from ansible.errors import AnsibleLookupError

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError

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


def plain_texts(value: t.Any) -> t.Any:
    """Return a rendered value with texts of the type str.

    Before ansible-core 2.19, a text that is marked as unsafe, as AWX marks the answers of surveys, has a type of its
    own, which the C parser of YAML refuses.
    """
    if MARKS_TEMPLATES:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, dict):
        return {plain_texts(key): plain_texts(entry) for key, entry in value.items()}
    return [plain_texts(entry) for entry in value] if isinstance(value, list) else value


@contextlib.contextmanager
def lookup_errors() -> Iterator[None]:
    """Raise an error of the collection as one of ansible-core, which shows its message only.

    Before ansible-core 2.19, the message of any other error has the name of its Python class, and is repeated.
    """
    try:
        yield
    except MeshError as exc:
        raise AnsibleLookupError(exc.message) from None
