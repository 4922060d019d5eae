# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest

from tools import lint_css

GOOD = ":root { --tone: red; }\n@media print { p { color: var(--tone); } }\n"


def test_a_good_style_sheet_has_no_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = tmp_path / "good.css"
    sheet.write_text(GOOD, encoding="utf-8")
    assert lint_css.main([str(sheet)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("p { margin 0; }", "syntax error: "),
        ("@media print { p }", "syntax error: "),
        ("p { color: red; color: blue; }", "property color is repeated in its rule"),
        ("p { color: red !important; }", "property color is !important"),
        ("p { color: var(--ton); }", "custom property --ton is not defined"),
        ("p { --size: 1px; }", "custom property --size is not used"),
    ],
)
def test_a_problem_is_reported_with_its_line(
    rule: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "bad.css"
    sheet.write_text(f"{GOOD}{rule}\n", encoding="utf-8")
    assert lint_css.main([str(sheet)]) == 1
    assert capsys.readouterr().err.startswith(f"{sheet}:3: {message}")
