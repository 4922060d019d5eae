# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure readings of audit events and workloads, kubeconfigs and the relay."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from lab import audit, cli, kubeconfig, workloads
from lab.errors import LabError
from lab.faults import Fault, clear, put, read
from lab.relay import Relay
from lab.resources import Resources

Json = dict[str, Any]


def event(verb: str, resource: str = "pods", subresource: str = "", query: str = "") -> Json:
    target = {"resource": resource} | ({"subresource": subresource} if subresource else {})
    uri = f"/api/v1/namespaces/a/{resource}{query}"
    return {"verb": verb, "stage": "ResponseComplete", "objectRef": target, "requestURI": uri}


@pytest.mark.parametrize("verb", ["create", "update", "patch", "delete", "deletecollection"])
def test_writes(verb: str) -> None:
    assert audit.is_write(event(verb))
    assert audit.is_write(event(verb, "pods", "eviction"))


@pytest.mark.parametrize(
    "other",
    [
        event("get"),
        event("create", "serviceaccounts", "token"),
        event("create", "pods", "portforward"),
        event("create", "selfsubjectaccessreviews"),
        event("create") | {"stage": "ResponseStarted"},
    ],
)
def test_no_writes(other: Json) -> None:
    assert not audit.is_write(other)


def test_dry_runs() -> None:
    assert audit.is_dry_run(event("patch", query="?fieldManager=x&dryRun=All"))
    assert not audit.is_dry_run(event("patch", query="?fieldManager=dryRun"))


def test_audit_log_from_a_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "SETTLE_SECONDS", 0)
    log = tmp_path / "audit.log"
    assert audit.since(log, audit.mark(log)) == []
    log.write_text('{"verb": "a"}\n', encoding="utf-8")
    position = audit.mark(log)
    log.write_text('{"verb": "a"}\n{"verb": "b"}\n', encoding="utf-8")
    assert audit.since(log, position) == [{"verb": "b"}]


def workload(spec: Json, **status: Any) -> Json:
    return {"metadata": {"generation": 2}, "spec": spec, "status": {"observedGeneration": 2, **status}}


def test_rolled_out_deployment() -> None:
    counts = {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2, "readyReplicas": 2}
    assert workloads.rolled_out("deployments", workload({"replicas": 2}, **counts))
    assert not workloads.rolled_out("deployments", workload({"replicas": 2}, **{**counts, "replicas": 3}))
    assert not workloads.rolled_out("deployments", workload({"replicas": 2}, **{**counts, "observedGeneration": 1}))


def test_rolled_out_stateful_and_daemon_sets() -> None:
    half = {"replicas": 2, "readyReplicas": 2, "updatedReplicas": 1, "currentRevision": "a", "updateRevision": "b"}
    assert not workloads.rolled_out("statefulsets", workload({"replicas": 2}, **half))
    assert workloads.rolled_out("statefulsets", workload({"replicas": 2}, **{**half, "updatedReplicas": 2}))
    daemons = {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberReady": 3, "numberAvailable": 3}
    assert workloads.rolled_out("daemonsets", workload({}, **daemons))
    assert not workloads.rolled_out("daemonsets", workload({}, **{**daemons, "updatedNumberScheduled": 2}))


def test_faults_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    assert read(path) == {}
    put(path, "1-31-0", Fault.of("slow-start", "1s"))
    put(path, "1-30-3", Fault.of("never-ready"))
    clear(path, "1-30-3")
    assert read(path) == {"1-31-0": Fault("slow-start", 1.0)}
    clear(path)
    assert read(path) == {}


def test_kubeconfig_has_no_current_context(tmp_path: Path) -> None:
    ca = tmp_path / "ca"
    ca.write_bytes(b"x")
    parts = [kubeconfig.context(name, f"https://{name}", ca, {"token": "t"}) for name in ("a", "b")]
    merged = kubeconfig.merge(parts)
    assert [one["name"] for one in merged["contexts"]] == ["a", "b"]
    assert "current-context" not in merged
    assert kubeconfig.write(tmp_path / "k", merged).stat().st_mode & 0o777 == 0o600


def test_paths_by_discovery() -> None:
    answers: Json = {
        "/api/v1": {"resources": [{"name": "pods", "kind": "Pod", "namespaced": True}]},
        "/apis/x/v1": {"resources": [{"name": "things", "kind": "Thing", "namespaced": False}]},
    }
    resources = Resources(lambda path: answers[path])
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}}
    assert resources.path(pod) == "/api/v1/namespaces/n/pods/p"
    assert resources.path({"apiVersion": "x/v1", "kind": "Thing", "metadata": {"name": "t"}}) == "/apis/x/v1/things/t"
    with pytest.raises(LabError, match="knows no kind Nothing"):
        resources.path({"apiVersion": "v1", "kind": "Nothing", "metadata": {"name": "n"}})


def echo(server: socket.socket) -> None:
    while True:
        connection, dummy = server.accept()
        with connection:
            while data := connection.recv(100):
                connection.sendall(data)


def test_relay() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=echo, args=(server,), daemon=True).start()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        front: tuple[str, int] = probe.getsockname()
    relay = Relay()
    assert relay.route("127.0.0.1", {front: (server.getsockname(),)}) == []
    with socket.create_connection(front, timeout=5) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    with socket.create_connection(front, timeout=5) as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        relay.route("127.0.0.1", {})
        assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(front, timeout=5)


def test_command_line_errors_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main(["kubeconfig", "--name", "nobody"]) == 1
    assert capsys.readouterr().err == "lab: No lab nobody is running; start it with: up 2 --name nobody\n"
    assert cli.main(["status"]) == 0
    assert capsys.readouterr().out == "No lab is running.\n"
    assert cli.main(["down", "--name", "nobody"]) == 0
