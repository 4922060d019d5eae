# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of EnvoyFilters and WasmPlugins."""

from __future__ import annotations

import time

import pytest

from unit.support import builders as b
from unit.support.checking import HEALTHY, fired

FIRES = [
    pytest.param(
        "MU038",
        "EnvoyFilter shop/tweak",
        [*HEALTHY, b.envoy_filter(anchor="envoy.filters.http.router")],
        {},
        id="MU038: a name inside Envoy",
    ),
    pytest.param("MU043", "namespace shop", [*HEALTHY, b.envoy_filter()], {}, id="MU043: extensions"),
    pytest.param(
        "MU044",
        "EnvoyFilter shop/tweak",
        [*HEALTHY, b.envoy_filter("tweak", "shop", r"^1\.30.*", r"^1\.2[0-9].*")],
        {},
        id="MU044: a patch for the old proxies only",
    ),
]


@pytest.mark.parametrize(
    "patterns",
    [
        pytest.param([r"^1\.31.*"], id="for the new ones"),
        pytest.param(["1.3"], id="for both"),
        pytest.param([r"^1\.(30|31)\."], id="for both by name"),
        pytest.param(["("], id="no expression"),
        pytest.param([], id="for all"),
        pytest.param([r"^1\.30.*", r"^1\.31.*"], id="one for each"),
        pytest.param([r"^1\.2[0-9].*"], id="what no proxy has had lately"),
    ],
)
def test_mu044_is_silent_where_the_new_proxies_lose_nothing(patterns: list[str]) -> None:
    assert "MU044" not in fired([*HEALTHY, b.envoy_filter("tweak", "shop", *patterns)])


@pytest.mark.parametrize(
    "pattern", ["((.*)*)*" * 9 + "x", "(" * 200 + ")" * 200, "a{4294967295}", "(.*)" * 60 + "x", "["]
)
def test_f18_an_expression_of_a_tenant_takes_no_time(pattern: str) -> None:
    started = time.monotonic()
    assert "MU044" not in fired([*HEALTHY, b.envoy_filter("tweak", "shop", pattern)])
    assert time.monotonic() - started < 1
