# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run tests with each supported version of ansible-core, in virtual environments of their own. Standard library only.

The versions are the files in requirements/matrix: the first line of core-2.16.in names the Python versions that fit,
best first, and core-2.16.txt is its freeze.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

REQUIREMENTS = Path("requirements") / "matrix"
ENVIRONMENTS = Path(".cache") / "matrix"
#: Tests of the parts that depend on ansible-core or on the library kubernetes, for the lowest version in `make test`.
CHOSEN = (
    "tests/unit/callback",
    "tests/unit/client",
    "tests/unit/inventory",
    "tests/unit/plugin_utils",
    "tests/unit/playbooks/test_fleet_lookup.py",
    "tests/unit/playbooks/test_hooks.py",
    "tests/unit/playbooks/test_never_templates.py",
    "tests/unit/playbooks/test_playbook_variables.py",
    "tests/unit/playbooks/test_restart_options.py",
    "tests/unit/playbooks/test_ring.py",
    "tests/unit/playbooks/test_survey_defaults.py",
    "tests/unit/playbooks/test_whole_playbooks.py",
)
#: One upgrade through the playbooks, on the lab.
CANARY = ("tests/integration/test_canary.py", "-k", "revisioned and not unrevisioned")


def names() -> list[str]:
    """Return the versions of the matrix, the lowest first. The highest version is that of requirements/dev.txt."""
    return sorted((path.stem for path in REQUIREMENTS.glob("core-*.in")), key=lambda name: int(name.rpartition(".")[2]))


def pythons(name: str) -> list[str]:
    """Return the Python versions that fit a version, best first."""
    first = (REQUIREMENTS / f"{name}.in").read_text(encoding="utf-8").splitlines()[0]
    return first.removeprefix("# Python ").split()


def interpreter(name: str) -> str:
    """Return the best interpreter of this machine that fits a version."""
    for version in pythons(name):
        managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python3"))
        for candidate in (f"python{version}", *map(str, managed)):
            try:
                done = subprocess.run([candidate, "-c", "import ensurepip, venv"], check=False, capture_output=True)
            except FileNotFoundError:
                continue
            if done.returncode == 0:
                return candidate
    raise SystemExit(f"{name} needs Python {' or '.join(pythons(name))} on PATH or under ~/.pyenv/versions.")


def environment(name: str) -> Path:
    """Return the folder of a virtual environment with the freeze of a version, made if necessary."""
    target, freeze = ENVIRONMENTS / name, REQUIREMENTS / f"{name}.txt"
    mark = target / f".made-{zlib.crc32(freeze.read_bytes() + os.fsencode(Path.cwd()))}"
    subprocess.run([interpreter(name), "tests/tools/make_venv.py", target, freeze, mark], check=True)
    return target


def run(name: str, *arguments: str) -> int:
    """Run pytest with a version, and return its exit code."""
    folder = environment(name) / "bin"
    print(f"\n==> {name}: {' '.join(arguments)}", flush=True)
    variables = {
        "PATH": f"{folder.absolute()}:{os.environ['PATH']}",
        "ANSIBLE_HOME": str(folder.parent.absolute() / "ansible"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    plugins = ("-p", "xdist", "-p", "_hypothesis_pytestplugin")
    command = [str(folder / "python"), "-m", "pytest", *plugins, "-q", *arguments]
    return subprocess.run(command, check=False, env={**os.environ, **variables}).returncode


def freeze(name: str) -> None:
    """Write the freeze of a version."""
    folder, source = ENVIRONMENTS / f"{name}-freeze", REQUIREMENTS / f"{name}.in"
    subprocess.run([interpreter(name), "-m", "venv", "--clear", folder], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "-r", str(source)], check=True)
    listed = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout.splitlines()
    lines = [f"# Written by `make freeze-matrix` from {name}.in. Do not edit.", *sorted(listed, key=str.lower)]
    (REQUIREMENTS / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Run the command `lowest`, `all` or `freeze`; return the exit code."""
    command, workers = arguments[0], ["-n", str(2 * (os.cpu_count() or 1))]
    if command == "freeze":
        for name in names():
            freeze(name)
        return 0
    if command == "lowest":
        return run(names()[0], *workers, *CHOSEN)
    codes = [run(name, *tests) for name in names() for tests in ((*workers, "tests/unit"), CANARY)]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
