# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prepare a private home for ansible-test, which then needs only the package index and does not use the user's home."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

STAND_IN = """# Brings pip {version} into an empty virtual environment: ensurepip's own first, then it from the index.
import subprocess
import sys

subprocess.run([sys.executable, "-m", "ensurepip"], check=True, stdout=subprocess.DEVNULL)
packages = [argument for argument in sys.argv[1:] if not argument.startswith("--no-")]
install = [sys.executable, "-m", "pip", "install", "--quiet", "pip=={version}"]
sys.exit(subprocess.run(install + packages).returncode)
"""
SETTING = re.compile(r"^(?:[a-z]+|:env:)\.(?P<key>[a-z-]+)=(?P<value>.+)$")


def bootstrapped_pip() -> str:
    """Return the version of pip that the installed ansible-test bootstraps."""
    spec = find_spec("ansible_test")
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise SystemExit("ansible-test is not installed for this Python.")
    source = Path(folders[0], "_internal", "python_requirements.py").read_text(encoding="utf-8")
    match = re.search(r"pip='([0-9.]+)'", source)
    if not match:
        raise SystemExit("This ansible-test has no version of pip to bootstrap.")
    return match.group(1)


def pip_settings() -> dict[str, str]:
    """Return the effective settings of pip: ansible-test hides the environment and the home that they come from."""

    def run_pip(*arguments: str) -> str:
        command = [sys.executable, "-m", "pip", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    matches = (SETTING.match(line) for line in run_pip("config", "list").splitlines())
    settings = {match["key"]: str(ast.literal_eval(match["value"])) for match in matches if match}
    settings["quiet"] = "1"
    settings["cache-dir"] = run_pip("cache", "dir").strip()
    if proxy := urllib.request.getproxies().get("https"):
        settings.setdefault("proxy", proxy)
    return settings


def main(home: Path) -> int:
    """Write the script that brings pip, and the settings of pip."""
    version = bootstrapped_pip()
    script = home / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(STAND_IN.format(version=version), encoding="utf-8")

    parser = configparser.RawConfigParser()
    parser["global"] = pip_settings()
    file = home / ".config" / "pip" / "pip.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    # The address of an index may contain a password.
    file.touch(mode=0o600)
    with file.open("w", encoding="utf-8") as handle:
        parser.write(handle)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
