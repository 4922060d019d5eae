# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The effect of a failed restart on the workload and on the others (S5)."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi
from unit.support.trouble import NAMES, PATH, PROXY, SICK, Change, container, of_pod, restart, stamped


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Five stale Deployments, so that a single failure is not too many."""
    objects = [one for name in NAMES for one in b.deployed(name)]
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.NEW), *objects) as found:
        yield found


@pytest.mark.parametrize(
    ("options", "left"),
    [
        pytest.param({}, {*NAMES} - {"cart"}, id="the default"),
        pytest.param({"on_workload_failure": "rollback"}, {*NAMES} - {"cart"}, id="rollback"),
        pytest.param({"on_workload_failure": "rollback", "on_failure": "hold"}, {*NAMES} - {"cart"}, id="only it"),
        pytest.param({"on_workload_failure": "hold"}, {*NAMES}, id="hold"),
        pytest.param({"on_failure": "hold"}, {*NAMES}, id="as a failed batch"),
        pytest.param({"on_workload_failure": "stop"}, set(), id="stop"),
        pytest.param({"on_workload_failure": "stop", "on_failure": "hold"}, {*NAMES}, id="stop and hold"),
    ],
)
def test_what_happens_to_a_workload_that_fails_alone(api: FakeApi, options: b.Json, left: set[str]) -> None:
    result = restart(api, of_pod(container("app", "CrashLoopBackOff")), **options)
    assert (result["failed"], stamped(api)) == (True, left)
    assert SICK in result["msg"]


def test_later_batches_continue_and_the_task_fails_at_its_end(api: FakeApi) -> None:
    lines: list[str] = []
    result = restart(api, of_pod(container("app", "CrashLoopBackOff")), batch_size="2", progress=lines.append)
    assert "batch 1 of 3 failed, continuing without: Deployment shop/cart: pod cart-abc-0, container app" in "\n".join(
        lines
    )
    assert result["msg"].startswith(
        "1 workload failed independently of the revision: Deployment shop/cart: pod cart-abc-0, "
    )
    assert "Restarts that failed were undone; successful restarts are kept." in result["msg"]
    assert stamped(api) == {*NAMES} - {"cart"}
    assert (result["failure"]["stopped_early"], result["failure"]["remaining"]) == (False, [])


def of_each(reason: str) -> Change:
    """The application of every workload that is patched crashes."""

    def change(api: FakeApi, obj: b.Json) -> None:
        obj["status"].update(availableReplicas=0)
        for pod in b.of_kind(api.objects, "Pod"):
            if pod["metadata"]["labels"]["app"] == obj["metadata"]["name"]:
                pod["status"] = {
                    "phase": "Running",
                    "initContainerStatuses": [PROXY],
                    "containerStatuses": [container("app", reason)],
                }

    return change


@pytest.mark.parametrize("size", ["5", "1"])
def test_many_failures_at_the_same_time_are_attributed_to_the_revision(api: FakeApi, size: str) -> None:
    """A proxy can break applications too, as by their probes."""
    result = restart(api, of_each("CrashLoopBackOff"), sick=("api", "cart"), batch_size=size)
    assert (result["failure"]["caused_by"], result["failure"]["rolled_back"]) == ("revision", True), result
    assert "are too many to be a coincidence" in result["msg"]
    assert stamped(api) == set()


WRITES_AGAIN = {
    "the patch meets a writer": ("PATCH", failure(409, "modified")),
    "the patch meets a change of the leader of etcd": ("PATCH", failure(503, "leader changed")),
}


@pytest.mark.parametrize("name", WRITES_AGAIN)
def test_writes_that_are_repeated(api: FakeApi, name: str) -> None:
    method, answer = WRITES_AGAIN[name]
    api.script(method, PATH, answer)
    result = restart(api)
    assert (result.get("failed"), stamped(api)) == (None, {*NAMES})


def test_a_namesake_is_left_alone(api: FakeApi) -> None:
    other = copy.deepcopy(api.get("Deployment", "cart"))
    other["metadata"]["uid"] = "another"
    other["spec"]["template"]["metadata"]["labels"][REV] = "x"
    api.script("PATCH", PATH, failure(409, "another uid"))
    api.script("GET", PATH, Answer(other))
    assert restart(api)["deleted_meanwhile"] == [SICK]
