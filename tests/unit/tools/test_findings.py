# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of findings is the table of checks."""

from __future__ import annotations

from tools import findings


def test_page_is_in_step_with_the_table() -> None:
    assert findings.PAGE.read_text(encoding="utf-8") == findings.page(), "run: make findings"


def test_codes_are_unique() -> None:
    codes = [check.code for check in findings.CHECKS]
    assert sorted(codes) == sorted(set(codes))
