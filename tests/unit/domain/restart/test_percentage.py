# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The canary percentage: which workloads it selects, the patch and its undo, and the refusals (S2)."""

from __future__ import annotations

import copy
import json
import typing as t
from collections.abc import Iterator

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
    CanaryPlan,
    plan_canary,
    select_percentage,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL, PREVIOUS_LABELS
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import Workload, read_workload
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from unit.support import builders as b
from unit.support.fake_api import Answer, FakeApi, failure
from unit.support.running import task

OLD, TRUE = {REV: b.OLD}, {INJECT: "true"}
PLANES = b.two_planes()
FREE = [*PLANES, b.namespace("shop", {})]
SHOP = Selection(("shop",))
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
WAS_OLD = '{"istio.io/rev": "1-30-3"}'
GATEWAY: b.Json = {"annotations": {"inject.istio.io/templates": "gateway"}}


def read(*objects: b.Json) -> list[Workload]:
    """Workloads as the core reads them."""
    return [read_workload(obj["kind"], obj) for obj in objects]


def names(found: t.Iterable[tuple[str, str, str]]) -> set[str]:
    """The names of workloads."""
    return {name for dummy, dummy_kind, name in found}


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


def plan_percent(percent: int, *objects: b.Json, source: str | None = None, base: t.Any = FREE) -> CanaryPlan:
    """The plan of a percentage of namespace shop."""
    return plan_canary(b.snapshot_of([*base, *objects]), SHOP, CanaryPercentage(percent, b.NEW, source))


def moved(made: list[b.Json], label: str | None, previous: str | None) -> list[b.Json]:
    """A Deployment that was moved before, with its pods."""
    made = copy.deepcopy(made)
    made[0]["metadata"]["annotations"] = {} if previous is None else {PREVIOUS_LABELS: previous}
    for labels in (made[0]["spec"]["template"]["metadata"]["labels"], *(p["metadata"]["labels"] for p in made[2:])):
        labels.pop(REV, None)
        labels.update({} if label is None else {REV: label})
    return made


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


def change(run: str, before: str | None, after: str | None) -> b.Json:
    """One change as the journal keeps it; None stands for no label."""
    states = ({} if label is None else {REV: label} for label in (before, after))
    return {"run": run, **dict(zip(("before", "after"), states, strict=True))}


def written(*changes: b.Json) -> str:
    """The text of a journal."""
    return json.dumps(changes)


@pytest.mark.parametrize(
    ("made", "percent", "patch"),
    [
        pytest.param((OLD, None), 100, (b.NEW, written(change("r1", b.OLD, b.NEW))), id="moved"),
        pytest.param(
            (TRUE, None), 100, (b.NEW, written(change("r1", None, b.NEW))), id="moved, without a label before"
        ),
        pytest.param((OLD, None), 0, None, id="never moved"),
        pytest.param(({REV: b.NEW}, '{"istio.io/rev": "prod"}'), 100, None, id="there"),
        pytest.param(({REV: b.NEW}, None), 100, None, id="there without a move"),
        pytest.param(({REV: b.NEW}, None), 0, None, id="there without a move, and stays"),
        pytest.param(({REV: b.NEW}, '{"istio.io/rev": "prod"}'), 0, ("prod", None), id="back"),
        pytest.param(({REV: b.NEW, **TRUE}, "{}"), 0, (None, None), id="back to no label"),
        pytest.param(
            ({REV: "prod"}, WAS_OLD),
            100,
            (b.NEW, written(change("unknown", b.OLD, "prod"), change("r1", "prod", b.NEW))),
            id="S16: moved on, and both moves are remembered",
        ),
        pytest.param((OLD, WAS_OLD), 0, None, id="moved to another revision, and stays"),
    ],
)
def test_the_patch_and_its_undo(made: tuple[b.Json, str | None], percent: int, patch: t.Any) -> None:
    objects = b.deployed(pod_labels=made[0])
    if made[1] is not None:
        objects[0]["metadata"]["annotations"] = {PREVIOUS_LABELS: made[1]}
    found = list(plan_percent(percent, *objects).label_changes.values())
    if patch is None:
        assert found == []
        return

    def of(label: str | None, journal: str | None, previous: str | None = None) -> b.Json:
        annotations = {PREVIOUS_LABELS: previous, JOURNAL: journal}
        return {
            "metadata": {"uid": objects[0]["metadata"]["uid"], "annotations": annotations},
            "spec": {"template": {"metadata": {"labels": {REV: label}}}},
        }

    assert [one.patch("r1") for one in found] == [of(*patch)]
    assert [one.back() for one in found] == [of(made[0].get(REV), None, made[1])]


@pytest.mark.parametrize("label", ["1-31-0", "prod", "1-30-3", None])
def test_without_a_revision_all_workloads_are_moved_back(label: str | None) -> None:
    made = moved(b.deployed(), label, WAS_OLD)
    found = plan_canary(b.snapshot_of([*FREE, *made]), SHOP, CanaryPercentage(0))
    back = [(one.after, one.undone.changes) for one in found.label_changes.values() if one.undone]
    assert back == ([] if label == b.OLD else [(b.OLD, ())])


RUNS = [change("r1", b.OLD, "prod"), change("r2", "prod", b.NEW)]


@pytest.mark.parametrize(
    ("label", "run", "after", "stays"),
    [
        pytest.param(b.NEW, "r2", "prod", None, id="the last run"),
        pytest.param(b.NEW, None, "prod", None, id="the newest change"),
        pytest.param(b.NEW, "r1", None, "run r2 changed it again", id="not the run before it"),
        pytest.param("prod", "r2", None, None, id="there is nothing to undo"),
        pytest.param(b.OLD, "r2", None, "it was changed since", id="another client changed it"),
        pytest.param(b.NEW, "r3", None, None, id="a run that did not change it"),
    ],
)
def test_s16_only_changes_of_the_run_are_undone(
    label: str, run: str | None, after: str | None, stays: str | None
) -> None:
    made = moved(b.deployed(), label, None)
    made[0]["metadata"]["annotations"] = {JOURNAL: written(*RUNS)}
    found = plan_canary(b.snapshot_of([*FREE, *made]), SHOP, CanaryPercentage(0, run=run))
    assert [one.after for one in found.label_changes.values()] == ([after] if after else [])
    assert [one.cause.reason.startswith(str(stays)) for one in found.unmovable] == ([True] if stays else [])


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


@pytest.mark.parametrize("text", ["[]", "[" * 150_000, '{"istio.io/rev": 7}', '{"istio.io/rev": "a b"}', "null"])
@pytest.mark.parametrize("percent", [0, 100])
def test_f18_a_journal_that_cannot_be_read_does_not_block_other_workloads(text: str, percent: int) -> None:
    odd = moved(b.deployed("odd", pod_labels={REV: b.NEW}), b.NEW, text)
    found = plan_percent(percent, *odd, *b.deployed("good", pod_labels=OLD))
    assert [(one.name, one.cause.code) for one in found.unmovable] == [("odd", "unreadable")]
    assert [change.workload.name for change in found.label_changes.values()] == (["good"] if percent else [])


@pytest.mark.parametrize(
    ("previous", "code", "reason"),
    [
        (
            '{"istio.io/rev": "gone"}',
            "previous_revision_gone",
            "with istio.io/rev=gone new pods of Deployment shop/web would get no",
        ),
        ("[" * 150_000, "unreadable", "its annotation meshops.istio/previous-labels cannot be read"),
    ],
)
def test_s16_a_workload_that_cannot_be_moved_back_does_not_block_others(previous: str, code: str, reason: str) -> None:
    stays = moved(b.deployed("cart", revision=b.NEW), b.NEW, previous)
    goes = moved(b.deployed(revision=b.NEW), b.NEW, WAS_OLD)
    found = plan_canary(b.snapshot_of([*FREE, *stays, *goes]), SHOP, CanaryPercentage(0))
    assert names(found.label_changes) == {"web"}
    assert [(one.name, one.cause.code) for one in found.unmovable] == [("cart", code)]
    assert found.unmovable[0].cause.reason.startswith(reason.replace("shop/web", "shop/cart"))


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


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two Deployments that select their revision by pod labels."""
    with FakeApi(
        *FREE, *b.namespaces(other=b.OLD), *b.deployed(pod_labels=OLD), *b.deployed("cart", pod_labels=TRUE)
    ) as found:
        yield found


def move(api: FakeApi, percent: int, **options: t.Any) -> b.Json:
    """The result of a restart of namespace shop with a percentage."""
    given = {"namespaces": ["shop"], "revision": b.NEW, "percent": percent, "batch_timeout": 1, "budget_timeout": 0}
    return task(api, CORE, **{**given, **options})


def workloads(api: FakeApi) -> dict[str, tuple[b.Json, b.Json]]:
    """The annotations and the template of each workload of the namespace."""
    found = (one for one in b.of_kind(api.objects, "Deployment") if one["metadata"]["namespace"] == "shop")
    return {
        one["metadata"]["name"]: (
            one["metadata"].get("annotations") or {},
            copy.deepcopy(one["spec"]["template"]),
        )
        for one in found
    }


def test_there_and_back_with_a_plan(api: FakeApi) -> None:
    before = workloads(api)
    planned = move(api, 100, check_mode=True)
    result = move(api, 100)
    assert [planned[name] for name in ("actions", "diff", "movable_workloads")] == [
        result[name] for name in ("actions", "diff", "movable_workloads")
    ]
    assert result["actions"] == [
        "move Deployment shop/cart: no label istio.io/rev -> istio.io/rev=1-31-0 (1 pod)",
        "move Deployment shop/web: istio.io/rev=1-30-3 -> istio.io/rev=1-31-0 (1 pod)",
    ]
    notes = {name: json.loads(notes[JOURNAL]) for name, (notes, dummy) in workloads(api).items()}
    run = notes["cart"][0]["run"]
    assert notes == {"cart": [change(run, None, b.NEW)], "web": [change(run, b.OLD, b.NEW)]}
    assert move(api, 100)["changed"] is False
    assert len(move(api, 0, revision=None)["moved"]) == 2
    assert workloads(api) == before


def test_stale_workloads_outside_of_the_percentage_are_left_alone(api: FakeApi) -> None:
    stale = b.deployed("old", pod_labels=OLD, image=b.proxy("1.29.0"))
    api.objects += stale
    assert move(api, 0)["changed"] is False
    assert len(move(api, 34)["moved"]) == 2


def test_writes_of_controllers_meanwhile_do_not_stop_the_move(api: FakeApi) -> None:
    api.script("PATCH", WEB, failure(409, "modified", "Conflict"))
    assert not move(api, 100).get("failed")
    assert names(("", "", name) for name, (notes, dummy) in workloads(api).items() if notes) == {"cart", "web"}


def test_a_change_of_another_client_is_not_overwritten(api: FakeApi) -> None:
    web = next(one for one in api.objects if one["kind"] == "Deployment" and one["metadata"]["name"] == "web")
    theirs = copy.deepcopy(web)
    theirs["spec"]["template"]["metadata"]["labels"][REV] = "prod"
    api.script("PATCH", WEB, failure(409, "modified", "Conflict"))
    api.script("GET", WEB, Answer(theirs))
    result = move(api, 100)
    assert "Deployment shop/web: Changed: another client changed it meanwhile" in result["msg"]
    assert result["failure"]["failed_workloads"] == ["Deployment shop/web"]
    assert {name for name, (notes, dummy) in workloads(api).items() if notes} == {"cart"}


def test_a_lost_answer_is_not_a_change_of_another_client(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    web = next(one for one in api.objects if one["kind"] == "Deployment" and one["metadata"]["name"] == "web")
    ours = copy.deepcopy(web)
    ours["spec"]["template"]["metadata"]["labels"][REV] = b.NEW
    ours["metadata"]["annotations"] = {JOURNAL: written(change("r1", b.OLD, b.NEW))}
    monkeypatch.setattr(Lock, "run_id", property(lambda self: "r1", lambda self, value: None), raising=False)
    api.script("PATCH", WEB, failure(409, "modified", "Conflict"))
    api.script("GET", WEB, Answer(ours))
    result = move(api, 100, scope="stale")
    assert "another client changed it" not in str(result.get("msg"))


def test_the_move_of_a_killed_run_is_undone_when_it_fails(api: FakeApi) -> None:
    move(api, 100)
    web = api.get("Deployment", "web")
    for one in b.of_kind(api.objects, "Pod"):
        if one["metadata"]["labels"].get("app") == "web":
            one["metadata"]["labels"][REV] = b.OLD
    web["status"]["updatedReplicas"] = 0
    result = move(api, 100)
    assert result["failure"]["rolled_back"] is True, result
    assert workloads(api)["web"][0] == {}
    assert workloads(api)["web"][1]["metadata"]["labels"][REV] == b.OLD
    assert json.loads(workloads(api)["cart"][0][JOURNAL])[0]["after"] == {REV: b.NEW}, (
        "a move that an earlier run had finished stays"
    )
