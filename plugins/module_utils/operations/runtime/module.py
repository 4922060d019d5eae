# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a core as an ordinary module, where the task's connection leads."""

from __future__ import annotations

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import secrets_in
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import ModuleCore, execute


class _Module(AnsibleModule):
    """A module that takes logins in URLs for what they are, in the log of the system and in refusals too."""

    def _log_invocation(self) -> None:
        self.no_log_values.update(secrets_in(self.params))
        super()._log_invocation()

    def fail_json(self, msg: str, **more: t.Any) -> None:
        """Fail; the values of parameters that are refused are repeated in the reason."""
        self.no_log_values.update(secrets_in(self.params))
        super().fail_json(msg, **more)


def run_module(core: ModuleCore) -> None:
    """Build the module of a core, run it, and end with its result."""
    module = _Module(supports_check_mode=True, **core.spec.as_keywords())
    result = execute(core, module.params, check_mode=module.check_mode, diff=module._diff)
    for text in result.pop("warnings", []):
        module.warn(text)
    if result.get("failed"):
        module.fail_json(**result)
    module.exit_json(**result)
