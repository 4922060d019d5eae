# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small API server over real HTTP: it serves a list of objects, takes patches, injects dry-run pods, plays scripts.

A Deployment that is patched is rolled out at once: its pods are made anew, injected as the webhooks among the objects
say. A fake istioctl asks the same server what to do, so that a test can say it in Python.
"""

from __future__ import annotations

import copy
import json
import re
import threading
import time
import typing as t
from collections.abc import Callable
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import expected_image, resolve
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT
from unit.support import builders as b
from unit.support.api_answers import BY_PATH, KINDS, PATH, TOOLS, Answer, Seen, discovery, failure, stream
from unit.support.api_server import CLUSTERS, server_port
from unit.support.fake_istioctl import write_helm, write_istioctl


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
            raise PermissionError(f'failed calling webhook "namespace.sidecar-injector.istio.io": {injection.rejected}')
        if injection.revision is None:
            return pod
        config = mesh.revisions[injection.revision].config
        sidecar = {"name": "istio-proxy", "image": expected_image(config, {}) if config else "unknown"}
        annotations = {"istio.io/rev": injection.revision}
        made: b.Json = _merged(pod, {"metadata": {"annotations": annotations}, "spec": {"initContainers": [sidecar]}})
        return made


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
