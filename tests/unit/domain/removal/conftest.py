# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster in which everything has moved, and a user who removes the old revision from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import removal_inputs
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.removal import MOVED, Remover


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make reads repeat without a pause."""
    monkeypatch.setattr(removal_inputs, "PAUSE", 0)
    monkeypatch.setattr(
        "ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies.PAUSE", 0
    )


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster in which everything has moved."""
    with FakeApi(*MOVED, *b.deployed(revision=b.NEW)) as found:
        yield found


@pytest.fixture
def remover(api: FakeApi, tmp_path: Path) -> Remover:
    """A user who removes the old revision from it."""
    return Remover(api, tmp_path)
