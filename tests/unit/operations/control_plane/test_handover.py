# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared gateways, CNI and ztunnel change hands only on purpose, and lose nothing on the way (S3, S5, S12)."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import RolloutError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL as COMPONENT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import handover
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import Change
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import run_of

OWNER = f"metadata.labels.{REV}"
MOVED = {OWNER: (b.OLD, b.NEW)}


def shared(kind: str, name: str, component: str, revision: str = b.OLD, namespace: str = b.SYSTEM) -> b.Json:
    """A shared workload of a revision."""
    found = b.workload(kind, name, namespace)
    found["metadata"]["labels"] = {REV: revision, COMPONENT: component}
    return found


@pytest.mark.parametrize(
    ("objects", "owners", "expected"),
    [
        pytest.param([], [b.OLD], {}, id="nothing is shared"),
        pytest.param(
            [shared("Deployment", "in", "IngressGateways"), shared("Deployment", "out", "EgressGateways")],
            [b.OLD],
            {
                "ingressGateways": [{"name": "in", "enabled": True}],
                "egressGateways": [{"name": "out", "enabled": True}],
            },
            id="gateways by name",
        ),
        pytest.param(
            [shared("Deployment", "in", "IngressGateways", namespace="edge")],
            [b.OLD],
            {"ingressGateways": [{"name": "in", "enabled": True, "namespace": "edge"}]},
            id="a gateway in a namespace of its own",
        ),
        pytest.param(
            [
                shared("DaemonSet", "istio-cni-node", "Cni", namespace="kube-system"),
                shared("DaemonSet", "z", "Ztunnel"),
            ],
            [b.OLD],
            {"cni": {"enabled": True, "namespace": "kube-system"}, "ztunnel": {"enabled": True}},
            id="CNI and ztunnel",
        ),
        pytest.param([shared("Deployment", "in", "IngressGateways")], [b.NEW], {}, id="of another revision"),
        pytest.param([shared("Deployment", "istiod", "Pilot")], [b.OLD], {}, id="istiod is not shared"),
    ],
)
def test_components_are_told_from_what_is_there(objects: list[b.Json], owners: list[str], expected: b.Json) -> None:
    with FakeApi(*objects) as api:
        assert handover.components(api.client(), b.SYSTEM, owners) == expected


@pytest.mark.parametrize(("take", "source", "expected"), [(True, b.OLD, ["in"]), (False, b.OLD, []), (True, None, [])])
def test_only_a_handover_asks_for_what_another_revision_owns(
    take: bool, source: str | None, expected: list[str]
) -> None:
    with FakeApi(shared("Deployment", "in", "IngressGateways")) as api:
        run = run_of(api, CORE, revision=b.NEW, version=b.NEW_VERSION, adopt_shared_components=take)
        found = handover.wanted(run, source).get("ingressGateways", [])
    assert [gateway["name"] for gateway in found] == expected


def test_a_users_components_are_laid_over() -> None:
    base = {"cni": {"enabled": True}, "ingressGateways": [{"name": "in", "enabled": True}]}
    k8s = {"k8s": {"replicaCount": 3}}
    over = {"pilot": k8s, "cni": k8s, "ingressGateways": [{"name": "in", **k8s}, {"name": "more", "enabled": True}]}
    assert handover.laid_over(base, over) == {
        "pilot": k8s,
        "cni": {"enabled": True, **k8s},
        "ingressGateways": [{"name": "in", "enabled": True, **k8s}, {"name": "more", "enabled": True}],
    }


@pytest.mark.parametrize(
    ("component", "change", "expected"),
    [
        pytest.param("IngressGateways", Change("Deployment", b.SYSTEM, "in", "update", MOVED), True, id="taken over"),
        pytest.param("IngressGateways", Change("Deployment", b.SYSTEM, "in", "create"), False, id="new"),
        pytest.param(
            "IngressGateways", Change("Deployment", b.SYSTEM, "in", "update", {"spec.x": (1, 2)}), False, id="its own"
        ),
        pytest.param("Base", Change("Deployment", b.SYSTEM, "in", "update", MOVED), False, id="not shared"),
    ],
)
def test_what_an_install_takes_over(component: str, change: Change, expected: bool) -> None:
    rendered = [shared("Deployment", "in", component, b.NEW)]
    assert (handover.taken_over(rendered, [change]) == [change]) is expected


def moving(kind: str = "Deployment", **fields: tuple[object, object]) -> Change:
    """Something that is taken over, with more changes."""
    return Change(kind, b.SYSTEM, "in", "update", {**MOVED, **{k.replace("__", "."): v for k, v in fields.items()}})


def test_s12_nothing_is_taken_over_by_the_way() -> None:
    with pytest.raises(SafetyError, match=r"would take Deployment istio-system/in from revision 1-30-3 by the way"):
        handover.refuse_harm([moving()], [], meant=False)
    handover.refuse_harm([moving()], [], meant=True)
    handover.refuse_harm([], [], meant=False)


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
def test_settings_that_no_value_holds_are_not_lost(kind: str, path: str, refused: bool) -> None:
    change = dataclasses.replace(moving(kind), fields={**MOVED, path: ("mine", None)})
    if not refused:
        handover.refuse_harm([change], [], meant=True)
        return
    with pytest.raises(SafetyError, match="would change more than its version") as caught:
        handover.refuse_harm([change], [], meant=True)
    assert f"{kind} istio-system/in {path}: 'mine' -> None" in caught.value.message
    handover.refuse_harm([change], [f"{kind} istio-system/in"], meant=True)


def test_s5_a_handover_ends_when_everything_is_rolled_out(quick: None) -> None:
    with FakeApi(b.workload("Deployment", "in", b.SYSTEM)) as api:
        run = run_of(api, CORE, revision=b.NEW, version=b.NEW_VERSION, timeout=1)
        handover.wait(run, [moving(), moving("Service")])
        api.get("Deployment", "in")["status"]["updatedReplicas"] = 0
        pod = b.pod("in-1", b.SYSTEM, labels={"app": "in"}, ready=False)
        waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
        pod["status"]["containerStatuses"] = [{"name": "istio-proxy", "state": {"waiting": waiting}}]
        api.objects.append(pod)
        with pytest.raises(RolloutError) as caught:
            handover.wait(run, [moving()])
    assert "did not take over what the mesh shares: Deployment istio-system/in: pod in-1" in caught.value.message
    assert "ImagePullBackOff" in caught.value.message
    assert "give it back: istio_revision revision=1-30-3 adopt_shared_components=true" in caught.value.message


def test_the_action_names_what_changes_hands() -> None:
    assert handover.said([moving(), moving("Service")]) == "take over Deployment istio-system/in from 1-30-3"
    assert handover.said([]) == ""
