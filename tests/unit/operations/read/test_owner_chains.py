# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Owners above unknown owners are read once each, by their metadata, and only for pods that count."""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ForbiddenError, NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.owner_chains import (
    METADATA,
    MOST_READS,
    has_proxy,
    with_owner_chains,
)
from unit.support import builders as b
from unit.support.checking import HEALTHY

DISCOVERY = {
    "/api/v1": [{"kind": "ReplicationController", "name": "replicationcontrollers", "namespaced": True}],
    "/apis/tekton.dev/v1": [
        {"kind": "TaskRun", "name": "taskruns", "namespaced": True},
        {"kind": "TaskRun", "name": "taskruns/status", "namespaced": True},
    ],
}


class Api:
    """Answers the reads of discovery and of owners, and records them."""

    def __init__(self, owners: dict[str, b.Json], *, forbidden: bool = False) -> None:
        self.owners, self.forbidden, self.seen = owners, forbidden, list[str]()

    def get(self, path: str, *, doing: str = "", accept: str = "") -> b.Json:
        self.seen.append(path)
        if path in DISCOVERY:
            return {"resources": DISCOVERY[path]}
        assert accept == METADATA or path.count("/") < 4
        if self.forbidden:
            raise ForbiddenError(f"{doing} failed.", 403)
        if path not in self.owners:
            raise NotFoundError(f"{doing} failed.", 404)
        return {"metadata": {"ownerReferences": [{**self.owners[path], "controller": True}]}}


def owned(name: str, kind: str, owner: str, api_version: str) -> b.Json:
    """A pod with a proxy and an owner."""
    pod = b.pod(name, owner=(kind, owner))
    pod["metadata"]["ownerReferences"][0]["apiVersion"] = api_version
    return pod


def chained(api: Api, *pods: b.Json, **options: t.Any) -> set[tuple[str, str]]:
    """The topmost owners of some pods."""
    snapshot = with_owner_chains(t.cast(t.Any, api), b.snapshot_of([*HEALTHY, *pods]), **options)
    return {(owner.kind, owner.name) for pod in snapshot.pods if pod.owner and (owner := snapshot.owner_of(pod))}


CONTROLLERS = "/api/v1/namespaces/shop/replicationcontrollers"
DC = {"apiVersion": "apps.openshift.io/v1", "kind": "DeploymentConfig", "name": "api"}


def test_an_owner_is_read_once_for_all_its_pods() -> None:
    api = Api({f"{CONTROLLERS}/api-3": DC})
    pods = [owned(f"api-{at}", "ReplicationController", "api-3", "v1") for at in range(3)]
    assert ("DeploymentConfig", "api") in chained(api, *pods, concerns=has_proxy)
    assert api.seen == ["/api/v1", f"{CONTROLLERS}/api-3", "/apis/apps.openshift.io/v1"]


def test_pods_that_do_not_count_cost_no_request() -> None:
    api = Api({f"{CONTROLLERS}/api-3": DC})
    chained(api, owned("api-1", "ReplicationController", "api-3", "v1"))
    assert api.seen == []


def test_the_owner_of_an_owning_pod_is_known_already() -> None:
    api = Api({})
    driver = owned("driver", "TaskRun", "build", "tekton.dev/v1")
    tops = chained(api, driver, owned("exec-1", "Pod", "driver", "v1"), concerns=has_proxy)
    assert ("TaskRun", "build") in tops
    assert ("Pod", "driver") not in tops
    assert not any("/pods/" in path for path in api.seen)


def test_an_owner_that_cannot_be_read_is_the_top() -> None:
    for api in (Api({}), Api({}, forbidden=True)):
        tops = chained(api, owned("x", "TaskRun", "build", "tekton.dev/v1"), concerns=has_proxy)
        assert ("TaskRun", "build") in tops


def test_reads_are_limited() -> None:
    api = Api({})
    chained(
        api,
        *(owned(f"x-{at}", "TaskRun", f"run-{at}", "tekton.dev/v1") for at in range(2 * MOST_READS)),
        concerns=has_proxy,
    )
    assert sum("taskruns" in path for path in api.seen) == MOST_READS
