# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restarts whose labels or tags another client sets back, and namespaces that fail alone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.namespace_revision import CORE as MOVE
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.locking import CANARY, task

GIT = "argocd-controller"
WRITER = f"{GIT} (Argo CD)"
SHOP, OTHER = (f"/apis/apps/v1/namespaces/{name}/deployments/web" for name in ("shop", "other"))


@pytest.fixture
def api(quick: None) -> Iterator[FakeApi]:
    """Namespaces shop and other on the old revision, with one Deployment each."""
    spaces = b.namespaces(shop=b.OLD, other=b.OLD)
    workloads = [*b.deployed(revision=b.OLD), *b.deployed(in_namespace="other", revision=b.OLD)]
    with FakeApi(*b.two_planes(), *spaces, *workloads) as found:
        yield found


def move(api: FakeApi) -> None:
    """Both namespaces are moved by this run."""
    assert task(api, MOVE, namespaces=["shop", "other"], revision=b.NEW, controller=os.getpid(), run=CANARY)[
        "moved"
    ] == ["shop", "other"]


def set_back(api: FakeApi, *, keep: bool = False) -> None:
    """Git writes the old labels of namespace shop; with ``keep`` beside the new one, which loses against it."""
    meta = api.get("Namespace", "shop")["metadata"]
    meta["labels"] = {INJECTION: "disabled", **({REV: b.NEW} if keep else {})}
    fields = {"f:metadata": {"f:labels": {f"f:{INJECTION}": {}}}}
    meta["managedFields"] = [{"manager": GIT, "operation": "Apply", "time": "2030-01-01T00:00:00Z", "fieldsV1": fields}]


def both(api: FakeApi, **options: object) -> b.Json:
    """The result of a restart of both namespaces as the role asks for it."""
    given = {
        "namespaces": ["shop", "other"],
        "run": CANARY,
        "batch_timeout": 1,
        "budget_timeout": 0,
        "restore_labels": True,
        **options,
    }
    return task(api, CORE, controller=os.getpid(), **given)


def patched(api: FakeApi) -> list[str]:
    """The workloads that were patched."""
    return [seen.path for seen in api.writes() if "/deployments/" in seen.path]


@pytest.mark.parametrize("keep", [True, False], ids=["beside the new label", "instead of it"])
def test_nothing_is_restarted_where_a_label_was_set_back_before(api: FakeApi, keep: bool) -> None:
    move(api)
    set_back(api, keep=keep)
    result = both(api)
    assert result["failure"]["caused_by"] == "namespaces"
    reason = result["failure"]["failed_namespaces"]["shop"]
    assert f"moved it to {REV}=1-31-0, and {WRITER} has set it back: now it has {INJECTION}=disabled" in reason
    assert patched(api) == [OTHER]


def test_a_label_that_is_set_back_between_batches_stops_its_namespace(api: FakeApi) -> None:
    move(api)

    def on_patch(obj: b.Json) -> None:
        api.roll_out(obj)
        set_back(api)

    api.on_patch = on_patch
    result = both(api, batch_size=1)
    assert (list(result["failure"]["failed_namespaces"]), patched(api)) == (["shop"], [OTHER])


@pytest.mark.parametrize("before", [True, False], ids=["while it rolls out", "after its gates"])
def test_a_label_that_is_set_back_meanwhile_fails_only_its_namespace(api: FakeApi, before: bool) -> None:
    """Pods that came up with the old proxy do not fail the revision, so nothing is rolled back."""
    move(api)

    def on_patch(obj: b.Json) -> None:
        if obj["metadata"]["namespace"] == "shop" and before:
            set_back(api)
        api.roll_out(obj)
        if obj["metadata"]["namespace"] == "shop":
            set_back(api)

    api.on_patch = on_patch
    result = both(api)
    assert (result["failure"]["caused_by"], list(result["failure"]["failed_namespaces"])) == ("namespaces", ["shop"])
    assert sorted(patched(api)) == [OTHER, SHOP]


def test_a_namespace_without_a_proof_gets_its_labels_back_and_the_others_go_on(api: FakeApi) -> None:
    move(api)
    refusal = failure(422, "admission policy: pods need limits")
    api.script("POST", "/api/v1/namespaces/shop/pods", refusal)
    result = both(api)
    reason = result["failure"]["failed_namespaces"]["shop"]
    assert "pods need limits" in reason
    assert reason.endswith("its labels are as before")
    assert api.get("Namespace", "shop")["metadata"]["labels"] == {REV: b.OLD}
    assert patched(api) == [OTHER]


def test_if_nothing_can_be_restarted_all_labels_are_as_before(api: FakeApi) -> None:
    move(api)
    api.get("Deployment", f"istiod-{b.NEW}")["status"]["readyReplicas"] = 0
    result = both(api)
    assert "its labels are as before" in result["msg"]
    assert {api.get("Namespace", name)["metadata"]["labels"][REV] for name in ("shop", "other")} == {b.OLD}
    assert patched(api) == []


def test_a_later_run_may_restart_what_was_set_back(api: FakeApi) -> None:
    """A user may have set it back on purpose; only the run that moved a namespace must not follow."""
    move(api)
    api.get("Namespace", "shop")["metadata"]["labels"] = {REV: b.OLD}
    assert both(api, run={**CANARY, "version": "1.32.0"}).get("failed") is None
