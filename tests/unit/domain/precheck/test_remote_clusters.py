# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster whose control plane runs elsewhere, as Istio's charts render it, is a mesh that can be moved (F13)."""

from __future__ import annotations

import json

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, BEFORE, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import istio_info, istio_precheck
from unit.paths import ROOT
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

FIXTURE = ROOT / "tests" / "unit" / "fixtures" / "remote-clusters.jsonl"


def cases() -> dict[str, list[b.Json]]:
    """Case -> the objects that Istio's charts render, with the certificate that the other istiod writes."""
    found: dict[str, list[b.Json]] = {}
    for line in FIXTURE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for hook in row["object"].get("webhooks") or ():
            hook["clientConfig"]["caBundle"] = "Q0E="
        found.setdefault(row["case"], []).append(row["object"])
    return found


CASES = cases()


def remote(case: str) -> tuple[str, list[b.Json]]:
    """The revision of a case, and its cluster with a workload that it injects."""
    objects = CASES[case]
    revision = next(obj for obj in objects if "webhooks" in obj)["metadata"]["labels"]["istio.io/rev"]
    label = {INJECTION: "enabled"} if revision == "default" else {"istio.io/rev": revision}
    workload = b.deployed(revision=revision, image=b.proxy("1.31.0"))
    return revision, [*objects, *b.namespaces(), b.namespace("shop", label), *workload]


@pytest.mark.parametrize("stage", [BEFORE, AFTER])
@pytest.mark.parametrize("case", CASES)
def test_the_checks_find_only_that_the_control_plane_is_elsewhere(case: str, stage: str) -> None:
    revision, objects = remote(case)
    upgrade = Upgrade("canary", Version(1, 31, 0), revision, revision, stage)
    rows = run_checks(b.snapshot_of(objects, proxies=()), upgrade)
    assert {row.object for row in rows} <= {f"revision {revision}"}
    assert {row.code for row in rows} == ({"MU006", "MU062"} if stage == BEFORE else set())


@pytest.mark.parametrize("case", CASES)
def test_the_mesh_is_read_by_the_names_of_its_services(case: str) -> None:
    revision, objects = remote(case)
    mesh = b.mesh_of(objects)
    assert mesh.is_remote(revision)
    assert mesh.runs(revision)
    assert mesh.orphans() == []
    snapshot = b.snapshot_of(objects)
    assert [status.condition.value for dummy, status in snapshot.proxy_statuses] == ["current"]


@pytest.mark.parametrize("case", ["address", "host"])
def test_a_service_that_is_gone_is_still_an_orphan(case: str) -> None:
    dummy, objects = remote(case)
    assert b.mesh_of([obj for obj in objects if obj["kind"] != "Service"]).orphans()


@pytest.mark.parametrize("case", CASES)
def test_the_modules_read_it_through_the_api(case: str) -> None:
    revision, objects = remote(case)
    served = [obj for obj in objects if obj["kind"] != "EndpointSlice"]
    with FakeApi(*served) as api:
        info = task(api, istio_info.CORE)
        result = task(api, istio_precheck.CORE, version="1.31.0", revision=revision, source_revision=revision)
        assert api.seen
    assert [row["revision"] for row in info["control_planes"]] == [revision]
    assert "MU062" in {row["code"] for row in result["findings"]}
    assert not {"MU003", "MU011", "MU012", "MU014", "MU019", "MU047"} & {row["code"] for row in result["findings"]}
