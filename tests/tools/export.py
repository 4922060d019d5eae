# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make a clean export at an ansible_collections path: what a commit of everything would hold, as a repository."""

from __future__ import annotations

import fcntl
import filecmp
import shutil
import subprocess
import sys
from pathlib import Path

# Written into the export by the tools that run there.
KEPT = (".git", ".ansible", "tests/output")


def wanted(checkout: Path) -> set[Path]:
    """List the files that git tracks or would track and that exist, relative to the checkout."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=checkout, check=True, stdout=subprocess.PIPE, text=True)
    names = {Path(name) for name in listing.stdout.split("\0") if name}
    return {name for name in names if (checkout / name).is_symlink() or (checkout / name).is_file()}


def present(target: Path) -> set[Path]:
    """List the files of an earlier export."""
    found = {path.relative_to(target) for path in target.rglob("*") if path.is_symlink() or not path.is_dir()}
    return {path for path in found if not any(path.is_relative_to(kept) for kept in KEPT)}


def same(source: Path, copied: Path) -> bool:
    if source.is_symlink() or copied.is_symlink() or not copied.is_file():
        return False
    return filecmp.cmp(source, copied)


def synchronize(checkout: Path, target: Path) -> None:
    """Copy what differs, remove what is gone; a symbolic link stays one, so that the tools can object to it."""
    names = wanted(checkout)
    for name in present(target) - names:
        (target / name).unlink(missing_ok=True)
    for name in names:
        if not same(checkout / name, target / name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).unlink(missing_ok=True)
            shutil.copy2(checkout / name, target / name, follow_symlinks=False)


def main(arguments: list[str]) -> int:
    target = Path(arguments[0]).resolve()
    checkout = Path(__file__).resolve().parents[2]
    if target.parts[-3:] != ("ansible_collections", "meshops", "istio"):
        print(f"{target} does not end in ansible_collections/meshops/istio.", file=sys.stderr)
        return 1
    target.mkdir(parents=True, exist_ok=True)
    with target.with_name("lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        synchronize(checkout, target)
        # The tools ask git which files count; the checkout's repository would say none, as it ignores .cache.
        if not (target / ".git").exists():
            subprocess.run(["git", "init", "--quiet"], cwd=target, check=True)
        subprocess.run(["git", "add", "--all"], cwd=target, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
