# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared gateways, CNI and ztunnel change hands only on purpose, and lose no setting (S12)."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.shared_components import (
    describe_takeover,
    find_takeovers,
    merge_components,
    require_safe_takeover,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL, REVISION_LABEL
from unit.support import builders as b

OWNER = f"metadata.labels.{REVISION_LABEL}"
MOVED = {OWNER: (b.OLD, b.NEW)}


def shared(kind: str, name: str, component: str, revision: str = b.OLD, namespace: str = b.SYSTEM) -> b.Json:
    """A shared workload of a revision."""
    workload = b.workload(kind, name, namespace)
    workload["metadata"]["labels"] = {REVISION_LABEL: revision, COMPONENT_LABEL: component}
    return workload


def test_components_of_the_user_are_merged() -> None:
    base = {"cni": {"enabled": True}, "ingressGateways": [{"name": "in", "enabled": True}]}
    k8s = {"k8s": {"replicaCount": 3}}
    over = {"pilot": k8s, "cni": k8s, "ingressGateways": [{"name": "in", **k8s}, {"name": "more", "enabled": True}]}
    assert merge_components(base, over) == {
        "pilot": k8s,
        "cni": {"enabled": True, **k8s},
        "ingressGateways": [{"name": "in", "enabled": True, **k8s}, {"name": "more", "enabled": True}],
    }


@pytest.mark.parametrize(
    ("component", "change", "expected"),
    [
        pytest.param(
            "IngressGateways", ObjectChange("Deployment", b.SYSTEM, "in", "update", MOVED), True, id="taken over"
        ),
        pytest.param("IngressGateways", ObjectChange("Deployment", b.SYSTEM, "in", "create"), False, id="new"),
        pytest.param(
            "IngressGateways",
            ObjectChange("Deployment", b.SYSTEM, "in", "update", {"spec.x": (1, 2)}),
            False,
            id="its own",
        ),
        pytest.param("Base", ObjectChange("Deployment", b.SYSTEM, "in", "update", MOVED), False, id="not shared"),
    ],
)
def test_which_changes_are_takeovers(component: str, change: ObjectChange, expected: bool) -> None:
    rendered = [shared("Deployment", "in", component, b.NEW)]
    assert (find_takeovers(rendered, [change]) == [change]) is expected


def test_g3_the_label_of_the_component_may_be_on_the_live_object_only() -> None:
    """The chart of ztunnel has no label of a component."""
    rendered = b.workload("DaemonSet", "ztunnel", b.SYSTEM)
    live = shared("DaemonSet", "ztunnel", "Ztunnel")
    change = ObjectChange("DaemonSet", b.SYSTEM, "ztunnel", "update", MOVED, live)
    assert find_takeovers([rendered], [change]) == [change]
    assert describe_takeover([change]) == "take over DaemonSet istio-system/ztunnel from 1-30-3"


def test_g3_the_annotation_of_the_chart_with_the_revision_is_no_setting_of_a_user() -> None:
    account = moving("ServiceAccount", **{"metadata__annotations__istio.io/rev": (b.OLD, b.NEW)})
    require_safe_takeover([account], [], intended=True)
    with pytest.raises(SafetyError, match="example.org/role"):
        require_safe_takeover(
            [moving("ServiceAccount", **{"metadata__annotations__example.org/role": ("a", None)})], [], intended=True
        )


def moving(kind: str = "Deployment", **fields: tuple[object, object]) -> ObjectChange:
    """A takeover with more changes."""
    return ObjectChange(
        kind, b.SYSTEM, "in", "update", {**MOVED, **{k.replace("__", "."): v for k, v in fields.items()}}
    )


def test_s12_no_takeover_as_a_side_effect() -> None:
    with pytest.raises(
        SafetyError, match=r"would also take ownership of Deployment istio-system/in from revision 1-30-3"
    ):
        require_safe_takeover([moving()], [], intended=False)
    require_safe_takeover([moving()], [], intended=True)
    require_safe_takeover([], [], intended=False)


@pytest.mark.parametrize(
    ("kind", "path", "refused"),
    [
        ("Deployment", "spec.replicas", True),
        ("Deployment", "spec.strategy.rollingUpdate.maxSurge", True),
        ("Deployment", "spec.template.spec.nodeSelector.disk", True),
        ("Deployment", "spec.template.spec.containers.[istio-proxy].resources.limits.cpu", True),
        ("Deployment", "spec.template.spec.containers.[istio-proxy].image", False),
        ("Deployment", "spec.template.spec.containers.[istio-proxy].env.[CA_ADDR].value", False),
        ("Deployment", "spec.template.metadata.labels.istio.io/rev", False),
        ("DaemonSet", "metadata.annotations.deprecated.daemonset.template.generation", False),
        ("Service", "spec.type", True),
        ("Service", "metadata.annotations.internal", True),
        ("Service", "metadata.labels.operator.istio.io/version", False),
        ("HorizontalPodAutoscaler", "spec.maxReplicas", True),
        ("ServiceAccount", "metadata.annotations.role", True),
        ("ClusterRole", "rules.[0].verbs", False),
        ("ConfigMap", "data.CURRENT_AGENT_VERSION", False),
    ],
)
def test_settings_that_no_helm_value_holds_are_not_lost(kind: str, path: str, refused: bool) -> None:
    change = dataclasses.replace(moving(kind), fields={**MOVED, path: ("old", None)})
    if not refused:
        require_safe_takeover([change], [], intended=True)
        return
    with pytest.raises(SafetyError, match="would change more than their version") as caught:
        require_safe_takeover([change], [], intended=True)
    assert f"{kind} istio-system/in {path}: 'old' -> None" in caught.value.message
    require_safe_takeover([change], [f"{kind} istio-system/in"], intended=True)


def test_the_action_names_the_workloads_that_change_hands() -> None:
    assert describe_takeover([moving(), moving("Service")]) == "take over Deployment istio-system/in from 1-30-3"
    assert describe_takeover([]) == ""
