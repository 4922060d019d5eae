# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared by all tests."""

from __future__ import annotations

import pytest

# Both have helpers with assertions, whose values a failure should show.
pytest.register_assert_rewrite("unit.support", "integration", "field")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs a lab by where it lies, and skip what needs pytest-ansible where that is absent."""
    absent = not config.pluginmanager.hasplugin("ansible")
    for item in items:
        if {"integration", "field"} & set(item.path.parts):
            item.add_marker(pytest.mark.lab)
        if absent and item.get_closest_marker("pytest_ansible"):
            item.add_marker(pytest.mark.skip(reason="pytest-ansible is not loaded"))
