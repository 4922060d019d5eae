# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binary, environment and arguments of an istiod pod in the lab."""

from __future__ import annotations

from typing import Any

import pytest

from lab import faults, podspec
from lab.errors import LabError
from lab.faults import Fault

Json = dict[str, Any]
NOW = "2026-01-01T00:00:00Z"


def pod(**container: Any) -> Json:
    labels = {"app": "istiod", "istio.io/rev": "1-31-0"}
    metadata = {"name": "istiod-1-31-0-5d8f-abcde", "namespace": "istio-system", "labels": labels}
    body = {"name": "discovery", "image": "lab.invalid/istio/pilot:1.31.0", **container}
    return {"metadata": metadata, "spec": {"serviceAccountName": "istiod-1-31-0", "containers": [body]}}


def service(name: str, selector: Json | None, port: int, target: Any, cluster_ip: str = "127.101.0.9") -> Json:
    ports = [{"port": port, "targetPort": target}]
    spec = {"selector": selector, "clusterIP": cluster_ip, "ports": ports}
    return {"metadata": {"name": name, "namespace": "istio-system"}, "spec": spec}


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("hub/pilot:1.31.0", "1.31.0"),
        ("host:5000/pilot:1.30.3-distroless", "1.30.3"),
        ("hub/pilot:1.30.3-solo-fips@sha256:0a1b", "1.30.3"),
        ("hub/pilot:9.9.9", "9.9.9"),
        ("hub/pilot:latest", "latest"),
    ],
)
def test_version(image: str, version: str) -> None:
    assert podspec.version(pod(image=image)) == version


@pytest.mark.parametrize("image", ["hub/pilot@sha256:0a1b", "hub/pilot:asm-1-30", "host:5000/pilot"])
def test_an_annotation_decides_the_version_of_an_image_that_names_none(image: str) -> None:
    found = pod(image=image)
    found["metadata"]["annotations"] = {podspec.VERSION_ANNOTATION: "1.30.3"}
    assert podspec.version(found) == "1.30.3"


def test_environment() -> None:
    env = [
        {"name": "PLAIN", "value": "1"},
        {"name": "EMPTY"},
        {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "ACCOUNT", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
        {"name": "REV", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['istio.io/rev']"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}},
    ]
    assert podspec.environment(pod(env=env)) == {
        "PLAIN": "1",
        "EMPTY": "",
        "SPACE": "istio-system",
        "ACCOUNT": "istiod-1-31-0",
        "REV": "1-31-0",
    }


def test_arguments_end_with_the_address() -> None:
    found = podspec.arguments(pod(args=["discovery", "--monitoringAddr=:15014"]), "/k", "127.201.0.1")
    assert found[:3] == ["discovery", "--monitoringAddr=:15014", "--kubeconfig=/k"]
    assert "--monitoringAddr=127.201.0.1:15014" in found[3:]


def test_routes() -> None:
    services = [
        service("istiod", {"app": "istiod"}, 443, 15017),
        service("other", {"app": "other"}, 80, 8080),
        service("headless", {"app": "istiod"}, 443, 15017, "None"),
        service("by-name", {"app": "istiod"}, 15014, "http-monitoring", "127.101.0.8"),
        service("without-selector", None, 80, 80),
    ]
    found = podspec.routes(services, [(pod(), "127.201.0.1"), (pod(), "127.201.0.2")])
    assert found == {("127.101.0.9", 443): (("127.201.0.1", 15017), ("127.201.0.2", 15017))}
    assert podspec.routes(services, []) == {}


def test_status_of_an_image_that_is_not_there() -> None:
    state = {"waiting": {"reason": "ImagePullBackOff"}}
    status = podspec.status(pod(), NOW, pod_ip="198.19.0.1", ready=False, state=state, restarts=0)
    assert status["phase"] == "Pending"
    assert not podspec.is_ready({"status": status})


def test_status_of_a_ready_pod() -> None:
    state = {"running": {"startedAt": NOW}}
    status = podspec.status(pod(), NOW, pod_ip="198.19.0.1", ready=True, state=state, restarts=1)
    assert status["phase"] == "Running"
    assert podspec.is_ready({"status": status})


@pytest.mark.parametrize(("text", "expected"), [("500ms", 0.5), ("5s", 5), ("2m", 120), (3, 3), ("1.5", 1.5)])
def test_durations(text: str | float, expected: float) -> None:
    assert faults.seconds(text) == expected


def test_wrong_durations_and_kinds() -> None:
    with pytest.raises(LabError, match="is not a duration"):
        faults.seconds("soon")
    with pytest.raises(LabError, match="is not a fault"):
        Fault.of("sleepy")


def test_fault_by_revision_deployment_or_annotation() -> None:
    fault = Fault.of("never-ready")
    assert faults.of_pod(pod(), {"1-31-0": fault}) == fault
    assert faults.of_pod(pod(), {"istiod-1-31-0": fault}) == fault
    assert faults.of_pod(pod(), {"1-30-3": fault}) is None
    noted = pod()
    noted["metadata"]["annotations"] = {"lab.meshops.dev/fault": "slow-start", "lab.meshops.dev/delay": "1s"}
    assert faults.of_pod(noted, {}) == Fault("slow-start", 1.0)
