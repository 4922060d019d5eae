# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No object that any user may write ends the reading of a cluster, and none hides another (F18).

Each part of an object that is read, and whose value the API server does not check, is given each absurd value. Objects
of which a cluster may have many are there once for each part; of the others one part at a time is changed.
"""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import copy
import functools
import json
import typing as t
from collections.abc import Iterator
from email.message import Message
from unittest import mock

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import api_error
from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import parse_json_answer
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import RECORD_KEY
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import istio_info as info
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import istio_precheck as precheck
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import namespace_revision as move
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import rollout_restart as restart
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import connected_proxies
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.snapshot import fetch_snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import ModuleCore
from unit.support import builders as b
from unit.support.api_answers import Seen
from unit.support.fake_api import FakeApi
from unit.support.hostile import Path, Place, holders, values_at, watched
from unit.support.hostile_objects import MANY, ONCE, PREVIOUS, annotated
from unit.support.running import task

RUNS: list[tuple[ModuleCore, b.Json]] = [
    (
        precheck.CORE,
        {
            "strategy": "canary",
            "version": b.NEW_VERSION,
            "revision": b.NEW,
            "source_revision": b.OLD,
            "fail_on": "never",
        },
    ),
    (info.CORE, {"record": True}),
    (move.CORE, {"namespaces": ["shop"], "revision": b.NEW}),
    (restart.CORE, {"namespaces": ["shop"]}),
    (restart.CORE, {"namespaces": ["free"], "percent": 50, "revision": b.NEW}),
]


class Inline(concurrent.futures.Executor):
    """Does at once what it is given, without threads."""

    def __init__(self, max_workers: int = 1) -> None:
        """Take what a pool of threads takes."""

    def submit(self, fn: t.Any, /, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Do it, and keep what comes of it."""
        done: concurrent.futures.Future[t.Any] = concurrent.futures.Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as exc:  # noqa: BLE001 - a pool keeps all of them
            done.set_exception(exc)
        return done


@contextlib.contextmanager
def direct(api: FakeApi, parts_read: dict[Place, object] | None = None) -> Iterator[None]:
    """Clients take answers from the fake API without sending requests, because there are so many readings.

    The parts of objects that are read are added to ``parts_read``.
    """

    def request(client: Client, method: str, path: str, **more: t.Any) -> t.Any:
        seen = Seen(method, path, more.get("params") or {}, Message(), more.get("body"))
        answer = api.answer(seen)
        if answer.status >= 400:
            raise api_error(path, answer.status, answer.body)
        found = parse_json_answer(json.dumps(answer.body).encode())
        if parts_read is None or not {"items", "kind"} & set(found):
            return found
        if "kind" in found:
            return watched(found, found["kind"], (), parts_read)
        return {**found, "items": [watched(one, one["kind"], (), parts_read) for one in found["items"]]}

    with (
        mock.patch.object(Client, "request", request),
        mock.patch.object(concurrent.futures, "ThreadPoolExecutor", Inline),
    ):
        yield


def read(
    objects: list[b.Json], parts_read: dict[Place, object] | None = None, *, tasks: int = len(RUNS)
) -> list[b.Json]:
    """The results of all tasks about a cluster; anything that none of them expects is raised."""
    with FakeApi() as api, direct(api, parts_read), mock.patch.object(connected_proxies, "QUERIES", 0):
        # the controller of EndpointSlices does not run for objects that are absurd
        api.objects = [*objects, *b.endpoint_slices(ONCE)]
        return [
            task(api, tool, check_mode=True, progress=lambda dummy: None, **options) for tool, options in RUNS[:tasks]
        ]


@functools.cache
def places() -> dict[Place, object]:
    """Every part of an object that is read, and what is there."""
    parts_read: dict[Place, object] = {}
    # Without any annotation, none is read by its name.
    read([annotated(obj, other="x") for obj in [*MANY, *ONCE]], parts_read)
    return parts_read


def test_the_parts_that_are_known_to_be_hostile_are_found() -> None:
    """The test finds its fields by itself; these it has to find."""
    found = {place for place, now in places().items() if values_at(place, now)}
    annotation = ("metadata", "annotations")
    assert {
        ("Pod", (*annotation, "sidecar.istio.io/status")),
        ("Namespace", (*annotation, PREVIOUS)),
        ("Deployment", (*annotation, PREVIOUS)),
        ("Deployment", (*annotation, "meta.helm.sh/release-name")),
        ("MutatingWebhookConfiguration", (*annotation, "meshops.istio/previous-revision")),
        ("Secret", (*annotation, "networking.istio.io/cluster")),
        ("Rollout", ("spec", "strategy", "canary", "maxUnavailable")),
        ("Rollout", ("status", "phase")),
        ("EnvoyFilter", ("spec", "configPatches", 0, "match", "proxy", "proxyVersion")),
        ("ConfigMap", ("data", "merged-values")),
        ("ConfigMap", ("data", "config")),
        ("ConfigMap", ("data", RECORD_KEY)),
        ("Lease", ("spec", "renewTime")),
    } <= found


def kinds(objects: list[b.Json]) -> dict[str, int]:
    """How many objects of each kind a snapshot keeps."""
    with FakeApi() as api, direct(api):
        api.objects = objects
        found = fetch_snapshot(api.client(), b.SYSTEM, pods=True, precheck_inputs=True)
    assert not found.lost, found.lost
    precheck_inputs = found.precheck_inputs
    return {
        **collections.Counter(one.kind for one in (*found.workloads.values(), *precheck_inputs.extensions)),
        "ReplicaSet": sum(kind == "ReplicaSet" for dummy, kind, dummy_name in found.parents),
        "Namespace": len(found.namespaces),
        "Pod": len(found.pods),
        "PodDisruptionBudget": len(found.budgets),
        "Node": len(precheck_inputs.nodes),
        "HorizontalPodAutoscaler": len(precheck_inputs.autoscalers),
        "ResourceQuota": len(precheck_inputs.quotas),
        "Secret": len(precheck_inputs.remote_clusters),
    }


def changed(obj: b.Json, path: Path, value: object) -> b.Json | None:
    """An object with another value in one place, or None where it has no such place."""
    found: b.Json = copy.deepcopy(obj)
    places = list(holders(found, path))
    for holder in places:
        holder[path[-1]] = value
    return found if places else None


def cases(obj: b.Json) -> list[tuple[Path, t.Any]]:
    """Every value that a user could write into an object, with its place."""
    return [
        (path, value)
        for (kind, path), now in places().items()
        if kind == obj["kind"] and changed(obj, path, None)
        for value in values_at((kind, path), now)
    ]


def odd(value: t.Any) -> list[str]:
    """The texts in a result that change what a terminal shows, and the names and sentences of several lines."""
    if isinstance(value, dict):
        return [text for key, one in value.items() for text in ([] if key.isprintable() else [key]) + odd(one)]
    if isinstance(value, list):
        return [text for one in value for text in odd(one)]
    return [value] if isinstance(value, str) and not value.replace("\n", "").replace("\t", "").isprintable() else []


def refusals(results: list[b.Json]) -> list[str]:
    """The messages of tasks that refuse, and the checks that failed instead of finding problems."""
    rows = [row for result in results for row in result.get("findings", ()) if row["code"] == "MU091"]
    return [result["msg"] for result in results if result.get("failed")] + [row["message"] for row in rows]


STEP = 60
ROUNDS = max(len(cases(obj)) for obj in MANY)


@pytest.mark.parametrize("at", range(0, ROUNDS, STEP))
def test_f18_no_object_of_a_tenant_ends_the_reading(at: int) -> None:
    """Each of these objects is beside all others that are broken, and none is lost."""
    bad = []
    for obj in MANY:
        for number, (path, value) in enumerate(cases(obj)[at : at + STEP]):
            found = changed(obj, path, value)
            assert found is not None
            found["metadata"]["name"] += f"-{number}"
            found["metadata"]["uid"] = found["metadata"]["name"]
            bad.append(found)
    objects = [*MANY, *ONCE, *bad]
    results = read(objects)
    assert not refusals(results)
    assert not odd(results)
    lines = [row[part] for row in results[0]["findings"] for part in ("object", "message")]
    assert all(line.isprintable() for line in lines)
    added = collections.Counter(obj["kind"] for obj in bad)
    before, now = kinds([*MANY, *ONCE]), kinds(objects)
    assert {kind: now[kind] - before[kind] for kind in before} == {kind: added[kind] for kind in before}


GROUPS = 3


@functools.cache
def cases_once(at: int) -> list[tuple[Path, t.Any]]:
    """The cases of one of these objects."""
    return cases(ONCE[at])


ALONE = max(len(cases(obj)) for obj in ONCE)


@pytest.mark.parametrize("group", range(GROUPS))
def test_f18_no_object_of_the_mesh_ends_the_reading(group: int) -> None:
    """In each round some objects have one broken part; a task may refuse its own object."""
    for number in range(ALONE):
        objects = []
        for at, obj in enumerate(ONCE):
            hit = cases_once(at)[number : number + 1] if at % GROUPS == group else []
            objects += [changed(obj, *one) or obj for one in hit] or [obj]
        # what moves and restarts reads the same, so that it need not be asked about each
        gate, info, *others = read(objects, tasks=2 if number % 4 else len(RUNS))
        assert not refusals([gate, info])
        assert not odd([gate, info, *others])
        assert all(one.get("msg", "").isprintable() for one in others)
        assert all(one.get("failure") or not one.get("failed") for one in others)


@pytest.mark.parametrize("value", ["[" * 150_000, '{"revision": 7}', "[]", "{", '{"revision": "\\ud800"}'])
def test_f18_unreadable_parts_of_objects_are_reported(value: str) -> None:
    status = ("metadata", "annotations", "sidecar.istio.io/status")
    objects = [*MANY[1:], *ONCE, changed(MANY[0], status, value) or {}]
    gate, info, *others = read(objects)
    rows = [(row["code"], row["severity"]) for row in gate["findings"] if status[-1] in row["message"]]
    assert ("MU039", "warning") in rows
    fields = [row["field"] for row in info["unreadable"] if row["object"] == "Pod shop/annotated"]
    assert all(field.endswith(status[-1]) for field in fields)
    assert len(fields) == 1
    assert not refusals(others)
    # it is counted all the same
    assert sum(row["proxies"] for row in info["namespaces"]) == sum(
        row["proxies"] for row in read([*MANY, *ONCE])[1]["namespaces"]
    )
