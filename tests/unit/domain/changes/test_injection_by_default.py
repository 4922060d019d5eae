# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces without labels that are injected by default are part of the mesh, and move like those with a label."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import plan_moves
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_rows import describe_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.fleet.up_to_date import completion_fingerprint
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.data_plane_plan import plan_data_plane
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from unit.support import builders as b


def cluster(*objects: b.Json, auto: bool = True, revision: str = b.OLD) -> Snapshot:
    """A mesh whose default tag injects by default, with namespace shop without labels."""
    tag = [b.injector(revision, tag="default", auto=auto), *b.revision_tag("default", revision)[1:]]
    return b.snapshot_of([*b.plane(b.OLD), *b.plane(b.NEW), *tag, *b.namespaces(shop=None), *objects])


def planned(snapshot: Snapshot) -> tuple[list[list[str]], list[str]]:
    """The waves of a move to 1-31-0, and the namespaces that keep their labels."""
    mesh = {"namespaces": describe_namespaces(snapshot), "tags": snapshot.mesh.tags, "operator_tags": {}}
    plan = plan_data_plane({**mesh, "cluster": {"name": "c"}}, b.NEW, b.OLD)
    return plan["waves"], plan["following"]


@pytest.mark.parametrize(
    ("snapshot", "by_default", "waves"),
    [
        pytest.param(cluster(*b.deployed()), True, [["shop"]], id="moved by a label"),
        pytest.param(cluster(*b.deployed(pod_labels={REV: b.OLD})), False, [], id="labels of pods stay decisive"),
        pytest.param(cluster(*b.deployed(), auto=False), False, [], id="no injection by default"),
        pytest.param(cluster(*b.deployed(), revision=b.NEW), True, [["shop"]], id="the default moved: only restarted"),
    ],
)
def test_the_plan_of_a_namespace_without_labels(snapshot: Snapshot, by_default: bool, waves: list[list[str]]) -> None:
    row = next(row for row in describe_namespaces(snapshot) if row["name"] == "shop")
    assert (row["injected_by_default"], row["selected_by"] == "default") == (by_default, by_default)
    assert planned(snapshot)[0] == waves


def test_only_namespaces_that_do_not_follow_yet_get_a_label() -> None:
    assert planned(cluster(*b.deployed()))[1] == []
    assert planned(cluster(*b.deployed(), revision=b.NEW))[1] == ["shop"]


def test_the_namespace_of_istiod_gets_no_label() -> None:
    assert planned(cluster(*b.deployed("kiali", b.SYSTEM))) == ([], [b.SYSTEM])


def test_a_namespace_that_is_injected_by_default_may_be_moved_by_name() -> None:
    moves = plan_moves(cluster(), ["shop"], b.NEW, enroll=False, cluster="c")
    assert [str(move) for move in moves] == [f"move namespace shop: no injection label -> {REV}={b.NEW}"]
    with pytest.raises(SafetyError, match="Namespaces shop are not in the mesh"):
        plan_moves(cluster(auto=False), ["shop"], b.NEW, enroll=False, cluster="c")


def test_a_cluster_with_another_such_namespace_is_not_up_to_date() -> None:
    before, after = cluster(), cluster(b.namespace("late"))
    assert completion_fingerprint(before, b.NEW) != completion_fingerprint(after, b.NEW)
    assert completion_fingerprint(before, b.OLD) == completion_fingerprint(after, b.OLD)
