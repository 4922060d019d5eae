# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts of Argo Rollouts by their own field, and the time that the API server gives."""

from __future__ import annotations

import datetime
import typing as t
from collections.abc import Iterator
from email.utils import format_datetime

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import RESTARTED_AT
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.restarts import GATEWAY, MOVED, of_shop, restart, restarted


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Two stale Deployments and a gateway in namespace shop."""
    gateway = b.deployed("a-gateway", **GATEWAY)
    with FakeApi(
        *MOVED, *b.deployed(pods=2), *b.deployed("cart"), *gateway, *b.deployed(in_namespace="other")
    ) as found:
        yield found


def argo_rollout() -> list[b.Json]:
    """An Argo Rollout with a stale pod, of a revision before the one that its namespace asks for now."""
    found = b.workload("Rollout", "api", strategy={"canary": {}})
    found["status"] = {"phase": "Healthy", "observedGeneration": "1"}
    owner = b.owned("ReplicaSet", "api-abc", ("Rollout", "api"))
    return [found, owner, b.pod("api-abc-0", labels={"app": "api"}, owner=("ReplicaSet", "api-abc"))]


def test_an_argo_rollout_is_restarted_by_its_own_field_and_waited_for(api: FakeApi) -> None:
    api.objects += argo_rollout()
    result = restart(api, kinds=["Rollout"])
    assert result["restarted"] == ["Rollout shop/api"], result
    body = next(seen.body for seen in api.writes() if seen.method == "PATCH")
    assert list(body["spec"]) == ["restartAt"]
    assert restart(api, kinds=["Rollout"])["changed"] is False


def test_an_argo_rollout_is_restarted_once_more_by_an_undo(api: FakeApi) -> None:
    """There is no previous template; its pods get the proxy that the labels select by then."""
    api.objects += argo_rollout()

    def on_patch(obj: b.Json) -> None:
        if restarted(api).count("api") > 1:
            api.roll_out(obj)
        else:
            obj["status"].update(phase="Degraded", message="no room")

    api.on_patch = on_patch
    result = restart(api, kinds=["Rollout"], restore_labels=True)
    assert "Rollout shop/api: Degraded: no room" in result["msg"]
    assert (restarted(api), result["failure"]["rolled_back"]) == (["api", "shop", "api"], True)
    api_pod = next(pod for pod in of_shop(api) if pod["metadata"]["labels"]["app"] == "api")
    assert api_pod["metadata"]["annotations"][REV] == b.OLD


@pytest.mark.parametrize("years", [-3, 3])
def test_the_time_of_a_restart_is_that_of_the_api_server(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """An Argo Rollout waits for a restartAt that is ahead, and leaves pods alone that are younger than one behind."""
    there = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=365 * years)
    answer = Client.request

    def dated(self: Client, *given: t.Any, **more: t.Any) -> b.Json:
        found = answer(self, *given, **more)
        self.server_date = format_datetime(there, usegmt=True)
        return found

    monkeypatch.setattr(Client, "request", dated)
    api.objects += argo_rollout()
    restart(api)
    stamps = [obj["spec"]["restartAt"] for obj in b.of_kind(api.objects, "Rollout")]
    stamps += [
        obj["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT]
        for obj in b.of_kind(api.objects, "Deployment")
        if obj["metadata"]["namespace"] == "shop"
    ]
    assert len(stamps) == 4
    for stamp in stamps:
        assert abs(datetime.datetime.fromisoformat(stamp) - there) < datetime.timedelta(minutes=10)


@pytest.mark.parametrize("status", [403, 404])
def test_argo_rollouts_that_cannot_be_read_are_named(api: FakeApi, status: int) -> None:
    api.objects += argo_rollout()[1:]
    api.script("GET", "/apis/argoproj.io/v1alpha1/rollouts", failure(status, "no"))
    result = restart(api)
    assert [(row["kind"], row["code"]) for row in result["unrestartable"]] == [("Rollout", "argo_rollout")]
    assert "restart api" in result["unrestartable"][0]["remedy"]
