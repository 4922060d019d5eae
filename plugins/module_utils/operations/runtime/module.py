# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a core as an ordinary module, on the host of the task's connection."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import sanitize_keys

from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import secrets_in
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import ModuleCore, execute


class _Module(AnsibleModule):
    """A module that hides logins in URLs, also in the system log and in refusals of parameters."""

    def _log_invocation(self) -> None:
        self.no_log_values.update(secrets_in(self.params))
        super()._log_invocation()

    def fail_json(self, msg: str, **more: t.Any) -> None:
        """Fail without showing secrets: the message may repeat the value of a refused parameter."""
        self.no_log_values.update(secrets_in(self.params), secrets_in([*_keys_in(self.params)]))
        more.setdefault("invocation", {"module_args": sanitize_keys(self.params, self.no_log_values)})
        super().fail_json(msg, **more)


def _keys_in(value: t.Any) -> Iterator[str]:
    """Yield all keys: ansible-core makes a mapping with secrets in its keys of a URL with a query for a mapping."""
    if isinstance(value, Mapping):
        yield from map(str, value)
    if isinstance(value, (Mapping, list)):
        for entry in value.values() if isinstance(value, Mapping) else value:
            yield from _keys_in(entry)


def run_module(core: ModuleCore) -> None:
    """Build the module of a core, run it, and exit with its result."""
    module = _Module(supports_check_mode=True, **core.spec.as_keywords())
    result = execute(core, module.params, check_mode=module.check_mode, diff=module._diff)
    for text in result.pop("warnings", []):
        module.warn(text)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
