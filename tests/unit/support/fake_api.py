# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small API server over real HTTP: it serves a list of objects, takes patches, injects dry-run pods, plays scripts.

A Deployment that is patched is rolled out at once: its pods are made anew, injected as the webhooks among the objects
say. A fake istioctl asks the same server what to do, so that a test can say it in Python.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import re
import sys
import threading
import time
import typing as t
from collections.abc import Callable, Collection, Mapping
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import RESOURCES
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import expected_image, resolve
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from unit.support import builders as b
from unit.support.fake_istioctl import write_helm, write_istioctl
from unit.support.fake_pod import DATA, GREETINGS, frame, read_frame, upgraded

KINDS = {
    **{kind: (prefix, resource) for kind, (prefix, resource, dummy) in RESOURCES.items()},
    "Namespace": ("/api/v1", "namespaces"),
    "Node": ("/api/v1", "nodes"),
    "EnvoyFilter": ("/apis/networking.istio.io/v1alpha3", "envoyfilters"),
    "WasmPlugin": ("/apis/extensions.istio.io/v1alpha1", "wasmplugins"),
    "AuthorizationPolicy": ("/apis/security.istio.io/v1", "authorizationpolicies"),
    "VirtualService": ("/apis/networking.istio.io/v1", "virtualservices"),
    "WorkloadGroup": ("/apis/networking.istio.io/v1", "workloadgroups"),
    "WorkloadEntry": ("/apis/networking.istio.io/v1", "workloadentries"),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
    "Gateway": ("/apis/gateway.networking.k8s.io/v1", "gateways"),
    "EndpointSlice": ("/apis/discovery.k8s.io/v1", "endpointslices"),
    "Secret": ("/api/v1", "secrets"),
    "Event": ("/api/v1", "events"),
    "Pod": ("/api/v1", "pods"),
    "ReplicaSet": ("/apis/apps/v1", "replicasets"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "Job": ("/apis/batch/v1", "jobs"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "CronJob": ("/apis/batch/v1", "cronjobs"),
    "Rollout": ("/apis/argoproj.io/v1alpha1", "rollouts"),
}
BY_PATH = {place: kind for kind, place in KINDS.items()}
PATH = re.compile(r"^(/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?/([^/]+)(?:/([^/]+))?$")


#: Bytes of a port-forward in one message.
FRAME = 32768
#: Where the fake executables ask.
TOOLS = ("/istioctl", "/helm")


@dataclasses.dataclass(frozen=True)
class Seen:
    """One request as it came in."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: t.Any

    @property
    def writes(self) -> bool:
        """Whether it would change something."""
        asks = self.query.get("dryRun") == "All" or self.path in TOOLS or self.path.endswith("reviews")
        return self.method not in ("GET", "HEAD") and not asks


@dataclasses.dataclass(frozen=True)
class Answer:
    """One scripted answer; ``chunks`` are sent one by one, ``broken`` closes the connection without a word."""

    body: t.Any = None
    status: int = 200
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    chunks: tuple[bytes, ...] = ()
    broken: bool = False
    #: The answer of a pod through a port-forward.
    forwarded: bytes | None = None


def failure(status: int, message: str = "", reason: str = "", **headers: str) -> Answer:
    """An error answer with a Kubernetes Status."""
    body = {"kind": "Status", "code": status, "message": message, "reason": reason}
    return Answer(body, status, {key.replace("_", "-"): value for key, value in headers.items()})


def stream(*events: b.Json) -> Answer:
    """A watch with some events."""
    return Answer(chunks=tuple(json.dumps(event).encode() + b"\n" for event in events))


def discovery(not_served: Collection[str] = ()) -> b.Json:
    """The discovery document of an API server, with all kinds."""
    groups: dict[str, dict[str, list[b.Json]]] = {}
    for kind, (prefix, resource) in KINDS.items():
        if prefix.startswith("/apis/") and kind not in not_served:
            group, version = prefix.removeprefix("/apis/").split("/")
            row = {"resource": resource, "responseKind": {"kind": kind}, "verbs": ["get", "list"]}
            groups.setdefault(group, {}).setdefault(version, []).append(row)
    return {
        "kind": "APIGroupDiscoveryList",
        "items": [
            {
                "metadata": {"name": group},
                "versions": [{"version": version, "resources": rows} for version, rows in versions.items()],
            }
            for group, versions in groups.items()
        ],
    }


def _identity(obj: b.Json) -> str:
    return f"{obj['metadata'].get('namespace')}/{obj['metadata']['name']}/{obj['metadata'].get('uid')}"


def _event(change: str, obj: b.Json) -> b.Json:
    """A watch event; every object of a watch has a version."""
    return {"type": change, "object": {**obj, "metadata": {"resourceVersion": "1", **obj["metadata"]}}}


Command = Callable[[list[str]], tuple[int, str, str]]


class FakeApi:
    """The server; a context manager."""

    def __init__(self, *objects: b.Json) -> None:
        self.objects: list[b.Json] = json.loads(json.dumps([*objects, *b.endpoint_slices(objects)]))
        self.seen: list[Seen] = []
        self.scripts: dict[tuple[str, str], list[Answer]] = {}
        self.may: Callable[[b.Json], bool] = lambda dummy: True
        #: Kinds whose CRDs are not there.
        self.not_served: set[str] = set()
        self.istioctl_does: Command = lambda arguments: (64, "", f"unexpected: {arguments}")
        self.helm_does = self.istioctl_does
        self.on_patch: Callable[[b.Json], None] = self.roll_out
        self._lock = threading.RLock()
        self._made = 0
        self._shown: dict[str, dict[str, str]] = {}

    def __enter__(self) -> t.Self:
        CLUSTERS[self.key] = self
        return self

    def __exit__(self, *dummy: object) -> None:
        del CLUSTERS[self.key]

    @property
    def key(self) -> str:
        """First part of all its paths."""
        return str(id(self))

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"http://127.0.0.1:{server_port()}/{self.key}"

    def client(self, **connection: t.Any) -> Client:
        """A client for this server."""
        return Client(Connection(host=self.url, **connection), timeout=5)

    def script(self, method: str, path: str, *answers: Answer) -> None:
        """Answer the next requests for a path like this, then go on as usual."""
        self.scripts[(method, path)] = list(answers)

    def writes(self, *, lock: bool = False) -> list[Seen]:
        """The requests that would have changed something; the lock of the cluster is not a part of the mesh."""
        return [seen for seen in self.seen if seen.writes and (lock or "/leases" not in seen.path)]

    def get(self, kind: str, name: str) -> b.Json:
        """An object as it is now."""
        return next(obj for obj in b.of_kind(self.objects, kind) if obj["metadata"]["name"] == name)

    def istioctl(self, folder: Path, version: str = b.NEW_VERSION) -> str:
        """Path of a fake istioctl that says it is of a version and does what ``istioctl_does`` says."""
        return write_istioctl(folder, version, server_port(), self.key)

    def helm(self, folder: Path) -> str:
        """Path of a fake helm that does what ``helm_does`` says."""
        return write_helm(folder, server_port(), self.key)

    def answer(self, seen: Seen) -> Answer:
        """Answer one request."""
        with self._lock:
            self.seen.append(seen)
            waiting = self.scripts.get((seen.method, seen.path))
            if waiting:
                return waiting.pop(0)
            if seen.path in TOOLS:
                code, out, err = (self.istioctl_does if seen.path == "/istioctl" else self.helm_does)(seen.body)
                return Answer({"code": code, "out": out, "err": err})
            if seen.path == "/version":
                return Answer({"gitVersion": b.KUBERNETES})
            if seen.path == "/apis":
                return Answer(discovery(self.not_served))
            if seen.path.endswith("/selfsubjectaccessreviews"):
                return Answer({"status": {"allowed": self.may(seen.body["spec"]["resourceAttributes"])}})
            if seen.path.endswith("/portforward"):
                return Answer(forwarded=self.syncz(seen.path.split("/")[-2]))
            return self._serve(seen)

    def syncz(self, istiod: str) -> bytes:
        """The answer of an istiod about its proxies: those of all pods of its revision are connected."""
        revision = istiod.removesuffix("-0").removeprefix("istiod").removeprefix("-") or DEFAULT
        rows = [one for one in b.connected(b.of_kind(self.objects, "Pod")) if one.revision == revision]
        return json.dumps(
            [{"proxy": f"{one.name}.{one.namespace}", "istio_version": one.version} for one in rows]
        ).encode()

    def _istiods(self) -> list[b.Json]:
        """A pod of each istiod that is ready; they are not among the objects, as little is about them."""
        found = [obj for obj in b.of_kind(self.objects, "Deployment") if obj["metadata"]["name"].startswith("istiod")]
        status = {"conditions": [{"type": "Ready", "status": "True"}]}
        return [
            {"kind": "Pod", "metadata": {**obj["metadata"], "name": f"{obj['metadata']['name']}-0"}, "status": status}
            for obj in found
            if obj["status"].get("readyReplicas")
        ]

    def _serve(self, seen: Seen) -> Answer:
        found = PATH.match(seen.path)
        kind = BY_PATH.get((found[1], found[3])) if found else None
        if found is None or kind is None or kind in self.not_served:
            return failure(404, f"no such path {seen.path}", "NotFound")
        namespace, name = found[2], found[4]
        if seen.method == "POST" and kind == "Pod":
            return self._dry_run(namespace, seen.body)
        if seen.method == "POST":
            return self._create(kind, seen.body)
        inside = [
            obj for obj in b.of_kind(self.objects, kind) if namespace in (None, obj["metadata"].get("namespace", ""))
        ]
        if "watch" in seen.query:
            time.sleep(0.02)
            news = stream(*self._news(seen.path, inside, self._listed(kind, namespace)))
            return news if news.chunks else Answer(chunks=(b"\n",))
        if name is None:
            self._news(seen.path, inside)
            if namespace is None:
                # who lists all may watch one namespace from there on
                for path in [path for path in self._shown if path.endswith(f"/{found[3]}") and path != seen.path]:
                    del self._shown[path]
            selector = seen.query.get("labelSelector", "")
            items = [obj for obj in inside if _selected(obj, selector)]
            if (kind, selector) == ("Pod", "app=istiod"):
                items += self._istiods()
            return Answer({"metadata": {"resourceVersion": "1"}, "items": items})
        obj = next((obj for obj in inside if obj["metadata"]["name"] == name), None)
        if obj is None:
            return failure(404, f'{kind} "{name}" not found', "NotFound")
        if seen.method == "DELETE":
            self.objects.remove(obj)
        return self._patch(obj, seen) if seen.method == "PATCH" else Answer(obj)

    def _listed(self, kind: str, namespace: str | None) -> dict[str, str] | None:
        """The part about one namespace in the list of all namespaces, if there was such a list."""
        shown = self._shown.get("/".join(KINDS[kind]))
        inside = f"{namespace}/" if namespace else ""
        return None if shown is None else {key: text for key, text in shown.items() if key.startswith(inside)}

    def _news(self, path: str, inside: list[b.Json], listed: dict[str, str] | None = None) -> list[b.Json]:
        """The events of a collection since it was last listed or watched: one for each object."""
        now = {_identity(obj): json.dumps(obj) for obj in inside}
        # what a test scripted a list for is known
        before = self._shown.get(path, now if listed is None else listed)
        self._shown[path] = now
        gone = [("DELETED", text) for key, text in before.items() if key not in now]
        changed = [
            ("MODIFIED" if key in before else "ADDED", text) for key, text in now.items() if before.get(key) != text
        ]
        return [_event(change, json.loads(text)) for change, text in [*gone, *changed]]

    def _patch(self, obj: b.Json, seen: Seen) -> Answer:
        meta = seen.body.get("metadata", {})
        if any(key in meta and meta[key] != obj["metadata"].get(key) for key in ("resourceVersion", "uid")):
            return failure(409, "the object has been modified", "Conflict")
        result = _merged(obj, seen.body)
        if seen.query.get("dryRun") == "All":
            return Answer(result)
        obj.update(result)
        obj["metadata"]["resourceVersion"] = str(int(obj["metadata"].get("resourceVersion", "1")) + 1)
        if obj["kind"] in ("Deployment", "StatefulSet", "DaemonSet", "Rollout"):
            obj["metadata"]["generation"] += 1
            self.on_patch(obj)
        return Answer(copy.deepcopy(obj))

    def roll_out(self, workload: b.Json) -> None:
        """Complete a rollout at once: new pods, injected as they would be now."""
        everywhere = {"updatedReplicas": workload["spec"].get("replicas"), "conditions": []}
        workload["status"].update(everywhere, observedGeneration=workload["metadata"]["generation"])
        if workload["kind"] == "Rollout":
            seen = {"observedGeneration": str(workload["metadata"]["generation"]), "phase": "Healthy"}
            workload["status"].update(seen, restartedAt=workload["spec"]["restartAt"])
        place = (workload["metadata"]["namespace"], workload["metadata"]["name"])
        for old in b.of_kind(self.objects, "Pod"):
            if (old["metadata"]["namespace"], old["metadata"].get("labels", {}).get("app")) == place:
                self._made += 1
                labels = workload["spec"]["template"]["metadata"]["labels"]
                new = b.pod(old["metadata"]["name"], place[0], revision=None, labels=labels)
                new["metadata"].update(uid=f"new-{self._made}", ownerReferences=old["metadata"]["ownerReferences"])
                self.objects[self.objects.index(old)] = self.injected(place[0], new)

    def _create(self, kind: str, obj: b.Json) -> Answer:
        """Keep a new object."""
        if any(_identity(obj) == _identity(other) for other in b.of_kind(self.objects, kind)):
            return failure(409, f"{kind} already exists", "AlreadyExists")
        obj["metadata"]["resourceVersion"] = "1"
        self.objects.append(obj)
        return Answer(obj, 201)

    def _dry_run(self, namespace: str, pod: b.Json) -> Answer:
        made = _merged(pod, {"metadata": {"name": "made", "namespace": namespace, "uid": "dry"}})
        try:
            return Answer(self.injected(namespace, made), 201)
        except PermissionError as exc:
            return failure(500, str(exc), "InternalError")

    def injected(self, namespace: str, pod: b.Json) -> b.Json:
        """A new pod as the webhooks and the istiods behind them make it."""
        mesh = b.mesh_of(self.objects)
        labels = self.get("Namespace", namespace)["metadata"].get("labels", {})
        injection = resolve(mesh, namespace, labels, b.shape(pod["metadata"].get("labels", {})))
        if injection.rejected:
            raise PermissionError(f"failed calling webhook: {injection.rejected}")
        if injection.revision is None:
            return pod
        config = mesh.revisions[injection.revision].config
        sidecar = {"name": "istio-proxy", "image": expected_image(config, {}) if config else "unknown"}
        annotations = {"istio.io/rev": injection.revision}
        made: b.Json = _merged(pod, {"metadata": {"annotations": annotations}, "spec": {"initContainers": [sidecar]}})
        return made


#: The clusters that are there now; one server serves them all, as starting one for each test takes its time.
CLUSTERS: dict[str, FakeApi] = {}


@functools.cache
def server_port() -> int:
    """Port of the server of this process."""
    server = _Server(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_address[1])


def _merged(obj: t.Any, patch: t.Any) -> t.Any:
    """JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(obj) if isinstance(obj, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result


def _selected(obj: b.Json, selector: str) -> bool:
    labels = obj["metadata"].get("labels") or {}
    for part in filter(None, re.split(r",(?![^(]*\))", selector)):
        if part.startswith("!") and part[1:] not in labels:
            continue
        key, dummy, values = part.partition(" in ")
        key, equals, value = key.partition("=")
        allowed = values.strip("()").split(",") if values else [value] if equals else None
        if key not in labels or (allowed is not None and labels[key] not in allowed):
            return False
    return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """A client may go away before its answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _handle(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        split = urlsplit(self.path)
        key, dummy, path = split.path.removeprefix("/").partition("/")
        body = json.loads(raw) if raw else None
        seen = Seen(self.command, f"/{path}", dict(parse_qsl(split.query)), self.headers, body)
        # a watch may outlive its test
        answer = CLUSTERS[key].answer(seen) if key in CLUSTERS else Answer(broken=True)
        if answer.broken:
            self.close_connection = True
            return
        if answer.forwarded is not None:
            self._forward(answer.forwarded)
            return
        self.send_response(answer.status)
        for key, value in answer.headers.items():
            self.send_header(key, value)
        if answer.chunks:
            self._stream(answer.chunks)
            return
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _forward(self, body: bytes) -> None:
        self.send_response(101)
        for key, value in upgraded(self.headers["Sec-WebSocket-Key"]).items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.flush()
        read_frame(self.rfile)
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        parts = ((DATA, whole[at : at + FRAME]) for at in range(0, len(whole), FRAME))
        for message in (*GREETINGS, *parts):
            self.wfile.write(frame(message))
        self.wfile.flush()
        self.rfile.read(1)
        self.close_connection = True

    def _stream(self, chunks: tuple[bytes, ...]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in (*chunks, b""):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.wfile.flush()

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names are the base class's

    def log_message(self, *dummy: t.Any) -> None:
        """Say nothing."""
