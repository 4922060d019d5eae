# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Before it moves the default, finalize looks at the state that is there; only in check mode at the planned one."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from unit.playbooks.playing import RESULT, ROOT, start

GIVEN = {
    "finalize_revision": "1-31-0",
    "finalize_version": "1.31.0",
    "finalize_installer": "istioctl",
    "finalize_planned_namespaces": ["shop"],
    "finalize_planned_workloads": ["Deployment tools/wiki"],
    "finalize_planned_tags": ["prod"],
    "__finalize_plan": {"restarts": ["tools"], "refused": ""},
    "__finalize_mesh": {"operator_tags": {}, "default": {"revision": "1-30-3", "other_mesh": None}},
    "__finalize_shared": {"taken_over": ["Deployment istio-system/gateway"]},
}
TAKEN = ["Deployment istio-system/gateway"]


def looks(folder: Path, *flags: str) -> dict[str, t.Any]:
    """What the first look for blockers is told of other steps."""
    task = {"ansible.builtin.debug": {"msg": "{{ __finalize_before | combine(__finalize_freed) | to_json }}"}}
    files = [str(ROOT / "roles" / "finalize" / "vars" / "main.yml")]
    head = {"hosts": "all", "connection": "local", "gather_facts": False, "vars_files": files, "tasks": [task]}
    playbook = folder / "site.yml"
    playbook.write_text(json.dumps([head]), encoding="utf-8")
    ((dummy, dummy_host, result),) = RESULT.findall(start(folder, {"paris-1": GIVEN}, playbook, *flags))
    found: dict[str, t.Any] = json.loads(json.loads(result)["msg"])
    return found


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), {"revision": "1-31-0", "tags": ["default"], "restarted": ["tools"]}),
        (
            ("--check",),
            {
                "revision": "1-31-0",
                "version": "1.31.0",
                "namespaces": ["shop"],
                "workloads": ["Deployment tools/wiki"],
                "tags": ["prod", "default"],
            },
        ),
    ],
)
def test_a_first_look_knows_what_this_role_frees(tmp_path: Path, flags: tuple[str, ...], expected: t.Any) -> None:
    assert looks(tmp_path, *flags) == {**expected, "taken_over": TAKEN}
