# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A mesh without a lock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from unit.support import builders as b
from unit.support.fake_api import FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A mesh without a lock."""
    with FakeApi(*b.plane(b.OLD), *b.namespaces(shop=b.OLD)) as found:
        yield found
