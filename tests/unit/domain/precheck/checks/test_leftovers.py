# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces that were to move and did not, after an upgrade."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits
from unit.support import builders as b
from unit.support.checking import HEALTHY, UPGRADE, fired, of

AT_END = dataclasses.replace(UPGRADE, stage=AFTER)
LIMITED = dataclasses.replace(AT_END, limits=NamespaceLimits(exclude=("shop",)))
HALF = [*b.two_planes(), *b.namespaces(shop=b.OLD, blog=b.NEW, tagged="prod"), *b.deployed(revision=b.OLD)]
FIRES = [
    pytest.param("MU135", "namespace shop", HALF, {"upgrade": AT_END}, id="MU135: a namespace that stayed behind"),
    pytest.param("MU137", f"revision {b.NEW}", HEALTHY, {"upgrade": AT_END}, id="MU137: the target is not installed"),
    pytest.param("MU136", "namespace shop", HALF, {"upgrade": LIMITED}, id="MU136: a namespace that may not move"),
]


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({}, ["namespace shop"]),
        # The playbook verify does not know the source.
        ({"source": None}, ["namespace shop"]),
        ({"source": ""}, ["namespace shop"]),
        ({"source": "", "strategy": "in_place"}, []),
        ({"source": b.NEW}, []),
        ({"limits": NamespaceLimits(namespaces=("blog",))}, []),
    ],
)
def test_only_what_was_to_move_is_an_error(changes: dict[str, t.Any], left: list[str]) -> None:
    upgrade: Upgrade = dataclasses.replace(AT_END, **changes)
    assert [row.object for row in of("MU135", HALF, upgrade)] == left


def test_nothing_is_left_before_an_upgrade_and_of_a_complete_one() -> None:
    assert not {"MU135", "MU136"} & set(fired(HALF))
    assert not {"MU135", "MU136"} & set(fired([*b.two_planes(), *b.namespaces(shop=b.NEW)], AT_END))


@pytest.mark.parametrize(
    ("objects", "messages"),
    [
        (b.two_planes(), []),
        (b.plane(b.NEW, "1.31.0-distroless"), []),
        (b.plane(b.NEW, "1.30.3"), ["It has version 1.30.3, not 1.31.0."]),
        (b.plane(b.OLD), ["No control plane of this revision runs in the cluster."]),
    ],
)
def test_the_target_is_installed_in_its_version(objects: list[b.Json], messages: list[str]) -> None:
    assert [row.message for row in of("MU137", [*objects, *b.namespaces()], AT_END)] == messages


def test_what_the_limits_leave_is_no_warning() -> None:
    codes = fired(HALF, LIMITED)
    assert ("MU122" in codes, "MU136" in codes) == (False, True)
