# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report keeps of results, what it says became of each cluster, and the verdict."""

from __future__ import annotations

import json
import typing as t

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.plugin_utils.report.bounded_values import MAX_CHARACTERS, MAX_ROWS
from ansible_collections.meshops.istio.plugins.plugin_utils.report.document import build_document
from ansible_collections.meshops.istio.plugins.plugin_utils.report.html import render_html
from ansible_collections.meshops.istio.plugins.plugin_utils.report.markdown import render_markdown
from ansible_collections.meshops.istio.plugins.plugin_utils.report.result_rows import MAX_NAMES
from unit.callback import results as r
from unit.callback.results import SCHEMA, Story

HOST = "paris-1"
UNREACHED = r.about(failed=True, msg="It cannot be reached.", failure={"kind": "ClusterError"}) | {
    "cluster": {"id": "", "name": HOST, "server": "https://paris-1"}
}
ANOTHER = r.about(failed=True, msg="It is not the expected one.", failure={"kind": "ClusterError"})
LOCKED = r.about(failed=True, msg="Anna works on it.", failure={"kind": "LockedError", "lock": {"holder": "anna"}})
ERROR = r.finding("MU010", "error", "namespace lost")
REFUSED = r.precheck(ERROR, failed=True, msg="Cluster paris-1 is not ready to be upgraded.")
WINDOW = r.restart("Deployment shop/web", remaining=["Deployment shop/cart"], stopped_early=True, not_after="04:00Z")


def nothing(story: Story) -> None:
    """Nothing was told."""


def looked(story: Story) -> None:
    story.task(HOST, "istio_precheck", r.precheck())


def installed(story: Story) -> None:
    looked(story)
    story.task(HOST, "istio_revision", r.install())


def failed(story: Story) -> None:
    installed(story)
    story.task(HOST, "rollout_restart", r.broken())


def held(story: Story, begin: t.Callable[[Story], object]) -> None:
    """No other wave began, and nothing failed here."""
    begin(story)
    story.task(HOST, "istio_run_record", r.about(state="stopped"))


def gave_up(story: Story) -> None:
    """The playbook of prechecks: it looks at all clusters, and fails some of them at the end."""
    story.task(HOST, "istio_precheck", r.precheck(ERROR))
    story.task(HOST, "", {"failed": True, "msg": "MU010"})


def rescued(story: Story) -> None:
    failed(story)
    story.task(HOST, "istio_tag", r.about(changed=True))


CASES: dict[str, tuple[t.Callable[[Story], object], bool, int, str]] = {
    "all of a canary": (lambda story: story.canary(HOST), True, 0, "done"),
    "settled": (lambda story: story.task(HOST, "istio_info", r.info() | {"up_to_date": True}), True, 0, "unchanged"),
    "held by the budget": (lambda story: held(story, installed), True, 0, "stopped"),
    "held by the budget before it changed anything": (lambda story: held(story, looked), True, 0, "untouched"),
    "nothing to do": (lambda story: story.task(HOST, "rollout_restart", r.restart()), True, 0, "unchanged"),
    "only looked at": (looked, True, 0, "passed"),
    "installed, then cut off": (installed, False, 0, "stopped"),
    "looked at, then cut off": (looked, False, 0, "untouched"),
    "never begun": (nothing, False, 0, "untouched"),
    "sent home before anything": (nothing, True, 0, "untouched"),
    "the window ended": (lambda story: story.task(HOST, "rollout_restart", WINDOW), True, 0, "stopped"),
    "a batch failed": (failed, False, 1, "failed"),
    "a rescue mended it": (rescued, True, 0, "done"),
    "refused": (lambda story: story.task(HOST, "istio_precheck", REFUSED), False, 1, "refused"),
    "refused at the end of the playbook": (gave_up, False, 1, "refused"),
    "not reached": (lambda story: story.task(HOST, "istio_precheck", UNREACHED), False, 1, "unreachable"),
    "another run works on it": (
        lambda story: story.task(HOST, "istio_precheck", r.precheck()) and story.task(HOST, "istio_revision", LOCKED),
        False,
        1,
        "locked",
    ),
    "another cluster": (lambda story: story.task(HOST, "istio_precheck", ANOTHER), False, 1, "failed"),
    "core does not reach it": (
        lambda story: story.task(HOST, "", {"msg": "ssh"}, outcome="unreachable"),
        False,
        1,
        "unreachable",
    ),
    "verify found something": (
        lambda story: story.task(HOST, "istio_precheck", r.precheck(ERROR, stage="after", failed=True, msg="stale")),
        False,
        1,
        "failed",
    ),
    "an input is wrong": (lambda story: story.task(HOST, "", {"failed": True, "msg": "missing"}), False, 1, "failed"),
    "a failure that is ignored": (
        lambda story: story.task(HOST, "rollout_restart", r.broken(), outcome="ignored"),
        True,
        0,
        "untouched",
    ),
}


@pytest.mark.parametrize(("told", "at_end", "failures", "state"), CASES.values(), ids=CASES)
def test_what_became_of_a_cluster(told: t.Callable[[Story], object], at_end: bool, failures: int, state: str) -> None:
    story = Story(HOST)
    told(story)
    if at_end:
        story.at_end(HOST)
    report = story.end(**{HOST: failures})
    assert report["counts"] == {state: 1}
    assert story.cluster()["detail"]


def test_check_mode_changes_nothing_and_promises_nothing() -> None:
    story = Story(HOST, check_mode=True)
    for action, result in (("istio_precheck", r.precheck()), ("istio_revision", r.install()), ("istio_info", r.info())):
        story.task(HOST, action, result, dry_run=True)
    story.task(HOST, "rollout_restart", r.restart("Deployment shop/web"), dry_run=True).at_end(HOST)
    report = story.end()
    assert report["run"]["verdict"] == "success"
    found = story.cluster()
    assert (found["state"], found["changed"], found["actions"], found["after"]) == ("dry_run", False, [], None)
    assert [wave["outcome"] for wave in found["waves"]] == ["dry_run"]


def test_what_was_and_what_is() -> None:
    story = Story(HOST).canary(HOST)
    report = story.end()
    found = story.cluster()
    assert found["source"] == {"revision": "1-30-3", "version": "1.30.3"}
    assert found["target"] == {"revision": "1-31-0", "version": "1.31.0"}
    assert found["before"]["revisions"] == {"1-30-3": "1.30.3"}
    assert found["after"]["revisions"] == {"1-30-3": "1.30.3", "1-31-0": "1.31.0"}
    assert (found["before"]["tags"], found["after"]["tags"]) == (None, {"prod": "1-30-3"})
    assert (found["before"]["versions"], found["after"]["versions"]) == (
        {"1.30.3": 28},
        {"1.30.3": 2, "1.31.0": 26},
    )
    assert found["after"]["current"]
    assert report["proxies"] == {
        "changed_since_reading": 0,
        "before": {"1.30.3": 28},
        "after": {"1.30.3": 2, "1.31.0": 26},
    }
    assert [stage["stage"] for stage in found["stages"]] == ["precheck", "control_plane", "data_plane", "verify"]
    assert [stage["seconds"] for stage in found["stages"]] == [10, 10, 30, 10]
    assert found["unrestartable"] == [r.STUCK]
    assert found["requests"] == {"reads": 60, "writes": 0, "dry_runs": 0}
    assert report["codes"]["MU021"]["why"] == "Why MU021 matters."


def test_a_reading_from_before_the_last_change_says_so() -> None:
    story = Story(HOST)
    story.task(HOST, "istio_info", r.info())
    story.task(HOST, "rollout_restart", r.broken())
    report = story.end(**{HOST: 1})
    assert not story.cluster()["after"]["current"]
    assert report["proxies"]["changed_since_reading"] == 1


def test_what_a_module_proved_since_the_last_reading_is_in_it() -> None:
    story = Story(HOST)
    story.task(HOST, "istio_info", r.info())
    moved = r.about(changed=True, tag="default", revision="1-31-0")
    story.task(HOST, "istio_tag", moved)
    story.task(HOST, "istio_revision", r.about(changed=True, revision="1-30-3"))
    found = story.at_end(HOST).end() and story.cluster()
    assert found["before"]["revisions"] == {"1-30-3": "1.30.3", "1-31-0": "1.31.0"}
    assert found["after"]["revisions"] == {"1-31-0": "1.31.0"}
    assert found["after"]["tags"] == {"prod": "1-30-3", "default": "1-31-0"}
    assert found["after"]["default"] == "1-31-0"


def test_waves() -> None:
    story = Story(HOST)
    story.task(HOST, "rollout_restart", r.restart())
    story.task(HOST, "namespace_revision", r.move("shop", "catalog"))
    story.task(HOST, "rollout_restart", r.restart("Deployment shop/web"))
    story.task(HOST, "istio_tag", r.about(changed=True, namespaces=["reports"]))
    story.task(HOST, "rollout_restart", r.restart("Deployment reports/daily", "Deployment reports/monthly"))
    story.task(HOST, "rollout_restart", r.restart("Deployment tools/wiki"))
    story.task(HOST, "namespace_revision", r.move("orders"))
    story.task(HOST, "rollout_restart", r.broken())
    waves = story.cluster()["waves"]
    assert [(one["namespaces"], one["restarted"], one["outcome"]) for one in waves] == [
        (["shop", "catalog"], 1, "ok"),
        (["reports"], 2, "ok"),
        (["tools"], 1, "ok"),
        (["orders"], 1, "rolled_back"),
    ]
    assert all(one["seconds"] == 10 for one in waves)


def test_a_failure_keeps_its_evidence() -> None:
    story = Story(HOST)
    failed(story)
    story.task(HOST, "", {"failed": True, "msg": "Tag prod was moved back."})
    story.end(**{HOST: 2})
    first, last = story.cluster()["failures"]
    assert first["evidence"][0]["log"] == ["cannot connect to the database"]
    assert (first["kind"], first["rolled_back"], first["final"]) == ("RolloutError", True, False)
    assert (last["message"], last["final"]) == ("Tag prod was moved back.", True)
    assert story.cluster()["detail"] == "Tag prod was moved back."


def test_what_fails_by_itself_keeps_its_evidence_although_the_role_goes_on() -> None:
    """A later task fails for it, which has no evidence."""
    story = Story(HOST)
    story.task(HOST, "rollout_restart", {**r.broken(caused_by="workloads"), "failed": False})
    story.task(HOST, "", {"failed": True, "msg": "1 workload failed independently of the revision."})
    story.end(**{HOST: 2})
    found = story.cluster()
    assert found["failures"][0]["evidence"][0]["log"] == ["cannot connect to the database"]
    assert [one["outcome"] for one in found["waves"]] == ["failed"]
    assert found["detail"] == "1 workload failed independently of the revision."


def test_blockers_of_a_removal() -> None:
    blocker = {"code": "namespace", "object": "namespace pay", "message": "It asks for it.", "remedy": "move it"}
    story = Story(HOST)
    refusal = {"kind": "SafetyError", "blockers": [blocker]}
    story.task(HOST, "istio_revision", r.about(failed=True, msg="It is still needed.", failure=refusal))
    assert story.cluster()["failures"][0]["blockers"] == [blocker]


def test_a_task_for_all_fails_none() -> None:
    story = Story("paris-1", "paris-2")
    story.task("paris-1", "istio_revision", r.install())
    story.task("paris-1", "", {"failed": True, "msg": "The budget is used up."}, run_once=True)
    report = story.end(**{"paris-1": 1})
    assert report["counts"] == {"stopped": 1, "untouched": 1}
    assert [one["message"] for one in report["run"]["problems"]] == ["The budget is used up."]
    assert report["run"]["verdict"] == "stopped"


def test_a_host_that_is_no_cluster_is_none_here() -> None:
    story = Story(HOST).canary(HOST)
    story.task("localhost", "", {"failed": True, "msg": "Mail was not sent."})
    report = story.end(localhost=1)
    assert [one["host"] for one in report["clusters"]] == [HOST]
    assert report["run"]["problems"][0]["host"] == "localhost"


def test_while_it_runs_it_does_not_say_how_it_ended() -> None:
    story = Story("done", "busy", "later").canary("done")
    story.task("busy", "istio_precheck", r.precheck())
    report = story.report()
    assert report["run"]["verdict"] == "running"
    assert report["run"]["ended"] is None
    assert report["counts"] == {"running": 1, "waiting": 1, "done": 1}
    assert "or was killed" in report["run"]["headline"]


def test_what_tidies_up_after_a_failure_mends_nothing() -> None:
    """A run that is interrupted while others go on has no count of core to go by."""
    story = Story(HOST, "paris-2")
    failed(story)
    story.task(HOST, "istio_run_record", r.about(changed=True)).task(HOST, "", {})
    assert story.end("interrupted")["counts"] == {"failed": 1, "untouched": 1}
    assert story.cluster()["failures"][0]["final"]


def test_interrupted() -> None:
    story = Story("done", "busy", "later").canary("done")
    story.task("busy", "istio_revision", r.install())
    story.run.signal, story.run.last_task = "SIGINT", "Restart"
    report = story.end("interrupted")
    assert report["counts"] == {"stopped": 1, "untouched": 1, "done": 1}
    assert report["run"]["headline"] == (
        "Interrupted by SIGINT during Restart. 3 clusters: 1 done, 1 stopped partway, 1 left untouched."
    )


def test_rings_in_their_order_and_clusters_without_one() -> None:
    story = Story("x", "b", "d", "a", "c", rings={"a": 10, "b": 2, "c": 0, "d": 2}).canary("c")
    report = story.end()
    assert [(ring["ring"], ring["clusters"]) for ring in report["rings"]] == [(0, 1), (2, 2), (10, 1), (None, 1)]
    assert [one["host"] for one in report["clusters"]] == ["c", "b", "d", "a", "x"]
    assert report["rings"][0]["proxies"]["after"] == {"1.30.3": 2, "1.31.0": 26}


def test_s13_no_arguments_and_nothing_of_no_log() -> None:
    story = Story(HOST)
    story.task(HOST, "istio_precheck", r.precheck())
    censored = {"censored": "the output has been hidden", "changed": True, "failed": True}
    story.task(HOST, "istio_revision", censored)
    text = json.dumps(story.end(**{HOST: 1}))
    assert "a-secret" not in text
    assert "module_args" not in text
    assert story.cluster()["failures"][0]["message"] == "Hidden by no_log."
    assert story.cluster()["state"] == "failed"


def test_loops_are_taken_item_by_item() -> None:
    story = Story(HOST)
    items = [r.about(changed=True, actions=["move tag a"]), r.about(changed=True, actions=["move tag b"])]
    story.task(HOST, "istio_tag", {"changed": True, "results": items})
    assert [one["text"] for one in story.cluster()["actions"]] == ["move tag a", "move tag b"]


def test_however_much_a_cluster_has_to_say() -> None:
    story = Story(HOST)
    many = [r.finding(f"MU{number:03}", place="x" * (2 * MAX_CHARACTERS)) for number in range(3 * MAX_ROWS)]
    story.task(HOST, "istio_precheck", r.precheck(*many))
    workloads = [f"Deployment shop/web-{number}" for number in range(3 * MAX_ROWS)]
    story.task(HOST, "rollout_restart", r.restart(*workloads))
    found = story.cluster()
    assert (len(found["findings"]["before"]), len(found["actions"])) == (MAX_ROWS, MAX_ROWS)
    assert len(found["findings"]["before"][0]["object"]) == MAX_CHARACTERS + 1
    assert found["omitted"] == {"findings before": 2 * MAX_ROWS, "actions": 2 * MAX_ROWS}
    assert found["waves"][0]["restarted"] == 3 * MAX_ROWS
    assert len(found["waves"][0]["workloads"]) == MAX_NAMES


def test_a_module_of_the_run_changes_no_mesh() -> None:
    """The record, for example, is written to the cluster, and leaves its mesh alone."""
    story = Story(HOST)
    story.task(HOST, "istio_run_record", r.about(changed=True, actions=["write the record"]))
    story.task(HOST, "istio_precheck", REFUSED)
    story.end(**{HOST: 1})
    assert (story.cluster()["state"], story.cluster()["changed"]) == ("refused", False)


#: Keys of results, at any depth.
KEYS = st.sampled_from(
    [*r.precheck(), *r.info(), *r.restart(), *r.broken(), *r.broken()["failure"], *r.finding(), *r.STUCK, "results"]
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, database=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(KEYS, ANYTHING), st.sampled_from(["istio_info", "istio_precheck", "rollout_restart", "istio_tag"])
)
def test_whatever_a_module_of_another_version_returns(result: r.Json, action: str) -> None:
    story = Story(HOST)
    for outcome in ("ok", "failed"):
        story.task(HOST, action, result, outcome=outcome)
    found = build_document(story.run, story.now)
    assert render_markdown(found)
    assert render_html(found)
    assert json.dumps(found)


def test_the_schema_is_one_and_says_no() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    report = Story(HOST).canary(HOST).end()
    report["clusters"][0]["state"] = "fine"
    with pytest.raises(jsonschema.ValidationError, match="'fine' is not one of"):
        jsonschema.Draft202012Validator(SCHEMA).validate(report)
