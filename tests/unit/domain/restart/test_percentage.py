# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The canary percentage: which workloads it selects, and the refusals (S2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.planned_state import (
    PlannedSteps,
    apply_planned_steps,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import (
    CanaryPercentage,
    plan_canary,
    select_percentage,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL, PREVIOUS_LABELS
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload, read_workload
from unit.support import builders as b
from unit.support.percentage import FREE, OLD, PLANES, SHOP, TRUE, moved, names, plan_percent

GATEWAY: b.Json = {"annotations": {"inject.istio.io/templates": "gateway"}}


def read(*objects: b.Json) -> list[Workload]:
    """Workloads as the core reads them."""
    return [read_workload(obj["kind"], obj) for obj in objects]


TEN = read(*(b.workload("Deployment", f"app-{number}") for number in range(10)))
#: Fixed: a cluster that was moved by an earlier release must not see another choice.
RANKED = ["app-5", "app-1", "app-9", "app-3", "app-6", "app-0", "app-2", "app-7", "app-8", "app-4"]


@pytest.mark.parametrize(
    ("percent", "count"), [(0, 0), (1, 1), (10, 1), (11, 2), (50, 5), (55, 6), (90, 9), (91, 10), (100, 10)]
)
def test_the_selection_never_changes(percent: int, count: int) -> None:
    assert names(select_percentage(TEN, percent)) == set(RANKED[:count])


def test_the_kind_counts_and_gateways_come_last() -> None:
    gateways = read(
        b.workload("Deployment", "in", **GATEWAY), *(b.workload("Deployment", f"app-{n}") for n in range(3))
    )
    assert [names(select_percentage(gateways, percent)) for percent in (75, 76)] == [
        {"app-0", "app-1", "app-2"},
        {"app-0", "app-1", "app-2", "in"},
    ]
    kinds = read(b.workload("Deployment", "a"), b.workload("StatefulSet", "a"))
    assert len(select_percentage(kinds, 50)) == 1


def test_the_percentage_counts_for_each_namespace() -> None:
    both = [*TEN, *read(b.workload("Deployment", "one", "other"))]
    assert select_percentage(both, 10) == {("shop", "Deployment", RANKED[0]), ("other", "Deployment", "one")}


@given(st.sets(st.text("abcdef0-", min_size=1, max_size=8), max_size=30), st.integers(0, 100), st.integers(0, 100))
def test_a_larger_percentage_contains_a_smaller_one(found: set[str], one: int, other: int) -> None:
    workloads = read(*(b.workload("Deployment", name) for name in sorted(found)))
    small, large = (
        select_percentage(workloads, min(one, other)),
        select_percentage(list(reversed(workloads)), max(one, other)),
    )
    assert small <= large
    assert len(small) == -(-len(found) * min(one, other) // 100)


@given(st.sets(st.text("abcdef0-", min_size=1, max_size=8), min_size=1, max_size=30), st.integers(0, 100))
def test_one_more_workload_shifts_at_most_one(found: set[str], percent: int) -> None:
    workloads = read(*(b.workload("Deployment", name) for name in sorted(found)))
    before, after = select_percentage(workloads[1:], percent), select_percentage(workloads, percent)
    assert len(before - after) <= 1


@pytest.mark.parametrize(
    ("objects", "chooses"),
    [
        pytest.param(b.deployed(pod_labels=OLD), True, id="domain 3 row 4: by istio.io/rev"),
        pytest.param(b.deployed(pod_labels=TRUE), True, id="domain 3 row 4: by inject"),
        pytest.param(b.deployed(pod_labels={**OLD, **TRUE}), True, id="both"),
        pytest.param(b.deployed(pod_labels=OLD, pods=0), True, id="without pods now"),
        pytest.param(b.deployed(pod_labels={REV: "prod"}), True, id="by a tag"),
        pytest.param(b.deployed(revision=None), False, id="not in the mesh"),
        pytest.param(b.deployed(pod_labels={**OLD, INJECT: "false"}), False, id="opted out"),
        pytest.param(b.deployed(pod_labels={INJECT: "yes"}, revision=None), False, id="no opinion"),
        pytest.param(b.deployed(pod_labels={REV: "gone"}, revision=None), False, id="a dangling label"),
        pytest.param(
            [b.workload(template={"metadata": {"labels": OLD}, "spec": {"hostNetwork": True, "containers": []}})],
            False,
            id="host network",
        ),
    ],
)
def test_which_workloads_select_their_revision(objects: list[b.Json], chooses: bool) -> None:
    assert list(plan_percent(100, *objects).label_changes) == [("shop", "Deployment", "web")] * chooses


def test_the_cluster_as_it_will_be() -> None:
    found = plan_percent(100, *b.deployed(pod_labels=OLD, pods=2))
    assert {key[2]: len(stale) for key, stale in found.snapshot.stale_workloads().items()} == {"web": 2}
    assert found.movable_workloads == [{"namespace": "shop", "workloads": 1, "selected": ["Deployment shop/web"]}]


@pytest.mark.parametrize(
    ("label", "previous", "source", "counts"),
    [
        (b.OLD, None, b.OLD, True),
        (b.OLD, None, b.NEW, False),
        ("prod", None, b.OLD, True),
        (b.NEW, None, b.OLD, False),
        (b.NEW, '{"istio.io/rev": "1-30-3"}', b.OLD, True),
        ("prod", '{"istio.io/rev": "1-31-0"}', b.NEW, True),
        (b.OLD, '{"istio.io/rev": "gone"}', b.OLD, True),
    ],
)
def test_only_workloads_that_select_the_source_count(
    label: str, previous: str | None, source: str, counts: bool
) -> None:
    found = plan_percent(0, *moved(b.deployed(), label, previous), source=source)
    assert len(found.movable_workloads) == counts


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (b.workload(labels=OLD, paused=True), "paused"),
        (b.workload("DaemonSet", labels=OLD, updateStrategy={"type": "OnDelete"}), "on_delete"),
        (b.workload("StatefulSet", labels=OLD, updateStrategy={"rollingUpdate": {"partition": 1}}), "partition"),
        (b.workload(labels=OLD, selector={"matchLabels": {"app": "web", **OLD}}), "selector"),
        (b.workload(labels=OLD, selector={"matchExpressions": [{"key": REV, "operator": "Exists"}]}), "selector"),
        (b.workload("Rollout", labels=OLD), "argo_rollout"),
    ],
)
def test_workloads_that_cannot_be_moved_are_reported(made: b.Json, code: str) -> None:
    found = plan_percent(100, made)
    assert (found.label_changes, [one.cause.code for one in found.unmovable]) == ({}, [code])
    assert plan_percent(0, made).unmovable == []


@pytest.mark.parametrize(
    ("labels", "canary", "objects", "sentence"),
    [
        (
            {REV: b.OLD},
            CanaryPercentage(10, b.NEW),
            [],
            "label istio.io/rev=1-30-3 of namespace shop selects the",
        ),
        ({REV: ""}, CanaryPercentage(0), [], "label istio.io/rev= of namespace shop selects"),
        (
            {INJECTION: "disabled"},
            CanaryPercentage(10, b.NEW),
            [],
            "label istio-injection=disabled of namespace",
        ),
        ({}, CanaryPercentage(10, "gone"), [], "No injector owns the name 'gone'"),
    ],
)
def test_s2_refused(labels: b.Json, canary: CanaryPercentage, objects: list[b.Json], sentence: str) -> None:
    with pytest.raises(SafetyError, match=sentence):
        plan_canary(b.snapshot_of([*PLANES, b.namespace("shop", labels), *objects]), SHOP, canary)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"revision": b.NEW}, "Parameter revision requires percent"),
        ({"source_revision": b.OLD}, "Parameter source_revision requires percent"),
        ({"percent": 101, "revision": b.NEW}, "Parameter percent: 101 is not a number from 0 to 100"),
        ({"percent": -1, "revision": b.NEW}, "Parameter percent: -1 is not"),
        ({"percent": 1}, "Parameter revision is missing"),
    ],
)
def test_options_that_do_not_go_together(options: b.Json, sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        CanaryPercentage.from_params(
            {"percent": None, "revision": None, "source_revision": None, "run_id": None, **options}
        )


def test_a_move_that_was_begun_is_recognized_by_the_label_of_the_pods() -> None:
    moving = moved(b.deployed(), b.NEW, '{"istio.io/rev": "1-30-3"}')
    moving[2]["metadata"]["labels"][REV] = b.OLD
    found = plan_percent(100, *moving)
    back = found.begun["shop", "Deployment", "web"]
    assert back is not None
    assert back["spec"]["template"]["metadata"]["labels"] == {REV: b.OLD}
    assert back["metadata"]["annotations"] == {PREVIOUS_LABELS: None, JOURNAL: None}
    assert found.label_changes == {}
    moving[0]["status"]["conditions"] = [{"type": "Progressing", "reason": "ProgressDeadlineExceeded"}]
    assert plan_percent(100, *moving).begun == {}
    coming_back = moved(b.deployed(), b.OLD, None)
    coming_back[2]["metadata"]["labels"][REV] = b.NEW
    assert plan_percent(0, *coming_back).begun == {("shop", "Deployment", "web"): None}


def test_in_a_plan_workloads_select_the_revision() -> None:
    snapshot = b.snapshot_of([*FREE, *b.deployed(pod_labels=OLD), *b.deployed("cart", pod_labels=OLD)])
    found = apply_planned_steps(
        snapshot, PlannedSteps.from_params({"revision": b.NEW, "workloads": ["Deployment shop/web"]})
    )
    assert names(found.stale_workloads()) == {"web"}
