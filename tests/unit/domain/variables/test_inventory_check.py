# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each problem in the variables of a fleet is one sentence, before any cluster is queried."""

from __future__ import annotations

import collections
import re
from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import (
    CATALOGUE,
    FACTS,
    INTERNAL_FACTS,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.cluster_options import INPUTS
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.inventory_check import (
    find_problems,
    find_same_clusters,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import STRUCTURED
from unit.paths import ROOT

NAMES = sorted(CATALOGUE)
A = {"istio_kubeconfig": "/fleet.yaml", "istio_context": "a"}
B = {"istio_kubeconfig": "/fleet.yaml", "istio_context": "b"}


def test_a_correct_fleet_has_no_problem() -> None:
    given = {"istio_finalize": "yes", "istio_serial": "50%", "istio_batch_size": 5, "istio_pause": "0"}
    lists = {"istio_waves": [["shop"], ["blog"]], "istio_values": {"pilot": {}}, "istio_order": "smallest"}
    assert find_problems({"a": A | given, "b": B | lists}, {}) == []


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_survey_value_counts_as_not_set(name: str) -> None:
    assert find_problems({"a": {**A, "istio_kubeconfig": "/a"} | ({} if name in A else {name: ""})}, {}) == []


class Lazy(collections.UserDict[str, Any]):
    """Variables of a host, which are evaluated when they are read."""

    def __getitem__(self, key: str) -> Any:
        assert key.startswith("istio_"), f"{key} belongs to other code, and may query a vault"
        return super().__getitem__(key)


def test_a_variable_of_other_code_is_not_evaluated() -> None:
    clusters = {"a": Lazy({"istio_host": "https://x", "db_password": "{{ lookup('vault') }}"})}
    assert find_problems(clusters, {}, {"istio_version": "1.31.0"}, "canary", {}) == []


@pytest.mark.parametrize("space", [" ", "\n", "\t"])
@pytest.mark.parametrize("name", [name for name in NAMES if CATALOGUE[name].type not in STRUCTURED])
def test_a_space_around_a_text_is_refused(name: str, space: str) -> None:
    """Pasted text in a survey may have it."""
    kind = CATALOGUE[name].type
    value = {"bool": "true", "int": "7", "amount": "7%", "text": "1.31.0"}[kind] if isinstance(kind, str) else kind[0]
    clusters = {"a": {"istio_host": "https://x", name: value}}
    assert find_problems(clusters, None) == []
    for padded in (value + space, space + value):
        clusters["a"][name] = padded
        assert find_problems(clusters, None) == [
            f"Variable {name} begins or ends with a space or a line break. Remove it."
        ]


@pytest.mark.parametrize("name", [name for name in NAMES if CATALOGUE[name].type in STRUCTURED])
def test_a_line_break_at_the_end_of_a_list_or_mapping_is_allowed(name: str) -> None:
    text = {"list": "a, b\n", "lists": "a, b\nc\n", "dict": "{a: 1}\n", "dicts": "- a: 1\n"}[str(CATALOGUE[name].type)]
    assert find_problems({"a": {name: text}}, None) == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"istio_finalise": True}, "Unknown variable istio_finalise. Did you mean istio_finalize? If it belongs"),
        ({"istio_zzz": 1}, "Unknown variable istio_zzz. If it belongs to other code, add its name to istio_other"),
        ({"istio_finalize": "yess"}, "Variable istio_finalize is yess; give true or false."),
        ({"istio_adopt_shared_components": 2}, "Variable istio_adopt_shared_components is 2; give true or false."),
        ({"istio_pause": "1m"}, "Variable istio_pause is 1m; give a whole number."),
        ({"istio_wave_size": True}, "Variable istio_wave_size is true; give a whole number."),
        (
            {"istio_batch_size": "ten"},
            "Variable istio_batch_size is ten; give a number or a percentage, such as 10",
        ),
        ({"istio_allow": "[MU001"}, "Variable istio_allow is another text; give a list, or texts with commas"),
        ({"istio_values": ["secret"]}, "Variable istio_values is a list; give a mapping, or a text with one in"),
        ({"istio_revision": {"a": 1}}, "Variable istio_revision is a mapping; give a text."),
        ({"istio_revision": 1.3}, "Variable istio_revision is the number 1.3; give a text."),
        ({"istio_tag": False}, "Variable istio_tag is false; give a text."),
        ({"istio_other_variables": {"a": 1}}, "Variable istio_other_variables is a mapping; give a list, or texts"),
        ({"istio_order": "biggest"}, "Variable istio_order is biggest; give name, smallest or annotation."),
        (
            {"istio_downgrade_strategy": "x"},
            "Variable istio_downgrade_strategy is x; give side_revision or in_place.",
        ),
    ],
)
def test_each_problem_is_one_sentence(given: dict[str, Any], sentence: str) -> None:
    (problem,) = find_problems({"a": A | given}, {})
    assert problem.startswith(sentence)


def test_a_problem_of_some_clusters_names_them() -> None:
    (problem,) = find_problems({"a": A | {"istio_pause": "x"}, "b": B}, {})
    assert problem == "Variable istio_pause is x; give a whole number. Affected cluster: a."
    (everywhere,) = find_problems({"a": A | {"istio_pause": "x"}, "b": B | {"istio_pause": "x"}}, {})
    assert everywhere == "Variable istio_pause is x; give a whole number."


def test_variables_of_other_code_are_ignored() -> None:
    assert find_problems({"a": A | {"istio_ingress": 1, "istio_other_variables": ["istio_ingress"]}}, {}) == []


@pytest.mark.parametrize(
    ("clusters", "shared", "sentence"),
    [
        (
            {"a": {}},
            {},
            "Cluster a has no connection. Give istio_kubeconfig and istio_context, or istio_host with a login.",
        ),
        ({"a": {}, "b": {}, "c": A}, {}, "Clusters a, b have no connection."),
        (
            {"a": {"istio_kubeconfig": "/f"}},
            {},
            "Cluster a has no istio_context; a cluster needs both istio_kubeconfig and",
        ),
        ({"a": {"istio_context": "a"}}, {}, "Cluster a has no istio_kubeconfig;"),
        (
            {"a": A, "b": A},
            {},
            "a and b are the same cluster (context a of /fleet.yaml). Remove one of them.",
        ),
        (
            {"a": {}, "b": {}},
            {"kubeconfig": "/f", "context": "x"},
            "a and b are the same cluster (context x of",
        ),
        (
            {"a": {"istio_host": "https://x"}, "b": {"istio_host": "https://x/"}},
            {},
            "a and b are the same cluster (host https://x). Remove one of them.",
        ),
        (
            {"a": A | {"istio_expected_cluster_id": "7"}, "b": B | {"istio_expected_cluster_id": "7"}},
            {},
            "a and b are the same cluster (istio_expected_cluster_id 7). Remove one of them.",
        ),
    ],
)
def test_each_cluster_has_one_name(clusters: dict[str, Any], shared: dict[str, str], sentence: str) -> None:
    (problem,) = find_problems(clusters, shared)
    assert problem.startswith(sentence)


@pytest.mark.parametrize(
    ("given", "played", "sentence"),
    [
        ({}, {}, "Variable istio_version is missing; give the target version, such as 1.31.0."),
        ({"istio_version": "latest"}, {}, "Variable istio_version is latest; give the target version"),
        ({"istio_version": "1.31.0"}, {"istio_version": "x"}, ""),
        ({}, {"istio_version": "1.31.0"}, ""),
        ({}, {"istio_version": "1.31.0 "}, "Variable istio_version begins or ends with a space or a line break."),
        ({"istio_version": "1.31.0-distroless"}, {}, ""),
        ({"istio_version": "1.31.0 or so"}, {}, "Variable istio_version is 1.31.0 or so; give the target version"),
        (
            {"istio_version": "1.31.0", "istio_percent": "50", "istio_finalize": "yes"},
            {},
            "istio_percent=50 keeps workloads on the old revision, and this run would remove it (istio_finalize).",
        ),
        (
            {"istio_version": "1.31.0", "istio_percent": 50, "istio_finalize": ""},
            {"__istio_finalize_by_default": True},
            "istio_percent=50 keeps",
        ),
        ({"istio_version": "1.31.0", "istio_percent": 100, "istio_finalize": True}, {}, ""),
        ({"istio_version": "1.31.0", "istio_percent": 50}, {"istio_finalize": False}, ""),
    ],
)
def test_an_upgrade_needs_a_version_and_no_conflict(
    given: dict[str, Any], played: dict[str, Any], sentence: str
) -> None:
    assert find_problems({"a": A | given}, {}) == []
    problems = find_problems({"a": A | given}, {}, played)
    assert [problem[: len(sentence)] for problem in problems] == ([sentence] if sentence else [])


def test_names_may_come_from_the_environment_or_from_a_play() -> None:
    assert find_problems({"a": {"istio_context": "a"}}, {"kubeconfig": "/f"}) == []
    assert find_problems({"a": {}, "b": {}}, None) == []


def test_a_cluster_with_two_names_is_found() -> None:
    assert find_same_clusters({"a": "1", "b": "", "c": "2", "d": ""}) == []
    (problem,) = find_same_clusters({"a": "1", "b": "2", "c": "1"})
    assert problem.startswith("a and c are the same cluster (namespace kube-system has UID 1)")


def test_the_playbooks_use_the_variables_of_the_catalogue_and_no_others() -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in (ROOT / "playbooks").rglob("*.yml")}
    own = {name for text in texts.values() for name in re.findall(r"^ *(istio_[a-z_]+):", text, re.MULTILINE)}
    text = "".join([*texts.values(), (ROOT / "plugins" / "plugin_utils" / "fleet.py").read_text(encoding="utf-8")])
    used = set(re.findall(r"\bistio_[a-z_]+(?=\b(?![.\w]))", re.sub(r"meshops\.istio\.\w+", "", text)))
    used |= {name for name in INPUTS if name.startswith("istio_")}
    used |= {f"istio_{key or quoted}" for key, quoted in re.findall(r"__istio_variables(?:\.(\w+)|\['(\w+)'\])", text)}
    assert set(NAMES) - used == {"istio_other_variables"}
    assert used - set(NAMES) - own - {*FACTS, *INTERNAL_FACTS} == set()


@pytest.mark.parametrize("name", NAMES)
def test_each_variable_is_documented(name: str) -> None:
    docs = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert f"`{name}`" in docs or f"`{name}=" in docs


def test_a_fact_that_reaches_a_later_job_of_a_workflow_is_allowed() -> None:
    """AWX passes the data of set_stats to all later jobs, as variables that override all others."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "playbooks").rglob("*.yml")]
    kept = re.compile(r"(?:(?:set_fact|set_stats):\n(?: +data:\n)? +|register: )((?:__)?istio_\w+)")
    names = {name for text in texts for name in kept.findall(text)}
    assert {"istio_fleet_plan", "__istio_variables", "istio_precheck_fleet"} <= names <= {*FACTS, *INTERNAL_FACTS}
