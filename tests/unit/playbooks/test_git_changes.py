# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file with the changes to make in Git: one for each cluster, of patches that can be committed."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from unit.playbooks.playing import ROOT, play

ROLE = ROOT / "roles" / "precheck"
LABELS = {"istio-injection": None, "istio.io/rev": "1-31-0"}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": LABELS}}
ROWS = [
    {"kind": "namespace", "name": "shop", "owner": "Flux Kustomization {{ x }}", "patch": NAMESPACE},
    {"kind": "tag", "name": "prod", "owner": "", "patch": None, "labels_after": {"istio.io/rev": "1-31-0"}},
]


def write(folder: Path, rows: list[t.Any], check_mode: bool) -> dict[str, list[t.Any]]:
    """Run the tasks for two clusters, and return the parts of each file."""
    (folder / "rows.json").write_text(yaml.safe_dump(rows), encoding="utf-8")
    # A result of a module is never evaluated as a template, and neither is a text that was read.
    read = "{{ {'git_changes': lookup('ansible.builtin.file', '" + str(folder / "rows.json") + "') | from_yaml} }}"
    tasks = [
        {"name": "Read", "ansible.builtin.set_fact": {"precheck_result": read}},
        {"name": "Write", "ansible.builtin.import_tasks": str(ROLE / "tasks" / "git_changes.yml")},
        {"name": "Show", "ansible.builtin.debug": {"msg": "written"}},
    ]
    (folder / "templates").symlink_to(ROLE / "templates")
    given = {"precheck_git_changes": str(folder / "new" / "git"), "precheck_revision": "1-31-0"}
    written = play(
        folder, {"a": {}, "b": {}}, [{"name": "Write", "check_mode": check_mode, "vars": given, "tasks": tasks}]
    )
    assert [messages[-1] for messages in written.values()] == ["written", "written"]
    files = sorted((folder / "new" / "git").iterdir())
    return {path.name: list(yaml.safe_load_all(path.read_text(encoding="utf-8"))) for path in files}


@pytest.mark.parametrize("check_mode", [False, True])
def test_each_cluster_has_a_file_with_its_patches(tmp_path: Path, check_mode: bool) -> None:
    files = write(tmp_path, ROWS, check_mode)
    assert files == {f"{cluster}.yaml": [NAMESPACE, None] for cluster in "ab"}
    text = (tmp_path / "new" / "git" / "a.yaml").read_text(encoding="utf-8")
    assert "# Owner: Flux Kustomization {{ x }}\n" in text
    assert "# Owner: unknown\n# Render tag prod for revision 1-31-0" in text


def test_without_changes_the_file_has_only_its_head(tmp_path: Path) -> None:
    assert write(tmp_path, [], False) == {"a.yaml": [], "b.yaml": []}
