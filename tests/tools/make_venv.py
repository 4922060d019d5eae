# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Create the virtual environment from a full freeze, once per state of that freeze. Standard library only."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import venv
from pathlib import Path


def build(target: Path, requirements: Path) -> None:
    """Create the environment again in target and install exactly the packages of the freeze."""
    # Link to the running interpreter and not to a wrapper, so that the shim of a version manager cannot change it.
    venv.EnvBuilder(clear=True, with_pip=True, symlinks=True).create(target)
    python = target / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", requirements],
        check=True,
    )
    subprocess.run([python, "-m", "pip", "check"], check=True, stdout=subprocess.DEVNULL)


def main(arguments: list[str]) -> int:
    """Create the environment unless it exists, one process at a time."""
    target, requirements, marker = (Path(argument) for argument in arguments)
    lock = Path(".cache") / "venv.lock"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if marker.exists() and (target / "bin" / "python").exists():
            return 0
        print(
            f"Creating {target} from {requirements} with Python {sys.version.split()[0]} (about a minute).", flush=True
        )
        try:
            build(target, requirements)
        except subprocess.CalledProcessError as exc:
            shutil.rmtree(target, ignore_errors=True)
            print(f"The virtual environment {target} could not be created: {exc}.", file=sys.stderr)
            return 1
        marker.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
