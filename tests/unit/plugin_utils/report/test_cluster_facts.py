# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The facts that the report keeps of results."""

from __future__ import annotations

import json

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
from unit.callback.recorded_steps import REFUSED, failed
from unit.callback.results import SCHEMA, SimulatedRun

HOST = "paris-1"


def test_the_readings_before_and_now() -> None:
    simulated = SimulatedRun(HOST).canary(HOST)
    report = simulated.end()
    cluster = simulated.cluster()
    assert cluster["source"] == {"revision": "1-30-3", "version": "1.30.3"}
    assert cluster["target"] == {"revision": "1-31-0", "version": "1.31.0"}
    assert cluster["before"]["revisions"] == {"1-30-3": "1.30.3"}
    assert cluster["after"]["revisions"] == {"1-30-3": "1.30.3", "1-31-0": "1.31.0"}
    assert (cluster["before"]["tags"], cluster["after"]["tags"]) == (None, {"prod": "1-30-3"})
    assert (cluster["before"]["versions"], cluster["after"]["versions"]) == (
        {"1.30.3": 28},
        {"1.30.3": 2, "1.31.0": 26},
    )
    assert cluster["after"]["current"]
    assert report["proxies"] == {
        "changed_since_reading": 0,
        "before": {"1.30.3": 28},
        "after": {"1.30.3": 2, "1.31.0": 26},
    }
    assert [stage["stage"] for stage in cluster["stages"]] == ["precheck", "control_plane", "data_plane", "verify"]
    assert [stage["seconds"] for stage in cluster["stages"]] == [10, 10, 30, 10]
    assert cluster["unrestartable"] == [r.STUCK]
    assert cluster["requests"] == {"reads": 60, "writes": 0, "dry_runs": 0}
    assert report["codes"]["MU021"]["why"] == "Why MU021 matters."


def test_a_reading_from_before_the_last_change_is_not_current() -> None:
    simulated = SimulatedRun(HOST)
    simulated.task(HOST, "istio_info", r.info())
    simulated.task(HOST, "rollout_restart", r.broken())
    report = simulated.end(**{HOST: 1})
    assert not simulated.cluster()["after"]["current"]
    assert report["proxies"]["changed_since_reading"] == 1


def test_a_proven_change_updates_the_last_reading() -> None:
    simulated = SimulatedRun(HOST)
    simulated.task(HOST, "istio_info", r.info())
    moved = r.base_result(changed=True, tag="default", revision="1-31-0")
    simulated.task(HOST, "istio_tag", moved)
    simulated.task(HOST, "istio_revision", r.base_result(changed=True, revision="1-30-3"))
    cluster = simulated.at_end(HOST).end() and simulated.cluster()
    assert cluster["before"]["revisions"] == {"1-30-3": "1.30.3", "1-31-0": "1.31.0"}
    assert cluster["after"]["revisions"] == {"1-31-0": "1.31.0"}
    assert cluster["after"]["tags"] == {"prod": "1-30-3", "default": "1-31-0"}
    assert cluster["after"]["default"] == "1-31-0"


def test_waves() -> None:
    simulated = SimulatedRun(HOST)
    simulated.task(HOST, "rollout_restart", r.restart())
    simulated.task(HOST, "namespace_revision", r.move("shop", "catalog"))
    simulated.task(HOST, "rollout_restart", r.restart("Deployment shop/web"))
    simulated.task(HOST, "istio_tag", r.base_result(changed=True, namespaces=["reports"]))
    simulated.task(HOST, "rollout_restart", r.restart("Deployment reports/daily", "Deployment reports/monthly"))
    simulated.task(HOST, "rollout_restart", r.restart("Deployment tools/wiki"))
    simulated.task(HOST, "namespace_revision", r.move("orders"))
    simulated.task(HOST, "rollout_restart", r.broken())
    waves = simulated.cluster()["waves"]
    assert [(wave["namespaces"], wave["restarted"], wave["outcome"]) for wave in waves] == [
        (["shop", "catalog"], 1, "ok"),
        (["reports"], 2, "ok"),
        (["tools"], 1, "ok"),
        (["orders"], 1, "rolled_back"),
    ]
    assert all(wave["seconds"] == 10 for wave in waves)


def test_a_failure_keeps_its_evidence() -> None:
    simulated = SimulatedRun(HOST)
    failed(simulated)
    simulated.task(HOST, "", {"failed": True, "msg": "Tag prod was moved back."})
    simulated.end(**{HOST: 2})
    first, last = simulated.cluster()["failures"]
    assert first["evidence"][0]["log"] == ["cannot connect to the database"]
    assert (first["kind"], first["rolled_back"], first["final"]) == ("RolloutError", True, False)
    assert (last["message"], last["final"]) == ("Tag prod was moved back.", True)
    assert simulated.cluster()["detail"] == "Tag prod was moved back."


def test_a_workload_failure_keeps_its_evidence_although_the_role_continues() -> None:
    """A later task fails for it, which has no evidence."""
    simulated = SimulatedRun(HOST)
    simulated.task(HOST, "rollout_restart", {**r.broken(caused_by="workloads"), "failed": False})
    simulated.task(HOST, "", {"failed": True, "msg": "1 workload failed independently of the revision."})
    simulated.end(**{HOST: 2})
    cluster = simulated.cluster()
    assert cluster["failures"][0]["evidence"][0]["log"] == ["cannot connect to the database"]
    assert [wave["outcome"] for wave in cluster["waves"]] == ["failed"]
    assert cluster["detail"] == "1 workload failed independently of the revision."


def test_blockers_of_a_removal() -> None:
    blocker = {"code": "namespace", "object": "namespace pay", "message": "It asks for it.", "remedy": "move it"}
    simulated = SimulatedRun(HOST)
    refusal = {"kind": "SafetyError", "blockers": [blocker]}
    simulated.task(HOST, "istio_revision", r.base_result(failed=True, msg="It is still needed.", failure=refusal))
    assert simulated.cluster()["failures"][0]["blockers"] == [blocker]


def test_a_failed_task_for_all_hosts_fails_no_cluster() -> None:
    simulated = SimulatedRun("paris-1", "paris-2")
    simulated.task("paris-1", "istio_revision", r.install())
    simulated.task("paris-1", "", {"failed": True, "msg": "The budget is used up."}, run_once=True)
    report = simulated.end(**{"paris-1": 1})
    assert report["counts"] == {"stopped": 1, "untouched": 1}
    assert [problem["message"] for problem in report["run"]["problems"]] == ["The budget is used up."]
    assert report["run"]["verdict"] == "stopped"


def test_a_host_that_is_not_a_cluster_is_not_reported() -> None:
    simulated = SimulatedRun(HOST).canary(HOST)
    simulated.task("localhost", "", {"failed": True, "msg": "Mail was not sent."})
    report = simulated.end(localhost=1)
    assert [cluster["host"] for cluster in report["clusters"]] == [HOST]
    assert report["run"]["problems"][0]["host"] == "localhost"


def test_rings_in_their_order_and_clusters_without_one() -> None:
    simulated = SimulatedRun("x", "b", "d", "a", "c", rings={"a": 10, "b": 2, "c": 0, "d": 2}).canary("c")
    report = simulated.end()
    assert [(ring["ring"], ring["clusters"]) for ring in report["rings"]] == [(0, 1), (2, 2), (10, 1), (None, 1)]
    assert [cluster["host"] for cluster in report["clusters"]] == ["c", "b", "d", "a", "x"]
    assert report["rings"][0]["proxies"]["after"] == {"1.30.3": 2, "1.31.0": 26}


def test_s13_no_arguments_and_no_results_with_no_log() -> None:
    simulated = SimulatedRun(HOST)
    simulated.task(HOST, "istio_precheck", r.precheck())
    censored = {"censored": "the output has been hidden", "changed": True, "failed": True}
    simulated.task(HOST, "istio_revision", censored)
    text = json.dumps(simulated.end(**{HOST: 1}))
    assert "a-secret" not in text
    assert "module_args" not in text
    assert simulated.cluster()["failures"][0]["message"] == "Hidden by no_log."
    assert simulated.cluster()["state"] == "failed"


def test_loops_are_recorded_item_by_item() -> None:
    simulated = SimulatedRun(HOST)
    items = [r.base_result(changed=True, actions=["move tag a"]), r.base_result(changed=True, actions=["move tag b"])]
    simulated.task(HOST, "istio_tag", {"changed": True, "results": items})
    assert [action["text"] for action in simulated.cluster()["actions"]] == ["move tag a", "move tag b"]


def test_long_results_are_limited() -> None:
    simulated = SimulatedRun(HOST)
    many = [r.finding(f"MU{number:03}", place="x" * (2 * MAX_CHARACTERS)) for number in range(3 * MAX_ROWS)]
    simulated.task(HOST, "istio_precheck", r.precheck(*many))
    workloads = [f"Deployment shop/web-{number}" for number in range(3 * MAX_ROWS)]
    simulated.task(HOST, "rollout_restart", r.restart(*workloads))
    cluster = simulated.cluster()
    assert (len(cluster["findings"]["before"]), len(cluster["actions"])) == (MAX_ROWS, MAX_ROWS)
    assert len(cluster["findings"]["before"][0]["object"]) == MAX_CHARACTERS + 1
    assert cluster["omitted"] == {"findings before": 2 * MAX_ROWS, "actions": 2 * MAX_ROWS}
    assert cluster["waves"][0]["restarted"] == 3 * MAX_ROWS
    assert len(cluster["waves"][0]["workloads"]) == MAX_NAMES


def test_the_record_of_a_run_does_not_change_a_mesh() -> None:
    """The record is written to the cluster, but not to its mesh."""
    simulated = SimulatedRun(HOST)
    simulated.task(HOST, "istio_run_record", r.base_result(changed=True, actions=["write the record"]))
    simulated.task(HOST, "istio_precheck", REFUSED)
    simulated.end(**{HOST: 1})
    assert (simulated.cluster()["state"], simulated.cluster()["changed"]) == ("refused", False)


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
def test_any_result_of_another_version_is_accepted(result: r.Json, action: str) -> None:
    simulated = SimulatedRun(HOST)
    for outcome in ("ok", "failed"):
        simulated.task(HOST, action, result, outcome=outcome)
    document = build_document(simulated.run, simulated.now)
    assert render_markdown(document)
    assert render_html(document)
    assert json.dumps(document)


def test_the_schema_is_valid_and_rejects_an_unknown_state() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    report = SimulatedRun(HOST).canary(HOST).end()
    report["clusters"][0]["state"] = "fine"
    with pytest.raises(jsonschema.ValidationError, match="'fine' is not one of"):
        jsonschema.Draft202012Validator(SCHEMA).validate(report)
