# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One istiod pod: a real pilot-discovery process, and the pod status that shows its state."""

from __future__ import annotations

import datetime
import http.client
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import kubeconfig, podspec
from .client import Client
from .errors import ApiError
from .faults import CRASH_LOOP, NEVER_READY, SLOW_START, Fault
from .process import Spawner

Json = dict[str, Any]
TERMINATION_SECONDS = 10.0
BACKOFF_SECONDS = (2.0, 4.0, 8.0, 16.0, 30.0)
STRATEGIC = "application/strategic-merge-patch+json"


@dataclass(frozen=True)
class Surroundings:
    """Shared objects of all istiod pods of a cluster."""

    client: Client
    spawner: Spawner
    server: str
    ca: Path
    folder: Path
    binary: Callable[[str], Path | None]
    log: Callable[[str], None]


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Istiod:
    """Takes one pod from Pending to Ready and to its end. The supervisor calls `tick` repeatedly."""

    def __init__(self, around: Surroundings, pod: Json, address: str, pod_ip: str) -> None:
        metadata = pod["metadata"]
        self.address = address
        self.ready = False
        self._around = around
        self._pod = pod
        self._pod_ip = pod_ip
        self._path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        self._folder = around.folder / metadata["uid"]
        self._log = self._folder / "istiod.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0
        self._restarts = 0
        self._retry_at = 0.0
        self._terminating_since: float | None = None
        self._signalled = False
        self._told = False
        self._reported: Json | None = None

    @property
    def leaving(self) -> bool:
        """Whether its pod was deleted."""
        return self._terminating_since is not None

    @property
    def settled(self) -> bool:
        """Whether no change is expected within the next second."""
        if self.leaving:
            return False
        return self.ready or (self._process is None and self._retry_at - time.monotonic() > 1.0)

    def tick(self, pod: Json, fault: Fault | None) -> None:
        """Take the next step."""
        self._pod = pod
        if pod["metadata"].get("deletionTimestamp"):
            self._terminate()
        elif pod["spec"].get("nodeName"):
            self._run(fault)

    def stop(self) -> None:
        """End the process immediately; the pod was deleted."""
        self.ready = False
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._around.spawner.forget(self._process.pid)
            self._process = None

    def _run(self, fault: Fault | None) -> None:
        now = time.monotonic()
        if self._process is None:
            if now >= self._retry_at:
                self._start()
            return
        code = self._process.poll()
        if code is None and fault is not None and fault.kind == CRASH_LOOP and now - self._started >= fault.delay:
            self._process.kill()
            code = self._process.wait()
        if code is not None:
            self._crashed(code)
            return
        self.ready = self._answers() if self._may_be_ready(fault, now) else False

    def tell(self) -> None:
        """Report in the pod status that it became ready or unready, after the change of the Services."""
        if self._process is not None and not self.leaving and self.ready != self._told:
            self._told = self.ready
            self._report({"running": {"startedAt": _now()}})
            self._around.log(f"{self._path} is {'ready' if self.ready else 'no longer ready'}")

    def _may_be_ready(self, fault: Fault | None, now: float) -> bool:
        if fault is None:
            return True
        if fault.kind == SLOW_START:
            return self.ready or now - self._started >= fault.delay
        return fault.kind != NEVER_READY

    def _start(self) -> None:
        version = podspec.version(self._pod)
        binary = self._around.binary(version)
        if binary is None:
            image = podspec.discovery(self._pod)["image"]
            message = f'Back-off pulling image "{image}"'
            self._report({"waiting": {"reason": "ImagePullBackOff", "message": message}})
            self._retry_at = time.monotonic() + 5.0
            return
        work = self._folder / "work"
        work.mkdir(parents=True, exist_ok=True)
        access = kubeconfig.context("lab", self._around.server, self._around.ca, {"token": self._token()})
        path = kubeconfig.write(self._folder / "kubeconfig", access)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(work), **podspec.environment(self._pod)}
        command: list[str | Path] = [binary, *podspec.arguments(self._pod, str(path), self.address)]
        self._process = self._around.spawner.start(self._path, command, self._log, env=environment, cwd=work)
        self._started = time.monotonic()
        self._forward_ports()
        self._report({"running": {"startedAt": _now()}})

    def _token(self) -> str:
        """Return a token of the pod's ServiceAccount, bound to the pod, so that the RBAC of the chart applies."""
        metadata, spec = self._pod["metadata"], self._pod["spec"]
        pod = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        account = spec.get("serviceAccountName", "default")
        path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 7 * 86400, "boundObjectRef": pod},
        }
        return str(self._around.client.request("POST", path, body)["status"]["token"])

    def _answers(self) -> bool:
        """Return whether the readiness probe succeeds and the webhook port accepts connections."""
        connection = http.client.HTTPConnection(self.address, podspec.PORTS["httpAddr"], timeout=2.0)
        try:
            connection.request("GET", "/ready")
            if connection.getresponse().status != 200:
                return False
            socket.create_connection((self.address, podspec.PORTS["httpsAddr"]), timeout=2.0).close()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def _crashed(self, code: int) -> None:
        if self._process is not None:
            self._around.spawner.forget(self._process.pid)
        self._process = None
        self.ready = self._told = False
        self._retry_at = time.monotonic() + BACKOFF_SECONDS[min(self._restarts, len(BACKOFF_SECONDS) - 1)]
        self._restarts += 1
        message = f"exit code {code}: {last_line(self._log)}"
        self._report({"waiting": {"reason": "CrashLoopBackOff", "message": message}})
        self._around.log(f"{self._path}: {message}")

    def _terminate(self) -> None:
        """Remove the pod from the Services before the signal, so that no new connection reaches a closed port."""
        now = time.monotonic()
        self.ready = False
        if self._terminating_since is None:
            self._terminating_since = now
            return
        if self._process is not None and not self._signalled:
            self._signalled = True
            self._process.send_signal(signal.SIGTERM)
        waited = now - self._terminating_since
        if self._process is None or self._process.poll() is not None or waited > TERMINATION_SECONDS:
            self.stop()
            body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._pod["metadata"]["uid"]}}
            self._try("DELETE", self._path, body)

    def _forward_ports(self) -> None:
        """Let kwok, as the kubelet, forward ports to this process. The object is deleted with the pod."""
        metadata = self._pod["metadata"]
        place = f"/apis/kwok.x-k8s.io/v1alpha1/namespaces/{metadata['namespace']}/portforwards"
        owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
        targets = [
            {"ports": [port], "target": {"address": self.address, "port": port}} for port in podspec.PORTS.values()
        ]
        body = {
            "apiVersion": "kwok.x-k8s.io/v1alpha1",
            "kind": "PortForward",
            "metadata": {"name": metadata["name"], "ownerReferences": [owner]},
            "spec": {"forwards": targets},
        }
        self._try("POST", place, body)

    def _report(self, state: Json) -> None:
        status = podspec.status(
            self._pod, _now(), pod_ip=self._pod_ip, ready=self.ready, state=state, restarts=self._restarts
        )
        if status["containerStatuses"] == self._reported:
            return
        if self._try("PATCH", f"{self._path}/status", {"status": status}, STRATEGIC):
            self._reported = status["containerStatuses"]

    def _try(self, method: str, path: str, body: Mapping[str, Any], content_type: str | None = None) -> bool:
        try:
            self._around.client.request(method, path, body, content_type=content_type)
        except ApiError as error:
            if error.status not in (404, 409):
                self._around.log(f"{method} {path}: {error}")
                return False
        return True


def last_line(log: Path) -> str:
    """Return the last line of a log, or an empty text."""
    try:
        with log.open("rb") as handle:
            handle.seek(max(0, log.stat().st_size - 4096))
            lines = handle.read().decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1] if lines else ""
