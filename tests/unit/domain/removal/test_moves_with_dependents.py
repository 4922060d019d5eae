# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dependents of a revision that namespaces, tags and workloads move away from: refused, or a warning."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import (
    istio_precheck,
    istio_tag,
    namespace_revision,
    rollout_restart,
)
from unit.support import builders as b
from unit.support.dependents import EACH, Kind, forbid, put
from unit.support.fake_api import FakeApi
from unit.support.running import task


@EACH
def test_the_gate_before_a_move(api: FakeApi, kind: Kind) -> None:
    put(api, kind)
    options = {"stage": "before", "version": b.NEW_VERSION, "revision": b.NEW, "source_revision": b.OLD}
    rows = task(api, istio_precheck.CORE, **options)["findings"]
    found = {row["code"] for row in rows} & {"MU053", "MU072", "MU090"}
    assert found == ({kind.gate} if kind.gate else set())


def before_the_move(api: FakeApi, kind: Kind) -> None:
    """The same cluster before namespace orders and tag stable move."""
    put(api, kind)
    spaces = [b.namespace("orders", {REV: b.OLD}), b.namespace("choosing")]
    share = b.deployed("web", "choosing", pod_labels={REV: b.OLD})
    api.objects += json.loads(json.dumps([*spaces, *share, *b.revision_tag("stable", b.OLD)]))


def moved_namespace(api: FakeApi, dummy: Path, **options: t.Any) -> b.Json:
    return task(api, namespace_revision.CORE, namespaces=["orders"], revision=b.NEW, **options)


def moved_tag(api: FakeApi, folder: Path, **options: t.Any) -> b.Json:
    api.get("Namespace", "orders")["metadata"]["labels"] = {REV: "stable"}
    for version in (b.OLD_VERSION, b.NEW_VERSION):
        api.istioctl(folder, version)

    def does(dummy: list[str]) -> tuple[int, str, str]:
        own = [obj for obj in api.objects if obj["metadata"].get("labels", {}).get("istio.io/tag") != "stable"]
        api.objects = [*own, *b.revision_tag("stable", b.NEW)]
        return 0, "", ""

    api.istioctl_does = does
    given = {"name": "stable", "revision": b.NEW, "istioctl": str(folder / "istioctl-{version}")}
    return task(api, istio_tag.CORE, **given, **options)


def moved_share(api: FakeApi, dummy: Path, **options: t.Any) -> b.Json:
    for obj in api.objects:
        if obj["metadata"].get("namespace") == "orders":
            obj["metadata"]["namespace"] = "choosing"
    given: b.Json = {"namespaces": ["choosing"], "percent": 100, "revision": b.NEW}
    return task(api, rollout_restart.CORE, **given, **options)


MOVES = {"namespace": moved_namespace, "tag": moved_tag, "share": moved_share}


@EACH
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_move_is_refused_only_if_configuration_would_stop_applying(
    api: FakeApi, tmp_path: Path, kind: Kind, move: Callable[..., b.Json]
) -> None:
    before_the_move(api, kind)
    planned = move(api, tmp_path, check_mode=True)
    result = move(api, tmp_path)
    assert bool(result.get("failed")) is bool(planned.get("failed")) is kind.refused, result
    if kind.refused:
        assert result["failure"]["kind"] == "SafetyError"
        assert len(result["failure"]["configuration"]) == 1
        assert "would silently stop applying to workloads that move to 1-31-0" in result["msg"]
        assert not api.writes()
        allowed = move(api, tmp_path, allow=["MU053"])
        assert allowed["changed"], allowed
        assert "would silently stop applying" in " ".join(allowed["warnings"])


def test_restoring_is_never_refused(api: FakeApi) -> None:
    before_the_move(api, Kind("", "", (b.configuration("AuthorizationPolicy", "new", "orders", b.NEW),)))
    assert moved_namespace(api, Path())["changed"]
    back = task(api, namespace_revision.CORE, namespaces=["orders"], state="restored")
    assert back["changed"]
    assert (
        "AuthorizationPolicy orders/new would silently stop applying to workloads that move to 1-30-3"
        in back["warnings"][0]
    )


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_move_warns_of_configuration_that_was_not_read(
    api: FakeApi, tmp_path: Path, move: Callable[..., b.Json]
) -> None:
    before_the_move(api, Kind("", "", of_api=forbid))
    result = move(api, tmp_path, check_mode=True)
    assert result["changed"]
    assert result["warnings"][0].startswith("Not checked whether configuration stops applying by this move (finding")


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_move_is_refused_by_the_kinds_that_were_read(
    api: FakeApi, tmp_path: Path, move: Callable[..., b.Json]
) -> None:
    before_the_move(api, Kind("", "", (b.configuration("WorkloadGroup", "legacy", "orders"),), of_api=forbid))
    result = move(api, tmp_path, check_mode=True)
    assert result["failure"]["kind"] == "SafetyError"
    [lost] = result["failure"]["configuration"]
    assert lost.startswith("WorkloadGroup ")
    allowed = move(api, tmp_path, check_mode=True, allow=["MU053"])
    assert ["would silently stop applying" in text or "Not checked" in text for text in allowed["warnings"][:2]] == [
        True
    ] * 2
