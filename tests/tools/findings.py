# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/findings.md from the table of checks, so that the two cannot differ."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils._checks import CHECKS
from ansible_collections.meshops.istio.plugins.module_utils._finding import Check

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "findings.md"
HEAD = """# Findings

What `istio_precheck` looks for. Codes are stable: name one in `allow` to go on in spite of it.
Severity *before* counts in the gate of an upgrade, *after* in its proof; a dash means that the check is not made there.

| code | before | after | title | why it matters | remedy |
| --- | --- | --- | --- | --- | --- |
"""


def row(check: Check) -> str:
    """One line of the table."""
    cells = (check.code, check.severity, check.after or "-", check.title, check.why, check.remedy)
    return f"| {' | '.join(cells)} |"


def page() -> str:
    """The whole page."""
    return HEAD + "\n".join(row(check) for check in CHECKS) + "\n"


def main() -> int:
    """Write the page, or with --check only compare it."""
    if "--check" in sys.argv[1:]:
        return 0 if PAGE.read_text(encoding="utf-8") == page() else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
