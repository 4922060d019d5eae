# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster of a running lab, as tests and the command line use it."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from . import audit, faults, nodes, population, reset, workloads
from .build import Binaries
from .client import APPLY_PATCH, Client
from .errors import ApiError, LabError
from .pki import KeyPair
from .ports import Addresses
from .process import clean_environment
from .resources import Resources

Json = dict[str, Any]
#: The lab writes as a person with kubectl, so that no object has another owner.
FIELD_MANAGER = "kubectl"


class Cluster:
    """A cluster of a lab. Its requests use the user `admin` of the kubeconfig."""

    def __init__(self, name: str, addresses: Addresses, folder: Path, kubeconfig: Path, binaries: Binaries) -> None:
        self.name = name
        self.context = name
        self.kubeconfig = kubeconfig
        self.server = addresses.server
        self.folder = folder
        self._binaries = binaries
        self._faults = folder / "faults.json"
        pki = folder / "pki"
        self._client = Client(self.server, pki / "ca.crt", KeyPair(pki / "admin.crt", pki / "admin.key"))
        # For reads and simulated events that must not appear in the audit log as requests of the user.
        self._machinery = Client(self.server, pki / "ca.crt", KeyPair(pki / "supervisor.crt", pki / "supervisor.key"))
        self._resources = Resources(lambda path: self.request("GET", path))

    @cached_property
    def uid(self) -> str:
        """Return the UID of namespace kube-system, which identifies the cluster."""
        return str(self.request("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"])

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, Any] | None = None,
        content_type: str | None = None,
    ) -> Json:
        """Send one request with raw JSON, and return the raw JSON of the answer. A refusal raises ApiError."""
        return self._client.request(method, path, body, params, content_type)

    def items(self, path: str, params: Mapping[str, Any] | None = None) -> list[Json]:
        """Return the items of a list; an empty list if the resource does not exist."""
        try:
            return list(self.request("GET", path, params=params)["items"])
        except ApiError as error:
            if error.status == 404:
                return []
            raise

    def path(self, item: Mapping[str, Any]) -> str:
        """Return the API path of one object."""
        return self._resources.path(item)

    def apply(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Apply objects on the server side, in their order."""
        params = {"fieldManager": FIELD_MANAGER, "force": "true"}
        for item in objects:
            self.request("PATCH", self.path(item), item, params, APPLY_PATCH)

    def delete(self, path: str, params: Mapping[str, Any] | None = None) -> None:
        """Delete one object, if it exists."""
        try:
            self.request("DELETE", path, params=params)
        except ApiError as error:
            if error.status != 404:
                raise

    def pods(self, namespace: str | None = None) -> list[Json]:
        """Return all pods, or those of a namespace."""
        return self.items(f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/pods")

    def istioctl(
        self, version: str, *arguments: str, check: bool = True, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run the real istioctl of a version against this cluster."""
        access = ["--kubeconfig", str(self.kubeconfig), "--context", self.context]
        command = [str(self._binaries.istioctl(version)), *arguments, *access]
        return self._run(command, f"istioctl {version} {' '.join(arguments)}", check, timeout)

    def _run(self, command: Sequence[str], shown: str, check: bool, timeout: float) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            command, capture_output=True, text=True, timeout=timeout, env=clean_environment(), check=False
        )
        if check and result.returncode != 0:
            output = (result.stderr.strip() or result.stdout.strip())[-2000:]
            raise LabError(f"{shown} on {self.name} ended with {result.returncode}: {output}")
        return result

    def install_istio(
        self,
        version: str,
        revision: str | None = None,
        *,
        sets: Iterable[str] = (),
        profile: str = "minimal",
        tag: str | None = None,
        timeout: str = "60s",
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run istioctl install. `tag` sets an image tag other than the version for istiod.

        With `check`, wait until istiod has also configured its webhooks.
        """
        settings = [f"profile={profile}", *([f"tag={tag}"] if tag else []), *sets]
        arguments = ["install", "-y", "--readiness-timeout", timeout]
        arguments += [part for setting in settings for part in ("--set", setting)]
        arguments += ["--revision", revision] if revision else []
        result = self.istioctl(version, *arguments, check=check, timeout=600)
        if check:
            self.wait_webhooks(revision or "default")
        return result

    def wait_webhooks(self, revision: str, timeout: float = 60) -> None:
        """Wait until istiod has set the certificate of its revision's webhooks, and the policy of the validator."""
        deadline = time.monotonic() + timeout
        while waiting := self._idle_webhooks(revision):
            if time.monotonic() > deadline:
                raise LabError(f"istiod has not taken over on {self.name} after {timeout:.0f} s: {', '.join(waiting)}")
            time.sleep(0.1)

    def _idle_webhooks(self, revision: str) -> list[str]:
        selector = {"labelSelector": f"istio.io/rev={revision}"}
        names: list[str] = []
        for kind in ("mutating", "validating"):
            for item in self.items(f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations", selector):
                hooks = item.get("webhooks", [])
                if not all(hook["clientConfig"].get("caBundle") and hook["failurePolicy"] == "Fail" for hook in hooks):
                    names.append(item["metadata"]["name"])
        return names

    def helm(self, *arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the real helm against this cluster."""
        access = ["--kubeconfig", str(self.kubeconfig), "--kube-context", self.context, "-n", "istio-system"]
        return self._run([str(self._binaries.helm), *arguments, *access], f"helm {arguments[0]}", check, timeout)

    def helm_install(self, version: str, revision: str | None = None, *, sets: Iterable[str] = ()) -> None:
        """Install both charts as in Istio's documentation, and wait for istiod."""
        charts = self._binaries.charts / version
        default = f"defaultRevision={revision or 'default'}"
        self.helm("upgrade", "--install", "istio-base", str(charts / "base"), "--create-namespace", "--set", default)
        settings = [*([f"revision={revision}"] if revision else []), *sets]
        flags = [part for setting in settings for part in ("--set", setting)]
        name = f"istiod-{revision}" if revision else "istiod"
        self.helm("upgrade", "--install", name, str(charts / "istiod"), "--wait", *flags)

    def seed(self, revision: str = population.REVISION, *, pod_start: str | None = None) -> None:
        """Create the population of the cluster, and the tag that one of its namespaces follows.

        Pods are ready immediately, or after `pod_start`, such as "2s".
        """
        injectors = self.items("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations")
        names = {item["metadata"]["name"] for item in injectors}
        if f"istio-sidecar-injector-{revision}" in names and f"istio-revision-tag-{population.TAG}" not in names:
            version = revision.replace("-", ".")
            self.istioctl(version, "tag", "set", population.TAG, "--revision", revision, "-y")
        self.apply(population.objects(revision, pod_start))

    def wait_ready(self, namespaces: Iterable[str] | None = None, timeout: float = 180) -> None:
        """Wait until all workloads are rolled out and all pods are ready or completed."""
        chosen = None if namespaces is None else set(namespaces)
        deadline = time.monotonic() + timeout
        while waiting := self._unready(chosen):
            if time.monotonic() > deadline:
                raise LabError(f"Not ready on {self.name} after {timeout:.0f} s: {', '.join(waiting[:10])}")
            time.sleep(0.25)

    def _unready(self, namespaces: set[str] | None) -> list[str]:
        unready: list[str] = []
        for resource in workloads.KINDS:
            for item in self._in(namespaces, f"/apis/apps/v1/{resource}"):
                if not workloads.rolled_out(resource, item):
                    unready.append(f"{resource} {workloads.describe(item)}")
        jobs = self._in(namespaces, "/apis/batch/v1/jobs")
        unready += [f"job {workloads.describe(job)}" for job in jobs if not workloads.job_begun(job)]
        pods = self._in(namespaces, "/api/v1/pods")
        return unready + [f"pod {workloads.describe(pod)}" for pod in pods if not workloads.pod_settled(pod)]

    def _in(self, namespaces: set[str] | None, path: str) -> list[Json]:
        return [item for item in self.items(path) if namespaces is None or item["metadata"]["namespace"] in namespaces]

    @property
    def _audit_log(self) -> Path:
        return self.folder / "audit.log"

    def audit_mark(self) -> audit.Mark:
        """Return a mark for audit_since and writes_since."""
        return audit.mark(self._audit_log)

    def audit_since(self, mark: audit.Mark) -> list[Json]:
        """Return the audit events of write requests by users; the log excludes controllers and ServiceAccounts."""
        fence = uuid.uuid4().hex
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        self.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review, {"fence": fence})
        return audit.since(self._audit_log, mark, fence)

    def writes_since(self, mark: audit.Mark, *, dry_run: bool = False) -> list[Json]:
        """Return the requests that were meant to change an object, or with `dry_run` the dry runs."""
        writes = [event for event in self.audit_since(mark) if audit.is_write(event)]
        return [event for event in writes if audit.is_dry_run(event) == dry_run]

    def fault(
        self, kind: str, *, revision: str | None = None, deployment: str | None = None, delay: Any = None
    ) -> None:
        """Break the istiod of a revision or Deployment, which may not exist yet."""
        key = revision or deployment
        if key is None:
            raise LabError("A fault needs the revision or the Deployment of an istiod.")
        faults.put(self._faults, key, faults.Fault.of(kind, delay))

    def clear_fault(self, *, revision: str | None = None, deployment: str | None = None) -> None:
        """Remove one fault, or all faults."""
        faults.clear(self._faults, revision or deployment)

    def proxy_fault(self, namespace: str, pod: str, kind: str | None) -> None:
        """Let the proxy of a pod reject its configuration, or disconnect from istiod. None removes the fault."""
        patch = {"metadata": {"annotations": {faults.PROXY_ANNOTATION: kind}}}
        self._machinery.request("PATCH", f"/api/v1/namespaces/{namespace}/pods/{pod}", patch)

    def node_names(self) -> list[str]:
        """Return the names of the nodes."""
        return [item["metadata"]["name"] for item in self.items(nodes.PATH)]

    def set_kubelet_version(self, version: str = nodes.KUBELET_VERSION, node: str | None = None) -> None:
        """Set the kubelet version of the first node. Below v1.33, istiod disables native sidecars."""
        nodes.set_kubelet_version(self._machinery, node or nodes.name_of(self.name, 1), version)

    def reset(self, keep_seed: bool = False) -> None:
        """Remove Istio, all faults and, unless it is kept, the population."""
        faults.clear(self._faults)
        for name in self.node_names():
            self.set_kubelet_version(node=name)
        kept = frozenset(population.NAMESPACES) if keep_seed else frozenset()
        reset.reset(self._client.request, kept)
