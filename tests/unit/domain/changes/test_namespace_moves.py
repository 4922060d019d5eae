# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moving a namespace and back: one patch, its journal and its undo (S2)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    NamespaceMove,
    plan_move,
    plan_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import (
    JOURNAL,
    PREVIOUS_LABELS,
    NotRestored,
)
from unit.support import builders as b

MESH = b.mesh_of(b.two_planes())
NAMES = st.sampled_from([b.OLD, b.NEW, "prod", "default"])
INJECTION_VALUES = st.sampled_from(["enabled", "disabled", "true", ""])
LABELS = st.fixed_dictionaries({}, optional={REV: NAMES, INJECTION: INJECTION_VALUES, "team": st.just("shop")})


def raw(labels: dict[str, str], annotations: dict[str, str] | None = None) -> b.Json:
    """Namespace shop."""
    return b.namespace("shop", labels, annotations)


def patched(namespace: b.Json, step: NamespaceMove) -> b.Json:
    """A namespace after a merge patch."""
    change = step.patch("r1")["metadata"]
    found = {part: dict(namespace["metadata"].get(part, {})) for part in ("labels", "annotations")}
    for part, values in found.items():
        values.update(change[part])
        found[part] = {key: value for key, value in values.items() if value is not None}
    return b.namespace("shop", found["labels"], found["annotations"])


def test_s2_one_patch_removes_istio_injection_sets_the_revision_label_and_the_journal() -> None:
    step = plan_move(b.namespace_of(raw({INJECTION: "enabled", "team": "shop"})), b.NEW)
    assert step is not None
    assert step.patch("r1") == {
        "metadata": {
            "resourceVersion": "7",
            "labels": {INJECTION: None, REV: b.NEW},
            "annotations": {
                PREVIOUS_LABELS: None,
                JOURNAL: json.dumps([{"run": "r1", "before": {INJECTION: "enabled"}, "after": {REV: b.NEW}}]),
            },
        }
    }
    assert str(step) == "move namespace shop: istio-injection=enabled -> istio.io/rev=1-31-0"


def test_s2_istio_injection_beside_the_right_revision_label_is_removed() -> None:
    assert plan_move(b.namespace_of(raw({INJECTION: "enabled", REV: b.NEW})), b.NEW) is not None


def test_a_namespace_with_the_right_label_is_not_moved() -> None:
    assert plan_move(b.namespace_of(raw({REV: b.NEW})), b.NEW) is None


def test_without_a_journal_nothing_is_undone() -> None:
    assert plan_undo(MESH, b.namespace_of(raw({REV: b.NEW})), None) is None


@given(labels=LABELS, target=NAMES, run=st.sampled_from([None, "r1"]))
def test_s2_move_and_undo_is_identity(labels: dict[str, str], target: str, run: str | None) -> None:
    before = raw(labels)
    there = plan_move(b.namespace_of(before), target)
    if there is None:
        return
    moved = patched(before, there)
    assert moved["metadata"]["labels"].get(REV) == target
    assert INJECTION not in moved["metadata"]["labels"]
    back = plan_undo(MESH, b.namespace_of(moved), run)
    assert isinstance(back, NamespaceMove)
    assert patched(moved, back) == before
    assert plan_undo(MESH, b.namespace_of(patched(moved, back)), run) is None


@pytest.mark.parametrize(
    ("remembered", "message"),
    [
        pytest.param({REV: "gone"}, "no injector owns 'gone'", id="S2: never back to a name that no injector owns"),
        pytest.param({REV: ""}, "no injector owns", id="S2: nor to an empty one"),
    ],
)
def test_undo_is_refused(remembered: b.Json, message: str) -> None:
    found = plan_undo(MESH, b.namespace_of(raw({REV: b.NEW}, {PREVIOUS_LABELS: json.dumps(remembered)})), None)
    assert isinstance(found, NotRestored)
    assert message in found.reason
    assert found.failed


def test_s2_undo_to_istio_injection_needs_a_default() -> None:
    found = b.namespace_of(raw({REV: b.OLD}, {PREVIOUS_LABELS: '{"istio-injection": "enabled"}'}))
    kept = plan_undo(b.mesh_of(b.plane(b.OLD)), found, None)
    assert isinstance(kept, NotRestored)
    assert "istio-injection=enabled" in kept.reason


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (PREVIOUS_LABELS, "no JSON"),
        (PREVIOUS_LABELS, "[" * 150_000),
        (JOURNAL, "no JSON"),
        (JOURNAL, "[" * 150_000),
        (JOURNAL, '[{"before": {}, "after": {}}]'),
        (JOURNAL, '[{"run": 7, "before": {}, "after": {}}]'),
    ],
)
def test_an_edited_journal_undoes_nothing(key: str, text: str) -> None:
    kept = plan_undo(MESH, b.namespace_of(raw({REV: b.NEW}, {key: text})), "r1")
    assert isinstance(kept, NotRestored)
    assert f"its annotation {key}" in kept.reason


def test_undo_of_an_enrolled_namespace_removes_it_from_the_mesh() -> None:
    back = plan_undo(MESH, b.namespace_of(raw({REV: b.NEW}, {PREVIOUS_LABELS: "{}"})), None)
    assert isinstance(back, NamespaceMove)
    assert str(back).endswith("-> no injection label")
