# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that are sent as dry runs: every recorded combination, and randomly drawn ones."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
Labels = Mapping[str, str]

MATRIX = Path(__file__).resolve().parents[2] / "unit" / "fixtures" / "injection-matrix.json"
INJECT = "sidecar.istio.io/inject"
INJECTION = "istio-injection"
REV = "istio.io/rev"
NATIVE = "sidecar.istio.io/nativeSidecar"
PROXY_IMAGE = "sidecar.istio.io/proxyImage"
PROXY_IMAGE_TYPE = "sidecar.istio.io/proxyImageType"
TEMPLATES = "inject.istio.io/templates"

NAMES = ("1-30-3", "1-31-0", "1-31-1", "1-31-1", "prod", "default", "missing", "Prod", "")
WISHES = ("true", "false", "True", "FALSE", "no", "yes", "1", "enabled", "")
NAMESPACE_CHOICES: dict[str, Sequence[str]] = {
    INJECTION: ("enabled", "enabled", "disabled", "Enabled", "true", "false", ""),
    REV: NAMES,
    INJECT: ("true", "false"),  # a frequent mistake: means nothing on a namespace
    "istio.io/dataplane-mode": ("ambient", "none"),
    "team": ("a",),
}
LABEL_CHOICES: dict[str, Sequence[str]] = {
    INJECT: WISHES,
    REV: NAMES,
    INJECTION: ("enabled", "disabled"),  # means nothing on a pod
    "istio.io/dataplane-mode": ("ambient", "none"),
    "opt": ("never", "always"),  # what the step with an injector's own selectors looks at
}
ANNOTATION_CHOICES: dict[str, Sequence[str]] = {
    INJECT: WISHES,
    REV: ("1-31-0", "missing"),
    NATIVE: ("true", "false"),
    PROXY_IMAGE: ("registry.example/own/proxyv2:7", "registry.example/own/proxyv2:7-distroless"),
    PROXY_IMAGE_TYPE: ("debug", "distroless", "default"),
}


@dataclass(frozen=True)
class Case:
    """One pod that is created in one namespace."""

    namespace: str
    labels: Labels = field(default_factory=dict)
    annotations: Labels = field(default_factory=dict)
    host_network: bool = False
    gateway: bool = False

    def body(self) -> Json:
        """The pod; a gateway brings a container istio-proxy whose image the injection fills in."""
        container = {"name": "istio-proxy", "image": "auto"} if self.gateway else {"name": "app", "image": "app"}
        notes = {**self.annotations, **({TEMPLATES: "gateway"} if self.gateway else {})}
        metadata = {"generateName": "asked-", "labels": dict(self.labels), "annotations": notes}
        spec = {"containers": [container], "hostNetwork": self.host_network}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@dataclass(frozen=True)
class Matrix:
    """The recorded answers: 22 namespaces by 22 pods, on three meshes."""

    namespaces: tuple[Labels, ...]
    pods: tuple[tuple[Labels, Labels], ...]
    answers: Mapping[str, tuple[tuple[tuple[str | None, str | None], ...], ...]]

    def cases(self) -> list[Case]:
        """Every combination, in the order of `recorded`."""
        return [Case(namespace_name(i), *pod) for i, dummy in enumerate(self.namespaces) for pod in self.pods]

    def recorded(self, mesh: str) -> list[tuple[str | None, str | None]]:
        """(revision, last part of the image) of every combination."""
        return [answer for row in self.answers[mesh] for answer in row]


def namespace_name(index: int) -> str:
    return f"labels-{index:02}"


def matrix() -> Matrix:
    """Read the recorded answers."""
    raw = json.loads(MATRIX.read_text(encoding="utf-8"))
    outcomes = {code: (revision, image) for code, (revision, image) in raw["outcomes"].items()}
    return Matrix(
        tuple(raw["namespaces"]),
        tuple((pod["labels"], pod["annotations"]) for pod in raw["pods"]),
        {mesh: tuple(tuple(outcomes[code] for code in row) for row in rows) for mesh, rows in raw["meshes"].items()},
    )


def drawn(choices: Mapping[str, Sequence[str]], draw: random.Random, share: float) -> dict[str, str]:
    """Some of the keys, each with one of its values."""
    return {key: draw.choice(values) for key, values in choices.items() if draw.random() < share}


def drawn_namespaces(draw: random.Random, count: int) -> dict[str, dict[str, str]]:
    """Namespaces with labels drawn at random; a third has none that count."""
    return {f"drawn-{i:02}": drawn(NAMESPACE_CHOICES, draw, 0.4) if draw.random() < 0.67 else {} for i in range(count)}


def drawn_cases(draw: random.Random, namespaces: Sequence[str], count: int) -> Iterator[Case]:
    """Pods drawn at random, each in one of these namespaces."""
    for dummy in range(count):
        yield Case(
            draw.choice(namespaces),
            drawn(LABEL_CHOICES, draw, 0.3),
            drawn(ANNOTATION_CHOICES, draw, 0.2),
            host_network=draw.random() < 0.1,
            gateway=draw.random() < 0.15,
        )
