# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Moving a namespace and back (S2), and plans for what is not there yet."""

from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import (
    NamespaceMove,
    plan_move,
    plan_undo,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import (
    PlannedSteps,
    apply_planned_steps,
    with_revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.source_revision import (
    canary_source,
    source_revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import (
    JOURNAL,
    PREVIOUS_LABELS,
    PREVIOUS_REVISION,
    NotRestored,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version
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


def start(**labels: str) -> t.Any:
    """A cluster before its canary: only 1-30-3 with its tags."""
    return b.snapshot_of(
        [*b.plane(b.OLD), *b.revision_tag("prod", b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(**labels)]
    )


def apply_steps(snapshot: Snapshot, steps: b.Json | None) -> Snapshot:
    """The snapshot after the option `planned`."""
    return apply_planned_steps(snapshot, PlannedSteps.from_params(steps))


def plan(**over: t.Any) -> b.Json:
    """The option `planned`: what earlier tasks of a run would have done."""
    return {"revision": b.NEW, "version": b.NEW_VERSION, "namespaces": [], "tags": [], **over}


@pytest.mark.parametrize("nothing", [None, {}])
def test_without_planned_steps_the_snapshot_is_unchanged(nothing: b.Json | None) -> None:
    snapshot = start(shop=b.OLD)
    assert apply_steps(snapshot, nothing) is snapshot


def test_a_planned_revision_injects_namespaces_that_are_moved_to_it() -> None:
    found = apply_steps(start(shop=b.OLD, orders=b.OLD), plan(namespaces=["shop"]))
    assert found.injection_of("shop").revision == b.NEW
    assert found.injection_of("orders").revision == b.OLD
    assert found.injection_of(b.SYSTEM, {REV: b.NEW}).revision == b.NEW
    config = found.mesh.revisions[b.NEW].config
    assert config is not None
    assert config.tag == b.NEW_VERSION


def test_planned_moves_remove_istio_injection() -> None:
    snapshot = b.snapshot_of([*b.two_planes(), raw({INJECTION: "enabled"})])
    assert apply_steps(snapshot, plan(namespaces=["shop"])).namespaces["shop"].labels == {REV: b.NEW}


def test_planned_tags_move() -> None:
    found = apply_steps(start(shop="prod"), plan(tags=["prod", "default"]))
    assert found.injection_of("shop").revision == b.NEW
    assert found.mesh.default_revision == b.NEW


def test_planned_tags_do_not_move_other_tags() -> None:
    assert apply_steps(start(shop="prod"), plan(tags=["default"])).injection_of("shop").revision == b.OLD


def test_empty_planned_steps_change_nothing() -> None:
    snapshot = start(shop=b.OLD)
    assert apply_steps(snapshot, {"revision": None}) == snapshot


def test_a_planned_revision_that_is_installed_is_unchanged() -> None:
    assert with_revision(MESH, b.NEW, b.NEW_VERSION) == MESH


@pytest.mark.parametrize("revision", ["default", b.OLD])
def test_a_planned_in_place_upgrade_changes_only_the_injected_image(revision: str) -> None:
    mesh = b.mesh_of([*b.plane(revision, b.OLD_VERSION), *b.revision_tag("default", revision)])
    found = with_revision(mesh, revision, b.NEW_VERSION)
    config = found.revisions[revision].config
    assert config is not None
    assert config.tag == b.NEW_VERSION
    assert (found.injectors, found.tags) == (mesh.injectors, mesh.tags)


def test_after_a_planned_in_place_upgrade_all_proxies_are_stale() -> None:
    snapshot = b.snapshot_of([*b.plane(b.OLD), *b.namespaces(shop=b.OLD), *b.deployed()])
    assert snapshot.stale_workloads() == {}
    found = apply_steps(snapshot, {"revision": b.OLD, "version": b.NEW_VERSION})
    assert list(found.stale_workloads()) == [("shop", "Deployment", "web")]


def test_a_planned_rollback_restores_labels() -> None:
    moved = raw({REV: b.NEW, "team": "shop"}, {PREVIOUS_LABELS: json.dumps({INJECTION: "enabled"})})
    found = apply_steps(b.snapshot_of([*b.two_planes(), moved]), {"namespaces": ["shop"], "restored": True})
    assert found.namespaces["shop"].labels == {INJECTION: "enabled", "team": "shop"}
    assert found.injection_of("shop").revision == b.OLD


def test_a_planned_rollback_does_not_change_namespaces_that_were_never_moved() -> None:
    snapshot = start(shop=b.OLD)
    assert apply_steps(snapshot, {"namespaces": ["shop"], "restored": True}).namespaces == snapshot.namespaces


def tagged(name: str, previous: str | None) -> list[b.Json]:
    """A tag that points at 1-31-0, and what it remembers."""
    found = b.revision_tag(name, b.NEW)
    found[0]["metadata"]["annotations"] = {PREVIOUS_REVISION: previous} if previous else {}
    return found


@pytest.mark.parametrize(("previous", "expected"), [(b.OLD, b.OLD), (None, b.NEW)])
def test_a_planned_rollback_restores_tags(previous: str | None, expected: str) -> None:
    objects = [*b.plane(b.OLD), *b.plane(b.NEW), *tagged("prod", previous), *b.namespaces(shop="prod")]
    found = apply_steps(b.snapshot_of(objects), {"restored_tags": ["prod"]})
    assert found.mesh.tags == {"prod": expected}
    assert found.injection_of("shop").revision == expected


def test_a_planned_rollback_of_the_default_moves_all_its_owners() -> None:
    objects = [*b.plane(b.OLD), *b.plane(b.NEW), *tagged("default", b.OLD)]
    mesh = apply_steps(b.snapshot_of(objects), {"restored_tags": ["default"]}).mesh
    assert (mesh.default_revision, mesh.default_validator, mesh.default_service) == (b.OLD,) * 3


def test_a_broken_revision_is_planned_as_if_it_were_fixed() -> None:
    """An installation fixes it, so later planned steps treat it as ready."""
    mesh = with_revision(b.mesh_of([*b.plane(b.OLD), *b.plane(b.NEW, ready=0)]), b.NEW, b.NEW_VERSION)
    assert mesh.revisions[b.NEW].rolled_out
    assert [found.revision for found in mesh.injectors] == [b.OLD, b.NEW]


def remembering(tag: b.Json, previous: str) -> b.Json:
    """A tag that knows where it pointed before."""
    tag["metadata"]["annotations"] = {PREVIOUS_REVISION: previous}
    return tag


KILLED = [*b.plane(b.NEW), remembering(b.injector(b.NEW, tag="default"), b.OLD)]
BOTH = [*b.plane(b.OLD), *b.plane("1-29-0", "1.29.0")]


@pytest.mark.parametrize(
    ("objects", "wanted", "expected"),
    [
        pytest.param(KILLED, None, b.OLD, id="what a killed removal left, without its injector"),
        pytest.param(KILLED, b.OLD, b.OLD, id="the same that is asked for again"),
        pytest.param([*b.two_planes(), *b.namespaces(shop="prod")], None, b.OLD, id="the one that namespaces follow"),
        pytest.param(
            [*BOTH, *b.revision_tag("default", b.OLD), *b.namespaces(shop="1-29-0")],
            None,
            "1-29-0",
            id="before the default",
        ),
        pytest.param(b.two_planes(), None, b.OLD, id="no namespace selects any: the default"),
        pytest.param(
            [*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag("default", b.NEW)], None, b.OLD, id="the only other one"
        ),
        pytest.param(b.plane(b.OLD), None, b.OLD, id="the only one"),
        pytest.param(BOTH, None, None, id="no namespace selects any, and no default"),
        pytest.param(b.plane(b.NEW), None, None, id="no other revision"),
        pytest.param([], None, None, id="an empty cluster"),
        pytest.param([*b.plane(b.NEW), *b.plane(b.OLD)[1:]], None, b.OLD, id="what a killed removal left"),
        pytest.param(
            [*b.plane("1-29-0"), *b.plane(b.OLD)[1:]], None, "1-29-0", id="remains of a removal are not a source"
        ),
        pytest.param(b.plane(b.OLD)[1:], None, None, id="nothing runs"),
        pytest.param(b.two_planes(), b.NEW, b.NEW, id="the one that is asked for"),
    ],
)
def test_canary_source(objects: list[b.Json], wanted: str | None, expected: str | None) -> None:
    assert canary_source(b.snapshot_of(objects), b.NEW, wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "message"), [("gone", "There is no revision gone"), (None, "Namespaces follow several revisions")]
)
def test_a_source_is_not_guessed(wanted: str | None, message: str) -> None:
    with pytest.raises(SafetyError, match=message):
        canary_source(b.snapshot_of([*BOTH, *b.namespaces(shop=b.OLD, orders="1-29-0")]), b.NEW, wanted)


IN_PLACE, DOWN = "in_place", "downgrade"


@pytest.mark.parametrize(
    ("strategy", "objects", "revision", "version", "expected"),
    [
        pytest.param("canary", b.two_planes(), b.NEW, "1.31.0", b.OLD, id="a canary comes from another revision"),
        pytest.param(IN_PLACE, b.plane("default"), "default", "1.31.0", "default", id="in place from itself"),
        pytest.param(IN_PLACE, b.two_planes(), b.OLD, "1.31.0", b.OLD, id="in place, whatever stands beside it"),
        pytest.param(DOWN, b.plane(b.NEW), b.OLD, "1.30.3", b.NEW, id="a downgrade beside the newer one"),
        pytest.param(DOWN, b.plane("default", "1.31.0"), b.OLD, "1.30.3", "default", id="of a mesh upgraded in place"),
        pytest.param(DOWN, b.plane("default", "1.31.0"), "default", "1.30.3", "default", id="a downgrade in place"),
        pytest.param(DOWN, b.plane(b.OLD), b.OLD, "1.30.3", None, id="a downgrade that is done"),
    ],
)
def test_source_revision(
    strategy: str, objects: list[b.Json], revision: str, version: str, expected: str | None
) -> None:
    target = parse_version(version)
    assert target is not None
    assert source_revision(b.snapshot_of(objects), strategy, revision, target, None) == expected


@pytest.mark.parametrize("objects", [[], b.plane(b.OLD), [b.injector("default")]])
def test_without_the_revision_an_in_place_upgrade_is_refused(objects: list[b.Json]) -> None:
    with pytest.raises(SafetyError, match="There is no revision default to upgrade in place"):
        source_revision(b.snapshot_of(objects), IN_PLACE, "default", Version(1, 31, 0), None)
