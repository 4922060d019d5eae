# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolver agrees with every recorded answer of a real API server and a real istiod."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    InjectionReason,
    PodShape,
    expected_image,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import read_mesh
from unit.paths import FIXTURES

MATRIX: dict[str, Any] = json.loads((FIXTURES / "injection-matrix.json").read_text(encoding="utf-8"))
KINDS = ("mutating", "validating", "deployments", "services", "config_maps")
INJECTED = {"two-revisions": 203, "nonrevisioned": 125, "nonrevisioned+revision+prod": 184}
Outcome = tuple[str | None, str | None]


def recorded_mesh(name: str) -> Mesh:
    lines = (FIXTURES / f"mesh-{name}.jsonl").read_text(encoding="utf-8").splitlines()
    objects = [json.loads(line) for line in lines]
    lists: dict[str, Any] = {kind: [obj for obj in objects if obj["kind"] == kind] for kind in KINDS}
    return read_mesh("istio-system", load=load_yaml, **lists)


def rows(mesh: str) -> Iterator[tuple[dict[str, str], PodShape, Outcome]]:
    """Namespace labels, pod, and what became of it."""
    for namespace, answers in zip(MATRIX["namespaces"], MATRIX["meshes"][mesh], strict=True):
        for pod, answer in zip(MATRIX["pods"], answers, strict=True):
            revision, image = MATRIX["outcomes"][answer]
            yield namespace, PodShape(pod["labels"], pod["annotations"]), (revision, image)


def resolved(mesh: Mesh, namespace: dict[str, str], pod: PodShape) -> Outcome:
    injection = resolve(mesh, "app", namespace, pod)
    assert not injection.rejected
    if injection.revision is None:
        return None, None
    config = mesh.revisions[injection.revision].config
    assert config is not None
    return injection.revision, expected_image(config, pod.annotations).rpartition("/")[2]


def test_the_recording_is_whole() -> None:
    found = {mesh: list(rows(mesh)) for mesh in MATRIX["meshes"]}
    assert sum(map(len, found.values())) == 1452
    injected = {
        mesh: Counter(revision is not None for *dummy, (revision, dummy2) in some) for mesh, some in found.items()
    }
    assert {mesh: counts[True] for mesh, counts in injected.items()} == INJECTED


@pytest.mark.parametrize("name", INJECTED)
def test_the_resolver_agrees_with_every_recorded_answer(name: str) -> None:
    mesh = recorded_mesh(name)
    wrong = [
        f"namespace {namespace}, pod {pod}: resolver {ours}, API server {real}"
        for namespace, pod, real in rows(name)
        if (ours := resolved(mesh, namespace, pod)) != real
    ]
    assert not wrong, f"{len(wrong)} disagreements:\n" + "\n".join(wrong[:20])


@pytest.mark.parametrize("name", INJECTED)
def test_the_reason_is_never_empty(name: str) -> None:
    mesh = recorded_mesh(name)
    injections = [resolve(mesh, "app", namespace, pod) for namespace, pod, dummy in rows(name)]
    assert all(injection.reason for injection in injections)
    assert all(
        (injection.code is InjectionReason.SELECTED) == (injection.revision is not None) for injection in injections
    )
    assert all((injection.code is InjectionReason.REJECTED) == bool(injection.rejected) for injection in injections)
