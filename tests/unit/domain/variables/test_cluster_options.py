# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of a host become options of each task."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import (
    CATALOGUE,
    PERCENT,
    STRATEGY,
    TYPED,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.cluster_options import (
    CLUSTER,
    DECIDING,
    IN_TARGET_REVISION,
    INPUTS,
    RUN,
    TARGET_REVISION,
    cluster_options,
    request_digest,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_run_record import CORE

CANARY = {"istio_strategy": "canary", "istio_version": "1.31.0", "__istio_target_revision": "1-31-0"}


def test_all_are_options_of_the_action_group() -> None:
    options = CORE.spec.as_keywords()["argument_spec"]
    assert set(CLUSTER) | {"run"} <= set(options)
    assert {*RUN, "request_digest"} == set(options["run"]["options"])


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {}),
        ({"istio_kubeconfig": "~/a", "istio_context": "paris"}, {"kubeconfig": "~/a", "context": "paris"}),
        ({"istio_context": "", "istio_host": None, "istio_namespace": ""}, {}),
        ({"istio_namespace": "mesh"}, {"istio_namespace": "mesh"}),
        ({"istio_validate_certs": False}, {"validate_certs": False}),
        ({"istio_started_by": "", "awx_user_name": "ada", "tower_user_name": "old"}, {"run": {"started_by": "ada"}}),
        ({"istio_started_by": "me", "awx_user_name": "ada"}, {"run": {"started_by": "me"}}),
        ({"tower_job_id": 7}, {"run": {"job": 7}}),
        ({"istio_lock_seconds": 60, "role_name": "verify"}, {"run": {"lock_seconds": 60, "phase": "verify"}}),
    ],
)
def test_variables_with_a_value_become_options(variables: dict[str, Any], expected: dict[str, Any]) -> None:
    assert cluster_options(variables) == {"istio_namespace": "istio-system", "run": {}, **expected}


def test_only_the_inputs_are_read() -> None:
    class Checking(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            assert key in INPUTS
            return super().get(key, default)

    assert cluster_options(Checking(CANARY))["run"]["request_digest"] == request_digest(CANARY)


@pytest.mark.parametrize(
    "other",
    [
        {"istio_version": "1.31.0\n"},
        {"istio_finalize": ""},
        {"istio_finalize": "false"},
        {"istio_percent": "100"},
        {"istio_waves": []},
        {"istio_waves": ""},
        {"istio_installer": "istioctl"},
        {"istio_batch_size": 3},
        {"ansible_run_tags": ["all"], "ansible_skip_tags": []},
    ],
)
def test_equivalent_requests_have_the_same_digest(other: dict[str, Any]) -> None:
    assert request_digest({"istio_percent": 100, **CANARY, **other}) == request_digest({"istio_percent": 100, **CANARY})


@pytest.mark.parametrize(
    "other",
    [
        {"istio_strategy": "in_place"},
        {"istio_version": "1.31.1"},
        {"__istio_target_revision": "x"},
        {"istio_finalize": True},
        {"__istio_finalize_by_default": True},
        {"istio_waves": "a\nb"},
        {"istio_values": {"a": 1}},
        {"istio_percent": 100},
    ],
)
def test_different_requests_have_different_digests(other: dict[str, Any]) -> None:
    assert request_digest({**CANARY, **other}) not in ("", request_digest(CANARY))


@pytest.mark.parametrize(
    "other",
    [
        {"istio_strategy": ""},
        {"istio_strategy": "rollback", "istio_percent": "many"},
        {"istio_percent": 10},
        {"ansible_run_tags": ["precheck"]},
        {"ansible_skip_tags": ["verify"]},
    ],
)
def test_a_partial_run_has_no_digest(other: dict[str, Any]) -> None:
    assert request_digest({**CANARY, **other}) == ""


#: A value of each type that differs from every default.
OTHER_VALUES: dict[str, Any] = {
    "amount": "7%", "bool": True, "dict": {"a": 1}, "dicts": [{"a": 1}], "int": 7, "list": ["a"], "lists": [["a"]],
    "text": "other",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted({*TYPED} - {STRATEGY, PERCENT}))
def test_the_digest_depends_on_every_variable_that_affects_the_result(name: str) -> None:
    variable = CATALOGUE[name]
    if isinstance(variable.default, bool):
        other = not variable.default
    else:
        other = variable.choices[-1] if variable.choices else OTHER_VALUES[str(variable.type)]
    assert other != variable.default
    changed = request_digest({**CANARY, name: other}) != request_digest(CANARY)
    assert changed == (name in DECIDING)


def test_variables_outside_of_the_digest_affect_the_result_by_the_target_revision_alone() -> None:
    affecting = {name for name, variable in CATALOGUE.items() if variable.affects_result}
    assert affecting - set(DECIDING) == IN_TARGET_REVISION
    assert set(DECIDING) - affecting == {TARGET_REVISION}


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(ParameterError, match="Variable istio_percent is many; give a whole number"):
        request_digest({**CANARY, "istio_percent": "many"})
