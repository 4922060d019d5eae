# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolver agrees with the real API server and the real istiod, on every mesh and for every pod that is tried.

MESHOPS_RESOLVER_SEED asks for other draws than the usual ones, MESHOPS_RESOLVER_DRAWS for more of them per state.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from typing import Any

import pytest

from integration.resolver.cases import Case, drawn_cases, drawn_namespaces, matrix
from integration.resolver.compare import Tally, compare
from integration.resolver.meshes import MIXED, NON_REVISIONED, REVISIONED, TWO_REVISIONS, UNREVISIONED
from integration.resolver.story import Story
from integration.support import Desk

pytestmark = pytest.mark.lab

SEED = int(os.environ.get("MESHOPS_RESOLVER_SEED") or 20261)
DRAWS = int(os.environ.get("MESHOPS_RESOLVER_DRAWS") or 200)
DRAWN_NAMESPACES = 24
RECORDED = (TWO_REVISIONS, NON_REVISIONED, MIXED)
STORIES = (REVISIONED, UNREVISIONED)
Say = Callable[[str], None]


@pytest.fixture(scope="module")
def say(request: pytest.FixtureRequest) -> Say:
    """Print a line whether the test passes or not."""
    capture: Any = request.config.pluginmanager.get_plugin("capturemanager")

    def line(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", end="", flush=True)

    line(f"random draws of pods: MESHOPS_RESOLVER_SEED={SEED}")
    return line


@pytest.fixture(scope="module")
def story(desk: Desk) -> Callable[[str], Story]:
    """The story that a state is part of."""
    desk.state = ""
    drawn = drawn_namespaces(random.Random(SEED), DRAWN_NAMESPACES)
    stories = [Story(cluster, states, drawn) for cluster, states in zip(desk.lab.clusters, STORIES, strict=True)]
    return lambda state: next(found for found in stories if state in found.states)


def chosen(state: str, namespaces: list[str], draw: random.Random) -> list[Case]:
    """The recorded combinations (some of them on a mesh that was not recorded), and drawn pods."""
    combinations = matrix().cases()
    combinations = combinations if state in RECORDED else draw.sample(combinations, DRAWS)
    return [*combinations, *drawn_cases(draw, namespaces, DRAWS)]


@pytest.mark.parametrize("state", [state.name for states in STORIES for state in states])
def test_the_resolver_agrees_with_the_api_server(state: str, story: Callable[[str], Story], say: Say) -> None:
    begin = time.monotonic()
    told = story(state)
    reached, mesh = told.go(state)
    there = time.monotonic()
    cases = chosen(state, list(told.namespaces), random.Random(f"{SEED} {state}"))
    cases += map(told.case, reached.known)
    tally = compare(told.client, mesh, told.namespaces, cases, native=reached.native)
    say(f"{state}: {tally} ({there - begin:.1f} s + {time.monotonic() - there:.1f} s)")
    shown = "\n".join(tally.disagreements[:20])
    assert not tally.disagreements, f"{len(tally.disagreements)} of {len(cases)}, seed {SEED}:\n{shown}"
    assert set(tally.kinds) == reached.kinds, "the pods that were tried do not distinguish a resolver from a constant"
    if state in RECORDED:
        assert recorded_differences(state, tally) == []


def recorded_differences(mesh: str, tally: Tally) -> list[str]:
    """Where the answers to the recorded combinations are not those of the recording."""
    recorded = matrix().recorded(mesh)
    now = [(one.revision, one.image.rpartition("/")[2] or None) for one in tally.answers[: len(recorded)]]
    return [f"{was} became {is_now}" for was, is_now in zip(recorded, now, strict=True) if was != is_now]
