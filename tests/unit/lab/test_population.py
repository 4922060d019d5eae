# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The population matches the story of the demo."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lab import population

Json = dict[str, Any]
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod")


def labels_of(name: str, revision: str = "1-30-3") -> dict[str, str]:
    found = population.objects(revision)
    return next(
        item["metadata"]["labels"] for item in found if (item["kind"], item["metadata"]["name"]) == ("Namespace", name)
    )


def workloads() -> list[Json]:
    return [item for item in population.objects() if item["kind"] in WORKLOADS]


def test_ten_namespaces_come_first() -> None:
    found = population.objects()
    assert [item["metadata"]["name"] for item in found[:10]] == list(population.NAMESPACES)
    assert [item["kind"] for item in found].count("Namespace") == 10


def test_every_namespace_has_a_workload() -> None:
    assert {item["metadata"]["namespace"] for item in workloads()} == set(population.NAMESPACES)


def test_all_kinds_are_there() -> None:
    kinds = Counter(item["kind"] for item in population.objects())
    assert kinds["PodDisruptionBudget"] == 1
    assert all(kinds[kind] for kind in WORKLOADS)


def test_names_are_unique() -> None:
    keys = [
        (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]) for item in population.objects()
    ]
    assert len(keys) == len(set(keys))


def test_how_namespaces_take_part() -> None:
    assert labels_of("shop", "1-31-0") == {"istio.io/rev": "1-31-0"}
    assert labels_of("catalog") == {"istio-injection": "enabled"}
    assert labels_of("reports") == {"istio.io/rev": "prod"}
    assert labels_of("legacy") == {}


def test_selectors_fit_templates() -> None:
    for item in workloads():
        spec = item["spec"]
        if "selector" in spec:
            assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_gateway_waits_for_its_image() -> None:
    gateway = next(item for item in workloads() if item["metadata"]["name"] == "ingressgateway")
    template = gateway["spec"]["template"]
    assert template["spec"]["containers"] == [{"name": "istio-proxy", "image": "auto"}]
    assert template["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
    assert template["metadata"]["annotations"] == {"inject.istio.io/templates": "gateway"}


def test_slow_pods_on_demand() -> None:
    slow = [
        item["metadata"]["name"]
        for item in population.objects(pod_start="2s")
        if "slow-start" in str(item.get("spec", {}).get("template", {}).get("metadata"))
    ]
    assert "web" in slow
    assert "reindex" not in slow
