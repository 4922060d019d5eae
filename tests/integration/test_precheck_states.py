# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""States of a real cluster on which a check of istio_precheck fires, and silence before and after each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

from integration.meshes import ADMISSION, MERGE
from integration.objects import REV, injected, until
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from integration.test_precheck import found
from lab import Cluster

Json = dict[str, Any]
State = Callable[[Cluster], AbstractContextManager[object]]
pytestmark = pytest.mark.lab
SCRATCH = "scratch"
SPACE = f"/api/v1/namespaces/{SCRATCH}"
FAULT = {"lab.meshops.dev/fault": "never-ready"}
OLDER = "1.30.2"


@contextmanager
def nothing(cluster: Cluster) -> Iterator[None]:
    """The readings of a clean cluster show it already."""
    yield


def label(cluster: Cluster, revision: str | None) -> None:
    """Have the namespace of a test ask for a revision, or for none."""
    cluster.request("PATCH", SPACE, {"metadata": {"labels": {REV: revision}}}, content_type=MERGE)


@contextmanager
def deployed(
    cluster: Cluster,
    revision: str | None = REVISION,
    *,
    notes: Json | None = None,
    ready: bool = True,
) -> Iterator[None]:
    """A namespace with one Deployment."""
    labels = {"app": "web"}
    spec = {"containers": [{"name": "web", "image": "lab.invalid/web:1"}]}
    space = {"name": SCRATCH, "labels": {REV: revision} if revision else {}}
    template = {"metadata": {"labels": labels, "annotations": notes or {}}, "spec": spec}
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": space},
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web", "namespace": SCRATCH},
                "spec": {"selector": {"matchLabels": labels}, "template": template},
            },
        ]
    )
    try:
        if ready:
            cluster.wait_ready([SCRATCH])
        until(lambda: cluster.pods(SCRATCH), "the Deployment makes no pod")
        yield
    finally:
        cluster.delete(SPACE)
        until(lambda: SCRATCH not in spaces(cluster), "the namespace does not go")


def spaces(cluster: Cluster) -> set[str]:
    """The namespaces that are there."""
    return {item["metadata"]["name"] for item in cluster.items("/api/v1/namespaces")}


@contextmanager
def copied_injector(cluster: Cluster) -> Iterator[None]:
    """A user's copy of the injector, for another revision."""
    path = f"{ADMISSION}/mutatingwebhookconfigurations"
    other = copy.deepcopy(cluster.request("GET", f"{path}/istio-sidecar-injector-{REVISION}"))
    other["metadata"] = {"name": "a-copy", "labels": {**other["metadata"]["labels"], REV: "other"}}
    cluster.request("POST", path, other)
    try:
        yield
    finally:
        cluster.delete(f"{path}/a-copy")


@contextmanager
def foreign_injector(cluster: Cluster) -> Iterator[None]:
    """The injector of a mesh in another namespace, which no namespace selects."""
    path = f"{ADMISSION}/mutatingwebhookconfigurations"
    other = copy.deepcopy(cluster.request("GET", f"{path}/istio-sidecar-injector-{REVISION}"))
    other["metadata"] = {"name": "istio-sidecar-injector-two", "labels": {REV: "two"}}
    for hook in other["webhooks"]:
        hook["clientConfig"]["service"] |= {"namespace": "istio-two", "name": "istiod-two"}
        hook["namespaceSelector"] = {"matchLabels": {REV: "two"}}
    cluster.request("POST", path, other)
    try:
        yield
    finally:
        cluster.delete(f"{path}/{other['metadata']['name']}")


@contextmanager
def policy(cluster: Cluster, revision: str) -> Iterator[None]:
    """An AuthorizationPolicy that one revision alone reads."""
    item = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "deny-admin", "namespace": "shop", "labels": {REV: revision}},
        "spec": {"action": "DENY", "rules": [{"to": [{"operation": {"paths": ["/admin"]}}]}]},
    }
    cluster.apply([item])
    try:
        yield
    finally:
        cluster.delete(cluster.path(item))


@contextmanager
def custom_istiod(cluster: Cluster) -> Iterator[None]:
    """An istiod whose image tag says nothing; it need not run to be asked about."""
    labels = {"app": "istiod", REV: "custom"}
    spec = {"containers": [{"name": "discovery", "image": "lab.invalid/istio/pilot:nightly"}]}
    template = {"metadata": {"labels": labels}, "spec": spec}
    item = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod-custom", "namespace": "istio-system", "labels": labels},
        "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
    }
    cluster.apply([item])
    try:
        yield
    finally:
        cluster.delete(cluster.path(item))


@contextmanager
def unlabelled(cluster: Cluster) -> Iterator[None]:
    """A pod that was injected, in a namespace that asks for nothing any more."""
    with deployed(cluster):
        label(cluster, None)
        yield


@contextmanager
def unreadable(cluster: Cluster) -> Iterator[None]:
    """A pod of any tenant, with what no parser goes through."""
    status = {"sidecar.istio.io/status": "[" * 150_000}
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SCRATCH}},
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "tenant", "namespace": SCRATCH, "annotations": status},
                "spec": {"containers": [{"name": "istio-proxy", "image": "lab.invalid/any:1"}]},
            },
        ]
    )
    try:
        yield
    finally:
        cluster.delete(SPACE)
        until(lambda: SCRATCH not in spaces(cluster), "the namespace does not go")


CANARY: Json = {}
IN_PLACE = {"strategy": "in_place", "revision": REVISION}
AFTER = {"stage": "after"}


@contextmanager
def injector(cluster: Cluster, change: Callable[[str], str]) -> Iterator[None]:
    """The injector's values are others."""
    path = f"/api/v1/namespaces/istio-system/configmaps/istio-sidecar-injector-{REVISION}"
    text = cluster.request("GET", path)["data"]["values"]
    cluster.request("PATCH", path, {"data": {"values": change(text)}}, content_type=MERGE)
    try:
        yield
    finally:
        cluster.request("PATCH", path, {"data": {"values": text}}, content_type=MERGE)


def broken_injector(cluster: Cluster) -> AbstractContextManager[None]:
    """The injector's values are cut off."""
    return injector(cluster, lambda text: text[:99])


@contextmanager
def old_proxy(cluster: Cluster) -> Iterator[None]:
    """A pod of this revision that runs the proxy of an older patch version."""

    def injects(version: str) -> None:
        until(lambda: injected(cluster, "shop").version == version, f"istiod does not inject {version}")

    with ExitStack() as later:
        with injector(cluster, lambda text: text.replace(VERSION, OLDER)):
            injects(OLDER)
            later.enter_context(deployed(cluster))
        injects(VERSION)
        yield


@pytest.mark.parametrize(
    ("code", "place", "state", "options"),
    [
        pytest.param("MU005", f"revision {REVISION}", nothing, {"revision": REVISION}, id="MU005: the name is taken"),
        pytest.param(
            "MU006",
            "revision custom",
            custom_istiod,
            {"source_revision": "custom"},
            id="MU006: a tag without a version",
        ),
        pytest.param("MU008", f"Deployment istiod-{REVISION}", nothing, IN_PLACE, id="MU008: one istiod, in place"),
        pytest.param("MU016", "namespace shop", copied_injector, CANARY, id="MU016: a copy of the injector"),
        pytest.param("MU018", f"injector-{REVISION}", broken_injector, CANARY, id="MU018: an injector that is cut off"),
        pytest.param("MU020", f"Deployment {SCRATCH}/web", old_proxy, CANARY, id="MU020: an older image"),
        pytest.param("MU022", f"Deployment {SCRATCH}/web", unlabelled, CANARY, id="MU022: the label is gone"),
        pytest.param("MU024", f"Deployment {SCRATCH}/web", old_proxy, AFTER, id="MU024: stale on the old revision"),
        pytest.param("MU039", f"Pod {SCRATCH}/tenant", unreadable, CANARY, id="MU039 F18: an unreadable annotation"),
        pytest.param(
            "MU025",
            f"Deployment {SCRATCH}/web",
            lambda cluster: deployed(cluster, notes=FAULT, ready=False),
            CANARY,
            id="MU025: never ready",
        ),
        pytest.param(
            "MU053",
            "AuthorizationPolicy shop/deny-admin",
            lambda cluster: policy(cluster, REVISION),
            CANARY,
            id="MU053: a policy of the source alone",
        ),
        pytest.param(
            "MU054",
            "AuthorizationPolicy shop/deny-admin",
            lambda cluster: policy(cluster, "prod"),
            CANARY,
            id="MU054: a policy that names a tag",
        ),
        pytest.param("MU063", "namespace istio-two", foreign_injector, CANARY, id="MU063: another mesh"),
    ],
)
def test_a_check_fires_on_its_state_and_only_there(
    desk: Desk, calm: Cluster, code: str, place: str, state: State, options: Json
) -> None:
    with state(calm):
        assert [one for one in found(desk, calm, **options)[code] if place in one]
    after = found(desk, calm)
    assert code not in after
    assert SCRATCH not in str(after)


def test_mu031_names_crds_that_are_newer_than_the_target(desk: Desk, gated: Cluster) -> None:
    older = {"strategy": "downgrade", "version": VERSION, "revision": REVISION}
    assert found(desk, gated, **older)["MU031"] == {"CRDs"}
    assert "MU031" not in found(desk, gated, version=NEW_VERSION, revision=f"{NEW_REVISION}-b")
