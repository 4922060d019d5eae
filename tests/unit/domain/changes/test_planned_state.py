# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Plans for objects that do not exist yet: the cluster after planned steps."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import (
    PlannedSteps,
    apply_planned_steps,
    with_revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import PREVIOUS_LABELS, PREVIOUS_REVISION
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from unit.support import builders as b

MESH = b.mesh_of(b.two_planes())


def raw(labels: dict[str, str], annotations: dict[str, str] | None = None) -> b.Json:
    """Namespace shop."""
    return b.namespace("shop", labels, annotations)


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


@pytest.mark.parametrize(
    ("running", "version", "tag", "planned"),
    [
        ("1.30.3", "1.31.0", None, "1.31.0"),
        ("1.30.3-distroless", "1.31.0", None, "1.31.0-distroless"),
        ("1.30.3-solo", "1.31.0", "1.31.0-solo", "1.31.0-solo"),
        ("1.30.3-solo", "1.31.0", None, "1.31.0"),
        ("1.30.3-solo", "1.31.0-solo", None, "1.31.0-solo"),
        ("asm-1-23", "1.24.0", "asm-1-24", "asm-1-24"),
    ],
)
def test_f22_the_tag_that_the_installation_would_set_is_planned(
    running: str, version: str, tag: str | None, planned: str
) -> None:
    mesh = b.mesh_of(b.plane(b.OLD, running))
    for revision in (b.OLD, b.NEW):
        config = with_revision(mesh, revision, version, tag).revisions[revision].config
        assert config is not None
        assert config.tag == planned


@pytest.mark.parametrize(("tag", "given"), [("1.31.0-tetrate-v0", None), ("1.31.0-distroless", None), ("mine", "mine")])
def test_f22_check_mode_on_a_finished_mesh_restarts_nothing(tag: str, given: str | None) -> None:
    plane = [*b.plane(b.NEW, tag), *b.namespaces(shop=b.NEW)]
    snapshot = b.snapshot_of([*plane, *b.deployed(revision=b.NEW, image=b.proxy(tag))])
    found = apply_steps(snapshot, {"revision": b.NEW, "version": b.NEW_VERSION, "tag": given})
    assert found.stale_workloads() == {}
