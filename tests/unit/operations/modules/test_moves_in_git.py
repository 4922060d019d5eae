# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Namespaces that Git moves: the task shows the changes, waits for a bounded time, and writes nothing."""

from __future__ import annotations

import copy
import types
import typing as t
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes import git_moves
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.namespace_revision import CORE, check
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.running import params, task

OWNER = "Argo CD application shop"
MARK = {"argocd.argoproj.io/tracking-id": "shop:/Namespace:/on"}
Events = dict[float, Callable[[], None]]
LISTS = "/api/v1/namespaces"


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """The middle of a canary with two namespaces on the old revision; Git owns one of them."""
    on = b.namespace("on", {INJECTION: "enabled"}, MARK)
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.OLD), on) as found:
        yield found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Events:
    """A clock that only waiting advances; at its times Git does something."""
    now, events = 0.0, dict[float, Callable[[], None]]()

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        for at in sorted(events):
            if at <= now:
                events.pop(at)()

    monkeypatch.setattr(git_moves, "time", types.SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    return events


def wait(api: FakeApi, *names: str, **options: t.Any) -> b.Json:
    """The result of a task that waits for Git."""
    given = {"namespaces": list(names), "revision": b.NEW, "label_changes": "git", **options}
    result = task(api, CORE, **given)
    assert api.writes(lock=True) == []
    assert (result["changed"], result.get("actions", [])) == (False, [])
    return result


def git(api: FakeApi, name: str, labels: dict[str, str]) -> Callable[[], None]:
    """A change by Git: it sets the labels of a namespace."""
    return lambda: api.get("Namespace", name)["metadata"].update(labels=labels)


def test_the_task_waits_until_git_has_moved_each_namespace(api: FakeApi, clock: Events) -> None:
    clock.update({10: git(api, "shop", {REV: b.NEW}), 90: git(api, "on", {REV: b.NEW})})
    lines: list[str] = []
    result = wait(api, "shop", "on", progress=lines.append)
    assert (result.get("failed"), result["moved"], result["not_moved"]) == (None, ["shop", "on"], [])
    assert result["waited_for"] == ["shop", "on"]
    assert lines[:2] == [
        f"wait until Git moves namespace shop: {REV}={b.OLD} -> {REV}={b.NEW}",
        f"wait until Git moves namespace on: {INJECTION}=enabled -> {REV}={b.NEW} (owner: {OWNER})",
    ]
    assert [line for line in lines if line.startswith("waiting for on: ")] == ["waiting for on: 1740 s left"]


def test_one_list_reads_all_namespaces(api: FakeApi, clock: Events) -> None:
    clock[30] = git(api, "shop", {REV: b.NEW})
    clock[31] = git(api, "on", {REV: b.NEW})
    wait(api, "shop", "on")
    seen = [one.path for one in api.seen if one.path.startswith(LISTS)]
    assert seen.count(LISTS) <= 2 + 33 / git_moves.POLL_SECONDS
    assert not [path for path in seen if path.startswith((f"{LISTS}/shop", f"{LISTS}/on"))]


def test_at_the_bound_the_others_are_moved_and_the_rest_is_named(api: FakeApi, clock: Events) -> None:
    clock[10] = git(api, "shop", {REV: b.NEW})
    result = wait(api, "shop", "on", git_timeout=60)
    assert (result["failed"], result["moved"]) == (True, ["shop"])
    message = f"Namespace on: Git has not moved it within 60 s: it has {INJECTION}=enabled"
    assert result["not_moved"] == [{"namespace": "on", "message": message}]
    assert "The others were moved: shop" in result["msg"]


@pytest.mark.parametrize(
    ("labels", "moved"),
    [
        pytest.param({REV: b.NEW}, True, id="the label of the revision"),
        pytest.param({REV: "canary"}, True, id="a tag that points at it"),
        pytest.param({REV: "prod"}, False, id="another tag"),
        pytest.param({REV: b.NEW, INJECTION: "enabled"}, False, id="the old label beside the new one"),
        pytest.param({}, False, id="no label"),
    ],
)
def test_a_namespace_has_moved_by_whatever_label(
    api: FakeApi, clock: Events, labels: dict[str, str], moved: bool
) -> None:
    api.objects += copy.deepcopy(b.revision_tag("canary", b.NEW))
    clock[5] = git(api, "shop", labels)
    assert (wait(api, "shop", git_timeout=30)["moved"] == ["shop"]) is moved


def test_a_namespace_that_moved_before_is_not_waited_for(api: FakeApi, clock: Events) -> None:
    git(api, "shop", {REV: b.NEW})()
    result = wait(api, "shop", git_timeout=0)
    assert (result.get("failed"), result["moved"], result["waited_for"]) == (None, [], [])


def test_a_deleted_namespace_is_left_out(api: FakeApi, clock: Events) -> None:
    clock[5] = lambda: api.objects.remove(api.get("Namespace", "shop"))
    result = wait(api, "shop", git_timeout=30)
    assert (result.get("failed"), result["moved"], result["missing"]) == (None, [], ["shop"])
    assert "Namespace shop is left out: it was deleted meanwhile." in result["warnings"]


def test_check_mode_names_the_namespaces_and_does_not_wait(api: FakeApi) -> None:
    lines: list[str] = []
    result = wait(api, "shop", "on", check_mode=True, progress=lines.append)
    assert (result["waited_for"], result["moved"]) == (["shop", "on"], ["shop", "on"])
    assert [line.split(":")[0] for line in lines] == [
        "wait until Git moves namespace shop",
        "wait until Git moves namespace on",
    ]


def test_nothing_is_waited_for_before_the_revision_is_ready(api: FakeApi) -> None:
    api.get("Deployment", f"istiod-{b.NEW}")["status"]["readyReplicas"] = 0
    assert "is not proven to take workloads" in wait(api, "shop")["msg"]


def test_an_api_server_that_fails_for_a_moment_does_not_end_the_wait(api: FakeApi, clock: Events) -> None:
    clock[5] = git(api, "shop", {REV: b.NEW})
    clock[1] = lambda: api.script("GET", LISTS, *[failure(503, "starting")] * 3)
    assert wait(api, "shop")["moved"] == ["shop"]


def test_a_negative_time_is_refused() -> None:
    with pytest.raises(ParameterError, match="git_timeout"):
        check(params(CORE, namespaces=["shop"], revision=b.NEW, git_timeout=-1))
