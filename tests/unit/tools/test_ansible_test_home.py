# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from tools import ansible_test_home


def test_it_writes_the_stand_in_for_the_pip_that_ansible_test_bootstraps(tmp_path: Path) -> None:
    pytest.importorskip("ansible_test")
    assert ansible_test_home.main(tmp_path) == 0
    version = ansible_test_home.bootstrapped_pip()
    script = tmp_path / ".ansible" / "test" / "cache" / f"get_pip_{version.replace('.', '_')}.py"
    source = script.read_text(encoding="utf-8")
    compile(source, script, "exec")
    assert f'"pip=={version}"' in source


def test_pip_keeps_the_settings_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", "77")
    ansible_test_home.main(tmp_path)
    file = tmp_path / ".config" / "pip" / "pip.conf"
    parser = configparser.RawConfigParser()
    parser.read(file)
    assert parser["global"]["timeout"] == "77"
    assert Path(parser["global"]["cache-dir"]).is_absolute()
    assert file.stat().st_mode & 0o077 == 0
