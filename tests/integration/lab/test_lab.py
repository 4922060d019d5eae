# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab does what the tests of the collection rely on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from kubernetes import client, config
from kubernetes.stream import portforward

from integration import objects
from lab import ApiError, Cluster, Lab, LabError

from .conftest import NAMESPACE, REVISION, VERSION

Json = dict[str, Any]
pytestmark = pytest.mark.lab


def until(check: Callable[[], bool]) -> None:
    objects.until(check, "it did not happen in time")


def deployment(name: str, **annotations: str) -> Json:
    labels = {"app": name}
    template = {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": {"containers": [{"name": "app", "image": "registry.example/app:1"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def istiods(cluster: Cluster, revision: str) -> list[Json]:
    pods = cluster.pods("istio-system")
    return [one for one in pods if one["metadata"]["labels"].get("istio.io/rev") == revision]


def waiting_reason(one: Json) -> str:
    statuses = one.get("status", {}).get("containerStatuses", [])
    return str(statuses[0]["state"].get("waiting", {}).get("reason", "")) if statuses else ""


def ready(one: Json) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in one.get("status", {}).get("conditions", []))


def test_two_clusters_are_two(lab: Lab) -> None:
    first, second = lab.clusters
    assert first.uid != second.uid
    assert [len(cluster.node_names()) for cluster in lab.clusters] == [3, 3]
    written = yaml.safe_load(lab.kubeconfig.read_text(encoding="utf-8"))
    assert [context["name"] for context in written["contexts"]] == [first.context, second.context]
    assert "current-context" not in written
    with pytest.raises(LabError, match="already running"):
        Lab.start(lab.name, 1)


def test_injection_is_real(injected: Callable[..., Json]) -> None:
    answer = injected()
    assert [one["name"] for one in answer["spec"]["initContainers"]] == ["istio-init", "istio-proxy"]
    assert answer["spec"]["initContainers"][1]["image"].endswith("/proxyv2:1.30.3")
    assert answer["metadata"]["annotations"]["istio.io/rev"] == REVISION


@pytest.mark.parametrize("version", ["1.30.3", "1.31.0"])
def test_both_istioctl_reach_istiod(mesh: Cluster, version: str) -> None:
    answer = json.loads(mesh.istioctl(version, "version", "-o", "json").stdout)
    assert answer["clientVersion"]["version"] == version
    assert [one["Info"]["version"] for one in answer["meshVersion"]] == ["1.30.3"]


def test_port_forward_from_python(mesh: Cluster) -> None:
    api = client.CoreV1Api(config.new_client_from_config(str(mesh.kubeconfig), mesh.context))
    name = istiods(mesh, REVISION)[0]["metadata"]["name"]
    forward = portforward(api.connect_get_namespaced_pod_portforward, name, "istio-system", ports="15014")
    stream = forward.socket(15014)
    stream.settimeout(60)
    stream.sendall(b"GET /version HTTP/1.1\r\nHost: istiod\r\n\r\n")
    answer = b""
    while b"1.30.3" not in answer:
        part = stream.recv(4096)
        assert part, answer
        answer += part


def test_proxies_are_connected_to_their_istiod(mesh: Cluster) -> None:
    mesh.apply([deployment("talks")])
    mesh.wait_ready([NAMESPACE])
    name = next(one["metadata"]["name"] for one in mesh.pods(NAMESPACE) if one["metadata"]["name"].startswith("talks-"))

    def said() -> str:
        table = mesh.istioctl(VERSION, "proxy-status", "--revision", REVISION, "-v", "1").stdout.splitlines()
        return next((line for line in table if line.startswith(f"{name}.{NAMESPACE} ")), "")

    try:
        until(lambda: said().count("SYNCED") == 2 and said().endswith(f" {VERSION}"))
        mesh.proxy_fault(NAMESPACE, name, "reject")
        until(lambda: "ERROR" in said())
        mesh.proxy_fault(NAMESPACE, name, None)
        until(lambda: said().count("SYNCED") == 2)
        mesh.proxy_fault(NAMESPACE, name, "disconnect")
        until(lambda: said() == "")
    finally:
        mesh.delete(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/talks")


def test_an_istiod_with_proxies_ends_at_once(mesh: Cluster) -> None:
    [before] = istiods(mesh, REVISION)
    started = time.monotonic()
    mesh.delete(mesh.path(before | {"kind": "Pod", "apiVersion": "v1"}))

    def replaced() -> bool:
        found = istiods(mesh, REVISION)
        return [ready(one) for one in found] == [True] and found[0]["metadata"]["uid"] != before["metadata"]["uid"]

    # until then requests may meet the end of the old one, which does not wait for its webhook
    until(replaced)
    assert time.monotonic() - started < 9, "it waited for its connections"


def test_old_kubelet_turns_native_sidecars_off(mesh: Cluster, injected: Callable[..., Json]) -> None:
    def is_native() -> bool:
        return "istio-proxy" not in [one["name"] for one in injected()["spec"]["containers"]]

    mesh.set_kubelet_version("v1.32.9")
    until(lambda: not is_native())
    mesh.set_kubelet_version()
    until(is_native)


def test_fault_of_pods_with_one_proxy_version(mesh: Cluster) -> None:
    fault, only = "lab.meshops.dev/fault", "lab.meshops.dev/fault-proxy"
    other = deployment("other", **{fault: "never-ready", only: "1.31.0"})
    same = deployment("same", **{fault: "never-ready", only: "1.30.3"})
    crash = deployment("crash", **{fault: "crash-loop"})
    slow = deployment("slow", **{fault: "slow-start", "lab.meshops.dev/delay": "2s"})
    started = time.monotonic()
    mesh.apply([other, same, crash, slow])

    def state(name: str) -> tuple[bool, str]:
        found = [one for one in mesh.pods(NAMESPACE) if one["metadata"]["labels"]["app"] == name]
        return (ready(found[0]), waiting_reason(found[0])) if found else (False, "")

    def phase(name: str) -> str:
        found = [one for one in mesh.pods(NAMESPACE) if one["metadata"]["labels"]["app"] == name]
        return str(found[0].get("status", {}).get("phase")) if found else ""

    until(lambda: state("slow")[0])
    assert time.monotonic() - started > 2
    until(lambda: state("other") == (True, ""))
    until(lambda: state("crash") == (False, "CrashLoopBackOff"))
    until(lambda: phase("same") == "Running")
    assert state("same") == (False, "")
    for item in (other, same, crash, slow):
        mesh.delete(mesh.path(item))


def test_wrong_tag_cannot_be_pulled(mesh: Cluster, injected: Callable[..., Json]) -> None:
    result = mesh.install_istio("1.31.0", "1-31-0", tag="9.9.9", timeout="6s", check=False)
    assert result.returncode != 0
    assert "ImagePullBackOff" in result.stderr
    assert [waiting_reason(one) for one in istiods(mesh, "1-31-0")] == ["ImagePullBackOff"]
    with pytest.raises(ApiError, match="connection refused"):
        injected("default", labels={"istio.io/rev": "1-31-0"})
    assert ready(istiods(mesh, REVISION)[0])
    mesh.istioctl("1.31.0", "uninstall", "-y", "--revision", "1-31-0")


def test_audit_log_tells_writes_from_dry_runs(mesh: Cluster, injected: Callable[..., Json]) -> None:
    mark = mesh.audit_mark()
    injected()
    mesh.request("POST", "/api/v1/namespaces/default/serviceaccounts/default/token", {"spec": {}})
    assert mesh.writes_since(mark) == []
    assert [event["verb"] for event in mesh.writes_since(mark, dry_run=True)] == ["create"]
    mesh.apply([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "written", "namespace": "default"}}])
    mesh.delete("/api/v1/namespaces/default/configmaps/written")
    writes = mesh.writes_since(mark)
    assert [(event["verb"], event["objectRef"]["name"]) for event in writes] == [
        ("patch", "written"),
        ("delete", "written"),
    ]
    assert {event["user"]["username"] for event in writes} == {"admin"}


def test_faults_of_istiod_and_reset(bare: Cluster) -> None:
    bare.fault("crash-loop", revision="1-31-0", delay="0s")
    result = bare.install_istio("1.31.0", "1-31-0", timeout="1s", check=False)
    assert result.returncode != 0
    until(lambda: [waiting_reason(one) for one in istiods(bare, "1-31-0")] == ["CrashLoopBackOff"])
    bare.fault("never-ready", revision="1-31-0")
    until(lambda: not any(waiting_reason(one) for one in istiods(bare, "1-31-0")))
    assert not ready(istiods(bare, "1-31-0")[0])
    bare.clear_fault(revision="1-31-0")
    until(lambda: ready(istiods(bare, "1-31-0")[0]))
    bare.install_istio("1.31.0", "1-31-0")

    bare.seed("1-31-0")
    bare.wait_ready()
    assert len({one["metadata"]["namespace"] for one in bare.pods()}) == 11
    bare.reset()
    assert bare.pods() == []
    assert len(bare.items("/api/v1/namespaces")) == 4
    assert bare.items("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations") == []
