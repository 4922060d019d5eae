# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of the demo shows the result of istio_info."""

from __future__ import annotations

from demo.__main__ import read
from demo.tables import HEADINGS, render, rows
from unit.support import builders as b
from unit.support.fake_api import FakeApi


def test_the_table_shows_a_mesh() -> None:
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed(revision=b.NEW)) as api:
        found = read(host=api.url)
    assert rows({"demo-1": found}) == [
        (
            "demo-1",
            f"{b.OLD} ready, {b.NEW} ready",
            b.OLD,
            f"prod={b.OLD}",
            f"1 on {b.NEW}",
            f"1 x {b.NEW_VERSION}",
        )
    ]
    assert render(HEADINGS, rows({"demo-1": found})).count("\n") == 2
