# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from tools import stages


@pytest.fixture(autouse=True)
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    script = tmp_path / "make"
    script.write_text(f'#!/bin/sh\necho "$1" >> "{tmp_path}/ran"\ntest "$1" != bad\n')
    script.chmod(0o755)
    monkeypatch.setenv("MAKE", str(script))
    return tmp_path


def test_it_runs_all_and_ends_with_the_last(make: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stages.main(["one", "two"]) == 0
    assert (make / "ran").read_text() == "one\ntwo\n"
    assert capsys.readouterr().out.split("\n==> ")[1:] == [
        "stage 1 of 2: one\n",
        "so far: one 0 s\n",
        "stage 2 of 2: two\n",
    ]


def test_it_stops_at_the_first_failure(make: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stages.main(["one", "bad", "two"]) == 1
    assert (make / "ran").read_text() == "one\nbad\n"
    assert "==> bad failed (one 0 s, bad 0 s); run it alone with: make bad\n" in capsys.readouterr().out


def test_the_targets_of_a_stage_run_two_at_a_time(make: Path, capsys: pytest.CaptureFixture[str]) -> None:
    meet = 'touch "$0.$1"; until [ -e "$0.one" ] && [ -e "$0.two" ]; do sleep 0.02; done; echo "$1 is here"'
    (make / "make").write_text(f"#!/bin/sh\n{meet}\n")
    assert stages.main(["one+two+three"]) == 0
    shown = capsys.readouterr().out.split("\n==> ")[1:]
    assert shown[0] == "stage 1 of 1: one, two, three\n"
    assert sorted(shown[1:]) == [f"{name}\n{name} is here\n" for name in ("one", "three", "two")]


def test_all_failures_of_a_stage_are_printed(make: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stages.main(["one+bad+two", "three"]) == 1
    assert sorted((make / "ran").read_text().split()) == ["bad", "one", "two"]
    assert "==> bad failed (one 0 s, bad 0 s, two 0 s); run it alone with: make bad\n" in capsys.readouterr().out
