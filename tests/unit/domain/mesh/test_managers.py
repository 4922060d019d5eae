# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The manager of an object of a control plane (domain 7, installer)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import (
    HELM,
    ISTIOCTL,
    OPERATOR,
    UNKNOWN,
    manager_of,
)

RELEASE = {"annotations": {"meta.helm.sh/release-name": "istiod-1-30-3"}}
SAIL = {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "name": "prod-v1-30-3", "controller": True}
CHARTS = {"app.kubernetes.io/managed-by": "Helm"}


@pytest.mark.parametrize(
    ("metadata", "kind", "words"),
    [
        pytest.param(
            {"labels": CHARTS}, UNKNOWN, "an unknown owner", id="the charts stamp Helm on every install (#59630)"
        ),
        pytest.param(
            {"labels": {**CHARTS, "operator.istio.io/managed": "Reconcile"}}, ISTIOCTL, "istioctl", id="istioctl"
        ),
        pytest.param({"labels": CHARTS, **RELEASE}, HELM, "Helm release istiod-1-30-3", id="Helm"),
        pytest.param(
            {"ownerReferences": [SAIL], **RELEASE},
            OPERATOR,
            "IstioRevision prod-v1-30-3 of the Sail Operator",
            id="Sail works through Helm",
        ),
        pytest.param(
            {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x"}]},
            UNKNOWN,
            "an unknown owner",
            id="an owner that is not an operator",
        ),
        pytest.param(
            {"namespace": "aks-istio-system", **RELEASE}, OPERATOR, "the Istio add-on of AKS", id="add-on of AKS"
        ),
        pytest.param(
            {"labels": {"addonmanager.kubernetes.io/mode": "Reconcile"}},
            OPERATOR,
            "the add-on manager of the platform",
            id="an add-on manager",
        ),
    ],
)
def test_the_manager_of_an_object(metadata: dict[str, t.Any], kind: str, words: str) -> None:
    found = manager_of({"metadata": metadata})
    assert (found.kind, str(found), found.is_operator) == (kind, words, kind == OPERATOR)
