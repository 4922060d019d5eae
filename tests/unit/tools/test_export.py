# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tools import export


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "plugins").mkdir(parents=True)
    (folder / ".gitignore").write_text(".cache/\n")
    (folder / "tracked").write_text("as committed")
    (folder / "gone").write_text("deleted later")
    (folder / "plugins" / "link").symlink_to("../tracked")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    (folder / "tracked").write_text("as it is now")
    (folder / "gone").unlink()
    (folder / "new").write_text("not added yet")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "scratch").write_text("ignored")
    return folder


def test_it_has_the_files_of_a_full_commit(checkout: Path, tmp_path: Path) -> None:
    target = tmp_path / "export"
    export.synchronize(checkout, target)
    assert export.exported_files(target) == {Path(".gitignore"), Path("tracked"), Path("plugins/link"), Path("new")}
    assert (target / "tracked").read_text() == "as it is now"
    assert (target / "plugins" / "link").is_symlink()


def test_a_second_export_follows_the_checkout(checkout: Path, tmp_path: Path) -> None:
    target = tmp_path / "export"
    export.synchronize(checkout, target)
    (target / "tests" / "output").mkdir(parents=True)
    (target / "tests" / "output" / "kept").write_text("")
    (checkout / "new").unlink()
    (checkout / "tracked").write_text("newer")
    export.synchronize(checkout, target)
    assert not (target / "new").exists()
    assert (target / "tracked").read_text() == "newer"
    assert (target / "tests" / "output" / "kept").exists()


def test_another_path_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.endswith("does not end in ansible_collections/meshops/istio.\n")
