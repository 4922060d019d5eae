# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The evidence of a failed batch for a person: all of it is optional, and no log is part of a sentence (S13)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.pod_status import Problem, Trouble
from ansible_collections.meshops.istio.plugins.module_utils.operations.restart.evidence import (
    LOG_CHARACTERS,
    UNREAD,
    collect_evidence,
    rollout_error,
)
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi

LOG = "/api/v1/namespaces/shop/pods/web-1/log"
EVENTS = "/api/v1/namespaces/shop/events"
WEB = next(iter(b.snapshot_of([b.workload()]).workloads.values()))
CRASH = Problem(WEB, Trouble("CrashLoopBackOff", "back-off", "app"), "web-1")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster without events."""
    with FakeApi() as found:
        yield found


def test_a_crash_loop_shows_the_log_of_the_run_that_ended(api: FakeApi) -> None:
    api.script("GET", LOG, Answer(b"one\ntwo\n"))
    assert collect_evidence(api.client(), [CRASH], 10) == [
        {
            "workload": "Deployment shop/web",
            "pod": "web-1",
            "container": "app",
            "reason": "CrashLoopBackOff",
            "message": "back-off",
            "log": ["one", "two"],
            "events": [],
        }
    ]
    asked = next(seen for seen in api.seen if seen.path == LOG).query
    assert asked == {"container": "app", "tailLines": "10", "previous": "true"}


def test_without_an_ended_run_the_log_is_that_of_now(api: FakeApi) -> None:
    api.script("GET", LOG, failure(400, "previous terminated container not found"), Answer(b"one"))
    assert collect_evidence(api.client(), [CRASH], 10)[0]["log"] == ["one"]


def test_a_log_is_cut(api: FakeApi) -> None:
    api.script("GET", LOG, Answer(b"x" * 5000))
    assert collect_evidence(api.client(), [CRASH], 10)[0]["log"] == ["x" * LOG_CHARACTERS]


def test_logs_can_be_left_out(api: FakeApi) -> None:
    assert collect_evidence(api.client(), [CRASH], 0)[0]["log"] == []
    assert LOG not in {seen.path for seen in api.seen}


def test_what_may_not_be_read_says_so(api: FakeApi) -> None:
    """No log and no events are another answer than none that may be read."""
    api.script("GET", LOG, failure(403), failure(403))
    api.script("GET", EVENTS, failure(403))
    row = collect_evidence(api.client(), [CRASH], 10)[0]
    assert [text.partition(":")[0] for text in (*row["log"], *row["events"])] == [UNREAD, UNREAD]
    assert "HTTP 403" in row["log"][0]


def test_the_newest_warnings_are_kept(api: FakeApi) -> None:
    items = [{"metadata": {}, "reason": "R", "message": str(at), "lastTimestamp": str(at)} for at in (2, 4, 1, 3)]
    api.script("GET", EVENTS, Answer({"metadata": {}, "items": items}))
    assert collect_evidence(api.client(), [CRASH], 0)[0]["events"] == ["R: 4", "R: 3", "R: 2"]
    assert api.seen[-1].query["fieldSelector"] == "type=Warning,involvedObject.name=web-1"


def test_s13_a_sentence_is_short_and_quotes_no_log(api: FakeApi) -> None:
    api.script("GET", LOG, Answer(b"password=secret"))
    error = rollout_error(api.client(), "batch 1 of 1 failed", [CRASH] * 7, 10)
    assert "secret" not in error.message
    assert error.message.endswith("; and 2 more.")
    assert error.message.count("pod web-1, container app: CrashLoopBackOff (back-off)") == 5
    assert len(error.details["evidence"]) == 7


def test_a_sentence_has_one_end(api: FakeApi) -> None:
    found = Problem(None, Trouble("ProgressDeadlineExceeded", 'ReplicaSet "web-1" has timed out progressing.'))
    message = rollout_error(api.client(), "batch 1 of 1 failed", [found], 0).message
    assert message == 'batch 1 of 1 failed: ProgressDeadlineExceeded: ReplicaSet "web-1" has timed out progressing.'


@pytest.mark.parametrize(
    ("answer", "asked"), [pytest.param(Answer(broken=True), 1, id="silent"), pytest.param(failure(503), 2, id="away")]
)
def test_a_node_that_gives_no_log_is_not_waited_for(api: FakeApi, answer: Answer, asked: int) -> None:
    """The way back begins after the evidence."""
    api.script("GET", LOG, *[answer] * 9)
    assert collect_evidence(api.client(), [CRASH], 10)[0]["log"][0].startswith(UNREAD)
    assert [seen.path for seen in api.seen].count(LOG) == asked
