# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects as no installer writes them: the whole gate reads and checks them, and no part of it fails.

Values that the API server checks stay valid: required fields, types of fields, quantities and percentages.
"""

from __future__ import annotations

import copy
import json
import typing as t
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_precheck import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import connected_proxies
from unit.paths import FIXTURES
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

KINDS = {
    "mutating": "MutatingWebhookConfiguration",
    "validating": "ValidatingWebhookConfiguration",
    "deployments": "Deployment",
    "services": "Service",
    "config_maps": "ConfigMap",
}
#: Fields that the API server requires, and parts that it checks as a whole.
REQUIRED = frozenset(
    {
        "kind",
        "metadata",
        "name",
        "namespace",
        "uid",
        "clientConfig",
        "selector",
        "template",
        "spec",
        "containers",
        "key",
    }
    | {"operator", "type"}
)
CHECKED = frozenset(
    {"conditions", "requests", "limits", "allocatable", "capacity", "hard", "used", "maxUnavailable", "maxSurge"}
)
HUGE = "x" * 2**20
TEXTS = (
    "",
    "unknown",
    "{",
    "[]",
    "null",
    "7",
    "{{ .Values }}",
    "a: [",
    "- a\n- b",
    '{"global": 7}',
    "1.31",
    "a@sha256:0",
)
TEXTS += (f"{b.HUB}/proxyv2", "registry:5000/proxyv2", "1.31.0-distroless", '{"revision": ["x"]}', "never-match", HUGE)
NUMBERS = (0, 1, 2**31 - 1)
Path_ = tuple[str | int, ...]


def recorded(name: str) -> list[b.Json]:
    """A recorded mesh, as the API server would list it."""
    lines = (FIXTURES / f"mesh-{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [{**obj, "kind": KINDS[obj["kind"]]} for obj in map(json.loads, lines)]


def owned_by_itself(name: str) -> b.Json:
    """A ReplicaSet that is its own owner."""
    owner = {"controller": True, "kind": "ReplicaSet", "name": name}
    return {"kind": "ReplicaSet", "metadata": {**b.meta(name, "shop"), "ownerReferences": [owner]}, "spec": {}}


def foreign(name: str, called: b.Json) -> b.Json:
    """A webhook that Istio did not install."""
    hook = {"name": f"any.{name}", "clientConfig": called, "namespaceSelector": {}, "objectSelector": {}}
    return {"kind": "MutatingWebhookConfiguration", "metadata": b.meta(name), "webhooks": [hook]}


REST = [
    *b.namespaces(shop="prod", batch=b.OLD, lost="gone"),
    *b.deployed(),
    *b.deployed("api", "batch", revision=b.NEW, pods=2),
    *b.deployed("pinned", "batch", image="other.invalid/proxyv2:1.2.3"),
    b.workload("StatefulSet", "db", "batch"),
    b.workload("DaemonSet", "agent", "batch"),
    b.pod("bare", owner=None),
    b.pod("job-1", "batch", owner=("Job", "job")),
    b.pod("lost-1", "lost", revision=None),
    b.budget("web", {"matchLabels": {"app": "web"}}, 0),
    b.node("one"),
    b.envoy_filter("tweak"),
    b.pod("itself", owner=("Pod", "itself")),
    b.pod("round", owner=("ReplicaSet", "round")),
    owned_by_itself("round"),
    foreign("sidecar-injector.istio.io", {"url": "https://elsewhere.invalid/inject"}),
    foreign("policy.example.com", {"service": {"namespace": "policy", "name": "gone"}}),
]
MESHES = [[*recorded(name), *REST] for name in ("two-revisions", "nonrevisioned", "nonrevisioned+revision+prod")]


def leaves(value: t.Any, path: Path_ = ()) -> t.Iterator[Path_]:
    """The paths of everything inside of an object that may be another, or not there."""
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        if step not in CHECKED:
            yield (*path, step)
            yield from leaves(inner, (*path, step))


def at(obj: b.Json, path: Path_) -> t.Any:
    """The value at a path."""
    return [obj := obj[step] for step in path][-1] if path else obj


@st.composite
def broken(draw: st.DrawFn, obj: b.Json) -> b.Json:
    """An object of which one part is another, is null, or is not there."""
    found = copy.deepcopy(obj)
    path = draw(st.sampled_from(list(leaves(found))))
    above, value = at(found, path[:-1]), at(found, path)
    others: list[t.Any] = []
    if isinstance(value, str) and path[-1] not in ("kind", "name", "namespace", "uid", "operator"):
        others += TEXTS
    elif isinstance(value, int) and not isinstance(value, bool):
        others += NUMBERS
    if path[-1] in REQUIRED or len(path) < 2:
        pass
    elif isinstance(above, list):
        others += [...]
    else:
        others += [None, ...]
    if others:
        other = draw(st.sampled_from(others))
        if other is ...:
            del above[path[-1]]
        else:
            above[path[-1]] = other
    return found


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(TEXTS[:-1]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("configPatches", "match", "x")), inner)
    ),
    max_leaves=8,
)


@st.composite
def clusters(draw: st.DrawFn) -> list[b.Json]:
    """A cluster with some objects that are broken."""
    objects = list(draw(st.sampled_from(MESHES)))
    for index in draw(st.lists(st.integers(0, len(objects) - 1), min_size=3, max_size=12)):
        objects[index] = draw(broken(objects[index]))
    # The API server does not check texts in ConfigMaps.
    at_map = draw(st.sampled_from([index for index, obj in enumerate(objects) if obj.get("data")]))
    data = objects[at_map]["data"]
    text = {draw(st.sampled_from(sorted(data))): draw(st.sampled_from((*TEXTS, *data.values())))}
    objects[at_map] = {**objects[at_map], "data": {**data, **text}}
    for extra in draw(st.lists(JSONS, max_size=1)):
        objects.append({"kind": "WasmPlugin", "metadata": b.meta("any", "shop"), "spec": extra})
    return objects


HOWS = (("before", "canary"), ("before", "in_place"), ("before", "downgrade"), ("after", "canary"))


def gate(objects: list[b.Json], stage: str = "before", strategy: str = "canary") -> b.Json:
    """The result of a gate, in which no check has failed and no code of ours has raised."""
    source = b.OLD if any(obj["metadata"]["name"] == f"istiod-{b.OLD}" for obj in objects) else "default"
    revision = source if strategy == "in_place" else b.NEW
    given = {"stage": stage, "strategy": strategy, "version": b.NEW_VERSION, "revision": revision, "fail_on": "never"}
    # proxies that do not connect are given no time to
    with FakeApi(*objects) as api, mock.patch.object(connected_proxies, "PAUSE", 0):
        result = task(api, CORE, progress=lambda dummy: None, source_revision=source, **given)
    # without its labels a revision is not there
    assert "failed" not in result or f"There is no revision {source} to " in result["msg"], result["msg"]
    crashed = [f"{row['object']}: {row['message']}" for row in result.get("findings", ()) if row["code"] == "MU091"]
    assert not crashed, crashed
    return result


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(clusters(), st.sampled_from(HOWS))
def test_no_object_stops_the_gate(objects: list[b.Json], how: tuple[str, str]) -> None:
    gate(objects, *how)
