# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of other writers of a control plane, and of the state that they leave."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.istio_operators import read_istio_operator
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import (
    PendingRelease,
    read_pending_release,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.vertical_autoscalers import (
    read_vertical_autoscaler,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits
from unit.support import builders as b
from unit.support.checking import HEALTHY, IN_PLACE, UPGRADE, fired, of

RELEASE = "meta.helm.sh/release-name"
CODES = {"MU130", "MU131"}


def operator_resource(**spec: t.Any) -> b.Json:
    """The resource that the in-cluster operator reads."""
    metadata = {**b.meta("installed-state", b.SYSTEM), "finalizers": ["istio-finalizer.install.istio.io"]}
    return {"kind": "IstioOperator", "metadata": metadata, "spec": {"tag": "1.30.3", **spec}}


def ignored() -> b.Json:
    """A resource that istioctl of old versions kept as a record."""
    obj = operator_resource()
    obj["metadata"]["annotations"] = {"install.istio.io/ignoreReconcile": "true"}
    return obj


RUNNING = b.workload("Deployment", "istio-operator", "istio-operator")
REVISIONED = b.workload("Deployment", "istio-operator-1-30", "tools")
STOPPED = b.workload("Deployment", "istio-operator", "istio-operator", replicas=0)
KEPT = (read_istio_operator(operator_resource()),)


def by_helm() -> list[b.Json]:
    """A healthy mesh whose istiod belongs to a Helm release."""
    istiod = b.istiod()
    istiod["metadata"]["annotations"] = {RELEASE: "istiod-1-30-3"}
    return [istiod, *HEALTHY[1:]]


def vertical(
    mode: str = "",
    name: str = "web",
    in_namespace: str = "shop",
    kind: str = "Deployment",
    off: t.Any = None,
    **policy: int,
) -> b.Json:
    """A VerticalPodAutoscaler; ``off`` has the modes of its container policies."""
    target = {"apiVersion": "apps/v1", "kind": kind, "name": name}
    containers = [{"containerName": name, "mode": mode} for name, mode in (off or {}).items()]
    spec = {"targetRef": target, "updatePolicy": {**policy, **({"updateMode": mode} if mode else {})}}
    if containers:
        spec["resourcePolicy"] = {"containerPolicies": containers}
    return {"kind": "VerticalPodAutoscaler", "metadata": b.meta(name, in_namespace), "spec": spec}


def scaled_by_keda(deployment: str = f"istiod-{b.OLD}") -> b.Json:
    """The autoscaler that KEDA makes for a ScaledObject."""
    found = b.autoscaler()
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "istiod", "controller": True}
    found["metadata"].update(name="keda-hpa-istiod", ownerReferences=[owner])
    found["spec"]["scaleTargetRef"]["name"] = deployment
    return found


FIRES = [
    pytest.param(
        "MU130",
        "IstioOperator istio-system/installed-state",
        [*HEALTHY, RUNNING],
        {"operators": KEPT},
        id="MU130: the in-cluster operator runs",
    ),
    pytest.param(
        "MU131",
        "IstioOperator istio-system/installed-state",
        HEALTHY,
        {"operators": KEPT},
        id="MU131: a resource without its operator",
    ),
    pytest.param(
        "MU132",
        "Deployment istiod-1-30-3",
        HEALTHY,
        {"rejections": {b.OLD: "failed to run injection template"}},
        id="MU132: the previous istiod reads a newer template",
    ),
    pytest.param(
        "MU134",
        "Release istio-system/istiod-1-30-3",
        by_helm(),
        {"pending_releases": (PendingRelease("istiod-1-30-3", "4", "pending-upgrade"),)},
        id="MU134: another helm works on the release",
    ),
    pytest.param(
        "MU138",
        "VerticalPodAutoscaler shop/web",
        [*b.plane(b.OLD), *b.namespaces(shop=b.OLD), *b.deployed(pods=2)],
        {"vertical_autoscalers": (read_vertical_autoscaler(vertical()),)},
        id="MU138: an autoscaler that evicts pods",
    ),
    pytest.param(
        "MU139",
        "HorizontalPodAutoscaler istio-system/keda-hpa-istiod",
        [*HEALTHY, scaled_by_keda()],
        {"upgrade": IN_PLACE},
        id="MU139: another autoscaler of istiod",
    ),
]


@pytest.mark.parametrize(
    ("obj", "pods", "found"),
    [
        pytest.param(vertical(), 2, True, id="without a mode it evicts"),
        pytest.param(vertical(mode="Recreate"), 2, True, id="Recreate"),
        pytest.param(vertical(mode="InPlaceOrRecreate"), 2, True, id="InPlaceOrRecreate"),
        pytest.param(vertical(mode="Initial"), 2, False, id="Initial changes new pods only"),
        pytest.param(vertical(mode="Off"), 2, False, id="Off changes nothing"),
        pytest.param(vertical(), 1, False, id="the only pod is not evicted"),
        pytest.param(vertical(minReplicas=1), 1, True, id="the only pod is evicted if it says so"),
        pytest.param(vertical(minReplicas=3), 2, False, id="it needs more replicas"),
        pytest.param(vertical(off={"*": "Off"}), 2, False, id="off for all containers"),
        pytest.param(vertical(off={"*": "Off", "app": "Auto"}), 2, True, id="off for the other containers"),
        pytest.param(vertical(off={"istio-proxy": "Off"}), 2, True, id="off for the proxy"),
        pytest.param(vertical(name="batch"), 2, False, id="a workload that is not there"),
        pytest.param(vertical(kind="StatefulSet"), 2, False, id="another kind"),
        pytest.param({**vertical(), "spec": 7}, 2, False, id="its spec is not readable"),
    ],
)
def test_a_vertical_autoscaler_is_named_only_where_it_evicts_pods_of_the_upgrade(
    obj: b.Json, pods: int, found: bool
) -> None:
    objects = [*b.plane(b.OLD), *b.namespaces(shop=b.OLD), *b.deployed(pods=pods)]
    autoscalers = (read_vertical_autoscaler(obj),)
    assert ("MU138" in fired(objects, vertical_autoscalers=autoscalers)) is found
    outside = dataclasses.replace(UPGRADE, limits=NamespaceLimits(exclude=("shop",)))
    assert "MU138" not in fired(objects, outside, vertical_autoscalers=autoscalers)
    no_proxy = [*b.plane(b.OLD), *b.namespaces(shop=None), *b.deployed(pods=pods, revision=None)]
    assert "MU138" not in fired(no_proxy, vertical_autoscalers=autoscalers)


def test_a_vertical_autoscaler_of_istiod_counts_where_istiod_is_replaced() -> None:
    vertical_autoscalers = (read_vertical_autoscaler(vertical(name=f"istiod-{b.OLD}", in_namespace=b.SYSTEM)),)
    objects = [b.istiod(replicas=2), *HEALTHY[1:]]
    assert "MU138" in fired(objects, IN_PLACE, vertical_autoscalers=vertical_autoscalers)
    assert "MU138" not in fired(objects, UPGRADE, vertical_autoscalers=vertical_autoscalers)


@pytest.mark.parametrize(
    ("upgrade", "replicas", "autoscaler", "message"),
    [
        pytest.param(
            IN_PLACE, 3, scaled_by_keda(), "It belongs to ScaledObject istiod. It sets the replicas", id="in place"
        ),
        pytest.param(UPGRADE, 3, scaled_by_keda(), "now to 3 replicas. Nothing scales the control plane", id="canary"),
        pytest.param(UPGRADE, 1, scaled_by_keda(), "", id="canary from one replica"),
        pytest.param(IN_PLACE, 3, b.autoscaler(), "", id="the autoscaler of the charts"),
        pytest.param(IN_PLACE, 3, scaled_by_keda("other"), "", id="another Deployment"),
    ],
)
def test_another_autoscaler_of_istiod_is_named_only_where_its_replicas_get_lost(
    upgrade: Upgrade, replicas: int, autoscaler: b.Json, message: str
) -> None:
    found = of("MU139", [b.istiod(replicas=replicas), *HEALTHY[1:], autoscaler], upgrade)
    assert [message in one.message for one in found] == [True] * bool(message)


@pytest.mark.parametrize(
    ("objects", "resource", "codes"),
    [
        pytest.param([RUNNING], operator_resource(), {"MU130"}, id="it runs"),
        pytest.param([REVISIONED], operator_resource(), {"MU130"}, id="it runs under the name of a revision"),
        pytest.param([STOPPED], operator_resource(), {"MU131"}, id="it is scaled to zero"),
        pytest.param([RUNNING], ignored(), {"MU131"}, id="it leaves the resource alone"),
        pytest.param(
            [RUNNING],
            operator_resource(values={"global": {"istioNamespace": "istio-two"}}),
            set(),
            id="it keeps another mesh",
        ),
        pytest.param([RUNNING], operator_resource(namespace="istio-two"), set(), id="it keeps another namespace"),
        pytest.param([RUNNING], operator_resource(values=7, tag=["x"]), {"MU130"}, id="its spec is not readable"),
        pytest.param([RUNNING], None, set(), id="without a resource it has nothing to keep"),
    ],
)
def test_an_in_cluster_operator_is_an_error_only_if_it_keeps_this_control_plane(
    objects: list[b.Json], resource: b.Json | None, codes: set[str]
) -> None:
    operators = (read_istio_operator(resource),) if resource else ()
    assert CODES & set(fired([*HEALTHY, *objects], operators=operators)) == codes


def test_the_message_names_the_operator_and_what_it_keeps() -> None:
    (found,) = of("MU130", [*HEALTHY, RUNNING], operators=KEPT)
    assert found.message == (
        "The in-cluster operator (Deployment istio-operator/istio-operator) keeps the control plane as IstioOperator "
        "istio-system/installed-state describes it with the image tag 1.30.3."
    )
    (left,) = of("MU131", HEALTHY, operators=KEPT)
    assert "istio-finalizer.install.istio.io keeps it from being deleted" in left.message


@pytest.mark.parametrize(
    ("installer", "objects"),
    [pytest.param("istioctl", 1, id="istioctl is refused"), pytest.param("external", 0, id="the operator installs it")],
)
def test_a_revision_of_the_sail_operator_is_named_before_an_upgrade_in_place(installer: str, objects: int) -> None:
    istiod = b.istiod()
    owner = {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "name": "default", "controller": True}
    istiod["metadata"]["ownerReferences"] = [owner]
    upgrade = dataclasses.replace(IN_PLACE, installer=installer)
    assert len(of("MU130", [istiod, *HEALTHY[1:]], upgrade)) == objects
    assert of("MU130", [istiod, *HEALTHY[1:]], dataclasses.replace(UPGRADE, installer=installer)) == []


def test_an_upgrade_in_place_repairs_an_istiod_that_rejects_pods() -> None:
    severities = [
        found.severity
        for upgrade in (UPGRADE, IN_PLACE)
        for found in of("MU132", HEALTHY, upgrade, rejections={b.OLD: "refused"})
    ]
    assert severities == ["error", "warning"]


def test_only_releases_of_the_mesh_count() -> None:
    labels = {"owner": "helm", "name": "shop", "version": "2", "status": "pending-install"}
    release = read_pending_release({"metadata": b.meta("sh.helm.release.v1.shop.v2", b.SYSTEM, labels)})
    assert release == PendingRelease("shop", "2", "pending-install")
    assert "MU134" not in fired(by_helm(), pending_releases=(release,))
