# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Export the checkout to an ansible_collections path, as a repository with the files that a full commit would have."""

from __future__ import annotations

import fcntl
import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

#: Files that the tools write into the export.
KEPT = (".git", ".ansible", "tests/output")


def source_files(checkout: Path) -> set[Path]:
    """List the files that git tracks or would track and that exist, relative to the checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.PIPE, text=True)
    names = {Path(name) for name in listing.stdout.split("\0") if name}
    return {name for name in names if (checkout / name).is_symlink() or (checkout / name).is_file()}


def exported_files(target: Path) -> set[Path]:
    """List the files of an earlier export."""
    files = {path.relative_to(target) for path in target.rglob("*") if path.is_symlink() or not path.is_dir()}
    return {path for path in files if not any(path.is_relative_to(kept) for kept in KEPT)}


def is_copied(source: Path, copied: Path) -> bool:
    """Return whether a file is in the export with the same content."""
    if source.is_symlink() or copied.is_symlink() or not copied.is_file():
        return False
    return filecmp.cmp(source, copied)


def synchronize(checkout: Path, target: Path) -> None:
    """Copy changed files and delete removed ones. A symbolic link stays a link, so that the tools can report it."""
    names = source_files(checkout)
    for name in exported_files(target) - names:
        (target / name).unlink(missing_ok=True)
    for name in names:
        if not is_copied(checkout / name, target / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).unlink(missing_ok=True)
            shutil.copy2(checkout / name, target / name, follow_symlinks=False)


def main(arguments: list[str]) -> int:
    """Export the checkout, one process at a time."""
    target = Path(arguments[0]).resolve()
    checkout = Path(__file__).resolve().parents[2]
    if target.parts[-3:] != ("ansible_collections", "meshops", "istio"):
        print(f"{target} does not end in ansible_collections/meshops/istio.", file=sys.stderr)
        return 1
    target.mkdir(parents=True, exist_ok=True)
    with target.with_name("lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        synchronize(checkout, target)
        # The tools list files with git. The repository of the checkout would list none, because it ignores .cache.
        if not (target / ".git").exists():
            subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
        subprocess.run(["git", "add", "--all"], cwd=target, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
