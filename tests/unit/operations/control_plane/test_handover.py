# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A handover of shared components requests them, and waits until they are rolled out (S3, S5)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import RolloutError
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL as COMPONENT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import handover
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
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
        pytest.param([], [b.OLD], {}, id="no shared component"),
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
            id="a gateway in another namespace",
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
def test_components_are_read_from_the_shared_workloads(
    objects: list[b.Json], owners: list[str], expected: b.Json
) -> None:
    with FakeApi(*objects) as api:
        assert handover.read_owned_components(api.client(), b.SYSTEM, owners) == expected


@pytest.mark.parametrize(("take", "source", "expected"), [(True, b.OLD, ["in"]), (False, b.OLD, []), (True, None, [])])
def test_only_a_handover_requests_components_of_another_revision(
    take: bool, source: str | None, expected: list[str]
) -> None:
    with FakeApi(shared("Deployment", "in", "IngressGateways")) as api:
        run = run_of(api, CORE, revision=b.NEW, version=b.NEW_VERSION, adopt_shared_components=take)
        components = handover.requested_components(run, InstallOptions.from_params(run.params), source)
    assert [gateway["name"] for gateway in components.get("ingressGateways", [])] == expected


def moving(kind: str = "Deployment", **fields: tuple[object, object]) -> ObjectChange:
    """A takeover with more changes."""
    return ObjectChange(
        kind, b.SYSTEM, "in", "update", {**MOVED, **{k.replace("__", "."): v for k, v in fields.items()}}
    )


def test_s5_a_handover_ends_when_all_workloads_are_rolled_out(quick: None) -> None:
    with FakeApi(b.workload("Deployment", "in", b.SYSTEM)) as api:
        run = run_of(api, CORE, revision=b.NEW, version=b.NEW_VERSION, timeout=1)
        options = InstallOptions.from_params(run.params)
        handover.wait_for_takeover(run, options, [moving(), moving("Service")])
        api.get("Deployment", "in")["status"]["updatedReplicas"] = 0
        pod = b.pod("in-1", b.SYSTEM, labels={"app": "in"}, ready=False)
        waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
        pod["status"]["containerStatuses"] = [{"name": "istio-proxy", "state": {"waiting": waiting}}]
        api.objects.append(pod)
        with pytest.raises(RolloutError) as caught:
            handover.wait_for_takeover(run, options, [moving()])
    assert "did not take over the shared components: Deployment istio-system/in: pod in-1" in caught.value.message
    assert "ImagePullBackOff" in caught.value.message
    assert (
        "give the components back: istio_revision revision=1-30-3 adopt_shared_components=true" in caught.value.message
    )
