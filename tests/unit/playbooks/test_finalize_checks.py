# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before finalize moves the default, it checks the current state; in check mode it checks the planned one."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from unit.playbooks.playing import RESULT, ROOT, start

VARIABLES = {
    "finalize_revision": "1-31-0",
    "finalize_version": "1.31.0",
    "finalize_installer": "istioctl",
    "finalize_tag": "1.31.0-distroless",
    "finalize_planned_namespaces": ["shop"],
    "finalize_planned_workloads": ["Deployment tools/wiki"],
    "finalize_planned_tags": ["prod"],
    "__finalize_plan": {"restarts": ["tools"], "refused": ""},
    "__finalize_mesh": {"operator_tags": {}, "default": {"revision": "1-30-3", "other_mesh": None}},
    "__finalize_shared": {"taken_over": ["Deployment istio-system/gateway"]},
}
ADOPTED = ["Deployment istio-system/gateway"]


def planned_steps(folder: Path, *flags: str) -> dict[str, t.Any]:
    """Return the planned steps that the first check for blockers gets."""
    task = {"ansible.builtin.debug": {"msg": "{{ __finalize_before | combine(__finalize_freed) | to_json }}"}}
    files = [str(ROOT / "roles" / "finalize" / "vars" / "main.yml")]
    head = {"hosts": "all", "connection": "local", "gather_facts": False, "vars_files": files, "tasks": [task]}
    playbook = folder / "site.yml"
    playbook.write_text(json.dumps([head]), encoding="utf-8")
    ((dummy, dummy_host, result),) = RESULT.findall(start(folder, {"paris-1": VARIABLES}, playbook, *flags))
    steps: dict[str, t.Any] = json.loads(json.loads(result)["msg"])
    return steps


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), {"revision": "1-31-0", "tags": ["default"], "restarted": ["tools"]}),
        (
            ("--check",),
            {
                "revision": "1-31-0",
                "version": "1.31.0",
                "tag": "1.31.0-distroless",
                "namespaces": ["shop"],
                "workloads": ["Deployment tools/wiki"],
                "tags": ["prod", "default"],
            },
        ),
    ],
)
def test_the_first_check_has_what_this_role_frees(tmp_path: Path, flags: tuple[str, ...], expected: t.Any) -> None:
    assert planned_steps(tmp_path, *flags) == {**expected, "taken_over": ADOPTED}
