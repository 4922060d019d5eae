# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit events, workloads, kubeconfigs and the relay of the lab."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from lab import audit, cli, kubeconfig, workloads
from lab.audit import Mark
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


def line(second: int, uri: str) -> str:
    return json.dumps({"requestURI": uri, "requestReceivedTimestamp": f"1970-01-01T00:00:0{second}.000001Z"}) + "\n"


def test_audit_log_from_a_mark_to_a_fence(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line(1, "/a") + line(3, "/b") + line(1, "/c") + line(4, "/?fence=f1") + line(5, "/d"))

    def found(at: int, position: int = 0) -> list[str]:
        return [one["requestURI"] for one in audit.since(log, Mark(at, position), "f1")]

    assert found(0) == ["/a", "/b", "/c"]
    assert found(3_000_001) == ["/b"]
    assert found(3_000_002) == []
    assert found(0, len(line(1, "/a"))) == ["/b", "/c"]


def test_audit_log_is_read_again_until_the_fence_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "audit.log"
    last = line(2, "/x?fence=f1")
    log.write_text(line(1, "/a") + last[:-9])
    monkeypatch.setattr(time, "sleep", lambda seconds: log.write_text(line(1, "/a") + last))
    assert [one["requestURI"] for one in audit.since(log, Mark(0, 0), "f1")] == ["/a"]
    monkeypatch.setattr(audit, "FENCE_SECONDS", 0)
    with pytest.raises(LabError, match="not in the audit log"):
        audit.since(log, Mark(0, 0), "f2")


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


def greet(server: socket.socket, said: bytes) -> None:
    """Send the same text at the start and after each message."""
    while True:
        connection, dummy = server.accept()
        with connection:
            connection.sendall(said)
            while connection.recv(1):
                connection.sendall(said)


@pytest.fixture
def free() -> tuple[str, int]:
    """Return an unused address."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        found: tuple[str, int] = probe.getsockname()
    return found


def test_relay(free: tuple[str, int]) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=echo, args=(server,), daemon=True).start()
    relay = Relay()
    assert relay.route("127.0.0.1", {free: (server.getsockname(),)}) == []
    with socket.create_connection(free, timeout=30) as connection:
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    with socket.create_connection(free, timeout=30) as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        relay.route("127.0.0.1", {})
        assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(free, timeout=30)


def test_the_relay_lets_what_leaves_end_its_connections(free: tuple[str, int]) -> None:
    first, second = (socket.create_server(("127.0.0.1", 0)) for dummy in range(2))
    for server, said in ((first, b"1"), (second, b"2")):
        threading.Thread(target=greet, args=(server, said), daemon=True).start()
    relay = Relay()
    assert relay.route("127.0.0.1", {free: (first.getsockname(),)}) == []
    with socket.create_connection(free, timeout=30) as old:
        assert old.recv(1) == b"1"
        assert relay.route("127.0.0.1", {free: (second.getsockname(),)}, ["127.0.0.1"]) == []
        with socket.create_connection(free, timeout=30) as new:
            assert new.recv(1) == b"2"
        old.sendall(b"x")
        assert old.recv(1) == b"1"
        relay.route("127.0.0.1", {}, ["127.0.0.1"])
        old.sendall(b"x")
        assert old.recv(1) == b"1"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(free, timeout=30)


def test_command_line_errors_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert cli.main(["kubeconfig", "--name", "absent"]) == 1
    assert capsys.readouterr().err == "lab: No lab absent is running; start it with: up 2 --name absent\n"
    assert cli.main(["status"]) == 0
    assert capsys.readouterr().out == "No lab is running.\n"
    assert cli.main(["down", "--name", "absent"]) == 0
