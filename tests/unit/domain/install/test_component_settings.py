# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings that components of an IstioOperator made, and that no Helm value holds."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.install.component_settings import (
    find_component_settings,
)
from unit.support import builders as b
from unit.support.edits import deployment

SELECTED = {"nodeSelector": {"disk": "ssd"}}
VARIABLE = "spec.template.spec.containers.[discovery].env.[A]"
REQUESTED = {"requests": {"cpu": "500m", "memory": "2Gi"}}


@pytest.mark.parametrize(
    ("live", "after", "values", "lost"),
    [
        pytest.param(
            deployment(resources=REQUESTED), deployment(),
            {"pilot": {"resources": {"requests": {"cpu": "500m", "memory": "2048Mi"}}}}, [],
            id="a default of the former version",
        ),
        pytest.param(
            deployment(resources=REQUESTED), deployment(), {"a": 1},
            ["spec.template.spec.containers.[discovery].resources"], id="resources of components",
        ),
        pytest.param(
            deployment(env=[{"name": "A", "value": "1"}]), deployment(), {"a": 1}, [VARIABLE], id="a variable"
        ),
        pytest.param(
            deployment(env=[{"name": "A", "value": "true"}]), deployment(), {"pilot": {"env": {"A": True}}}, [],
            id="a variable of the values",
        ),
        pytest.param(
            deployment(env=[{"name": "JWT_POLICY", "value": "1"}]), deployment(), {"a": 1}, [], id="one of the chart"
        ),
        pytest.param(
            deployment(tolerations=[{"key": "cni.istio.io/not-ready"}]), deployment(), {"a": 1}, [], id="a new default"
        ),
        pytest.param(
            {"kind": "HorizontalPodAutoscaler", "spec": {"minReplicas": 2}},
            {"kind": "HorizontalPodAutoscaler", "spec": {"minReplicas": 1}}, {"autoscaleMin": 1}, ["spec.minReplicas"],
            id="an autoscaler",
        ),
        pytest.param(
            {"kind": "Service", "spec": {"type": "ClusterIP"}}, {"kind": "Service", "spec": {}}, {"a": 1}, [],
            id="what the API server fills in",
        ),
        pytest.param(deployment(**SELECTED), deployment(), {}, [], id="nothing is distinguished without values"),
    ],
)  # fmt: skip
def test_settings_of_components(live: b.Json, after: b.Json, values: b.Json, lost: list[str]) -> None:
    assert [setting.name for setting in find_component_settings(live, after, values)] == lost
