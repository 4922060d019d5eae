# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A system namespace with a label of Istio is left out and named; no wave and no upgrade is incomplete by it."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_rows import describe_namespaces
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.data_plane_plan import plan_data_plane
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.finalize_plan import plan_finalize
from ansible_collections.meshops.istio.plugins.module_utils.domain.standing.leftovers import left_namespaces
from unit.support import builders as b
from unit.support.checking import UPGRADE, of

LABELS = [{REV: b.OLD}, {INJECTION: "enabled"}]
SYSTEM = ["kube-system", "kube-public", "kube-node-lease"]
LINE = "is not moved: Istio never injects into a system namespace."


def mesh(name: str, labels: dict[str, str], shop: str = b.OLD) -> b.Json:
    """The result of istio_info with one labelled system namespace beside namespace shop."""
    others = [obj for obj in b.namespaces(shop=shop) if obj["metadata"]["name"] != name]
    snapshot = b.snapshot_of([*b.two_planes(), *others, b.namespace(name, labels)])
    rows = [{**row} for row in describe_namespaces(snapshot)]
    planes = [{"revision": b.OLD, "version": b.OLD_VERSION}, {"revision": b.NEW, "version": b.NEW_VERSION}]
    tags: b.Json = {"tags": snapshot.mesh.tags, "operator_tags": {}, "control_planes": planes}
    return {"namespaces": rows, "cluster": {"name": "c"}, "default": {"revision": b.OLD}, **tags}


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("name", SYSTEM)
@pytest.mark.parametrize("limits", [{}, {"waves": [["kube-*", "shop"]]}])
def test_the_wave_moves_without_it(name: str, labels: dict[str, str], limits: t.Any) -> None:
    plan = plan_data_plane(mesh(name, labels), b.NEW, b.OLD, limits)
    assert (plan["waves"], plan["gateway_waves"]) == ([["shop"]], [])
    assert plan["lines"][0] == f"Namespace {name} {LINE}"


@pytest.mark.parametrize("labels", LABELS)
def test_an_upgrade_is_complete_without_it(labels: dict[str, str]) -> None:
    result = mesh("kube-system", labels, shop=b.NEW)
    assert left_namespaces(result["namespaces"], result["control_planes"], b.NEW_VERSION) == []
    others = [obj for obj in b.namespaces(shop=b.NEW) if obj["metadata"]["name"] != "kube-system"]
    objects = [*b.two_planes(), *others, b.namespace("kube-system", labels)]
    assert of("MU135", objects, dataclasses.replace(UPGRADE, stage=AFTER)) == []


def test_the_default_moves_although_limits_exclude_it() -> None:
    result = mesh("kube-system", {INJECTION: "enabled"}, shop=b.NEW)
    assert plan_finalize(result, b.NEW, moves_default=True, limits={"exclude": ["kube-*"]})["refused"] == ""
