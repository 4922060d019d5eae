# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of the data plane: when they fire, and when they stay silent."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER
from unit.support import builders as b
from unit.support.checking import DEFAULT, HEALTHY, PLANE, UPGRADE, fired


def unready() -> list[b.Json]:
    """A Deployment with a pod that is not ready."""
    found = b.deployed()
    found[-1]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    return found


FIRES = [
    pytest.param(
        "MU020",
        "Deployment shop/web",
        [*PLANE, *DEFAULT, *b.deployed(image=b.proxy("1.30.2"))],
        {},
        id="MU020 domain 6: stale by image",
    ),
    pytest.param(
        "MU021", "Pod shop/bare", [*HEALTHY, b.pod("bare", owner=None)], {}, id="MU021 S6: cannot be restarted"
    ),
    pytest.param(
        "MU022",
        "Pod plain/web-1",
        [*HEALTHY, *b.namespaces(plain=None), b.pod(in_namespace="plain", owner=None)],
        {},
        id="MU022: would lose its proxy",
    ),
    pytest.param(
        "MU023",
        "Deployment shop/big",
        [*HEALTHY, *b.deployed("big", pods=4), b.budget("b", {"matchLabels": {"app": "big"}}, 0)],
        {},
        id="MU023 S5: no room in a budget",
    ),
    pytest.param(
        "MU024",
        "Deployment shop/web",
        [
            *b.plane(b.OLD),
            *b.plane(b.NEW),
            *DEFAULT,
            *b.namespaces(shop=b.OLD),
            *b.deployed(image=b.proxy("1.30.2")),
        ],
        {"upgrade": dataclasses.replace(UPGRADE, stage=AFTER)},
        id="MU024: stale, but not by this upgrade",
    ),
    pytest.param(
        "MU025", "Deployment shop/web", [*PLANE, *DEFAULT, *unready()], {}, id="MU025 domain 14: not ready before"
    ),
    pytest.param(
        "MU026",
        "Deployment shop/one",
        [*HEALTHY, *b.deployed("one", strategy={"type": "Recreate"})],
        {},
        id="MU026 domain 14: Recreate",
    ),
    pytest.param(
        "MU030",
        "revision 1-30-3",
        [*HEALTHY, b.pod("ahead", owner=None, image=b.proxy("1.31.0"))],
        {},
        id="MU030 S7: a proxy newer than its control plane",
    ),
]


def test_domain_12_a_patch_level_ahead_is_no_skew() -> None:
    assert "MU030" not in fired([*HEALTHY, b.pod("ahead", owner=None, image=b.proxy("1.30.9"))])


def test_s6_before_everything_that_cannot_follow_is_named_after_only_what_did_not() -> None:
    objects = [*HEALTHY, b.pod("bare", owner=None)]
    assert "MU021" in fired(objects)
    assert "MU021" not in fired(objects, dataclasses.replace(UPGRADE, stage=AFTER))


@pytest.mark.parametrize(
    ("workload", "fires"),
    [
        (b.deployed("one"), False),
        (b.deployed("one", strategy={"type": "Recreate"}), True),
        # nothing restarts it
        (b.deployed("one", strategy={"type": "Recreate"}, paused=True), False),
        (b.deployed("two", pods=2, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}), False),
        (b.deployed("one", strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}), True),
        (b.deployed("out", revision=None, in_namespace="default", strategy={"type": "Recreate"}), False),
    ],
)
def test_mu026_is_about_what_carries_proxies_and_has_no_second_pod(workload: list[b.Json], fires: bool) -> None:
    assert ("MU026" in fired([*HEALTHY, *workload])) is fires
