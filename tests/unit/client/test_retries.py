# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Transient answers of the API server: each status, for each verb, with each kind of body, is asked again or is not."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client import retries as retries_module
from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.transport import TRIES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ApiError,
    LockedError,
    UnauthorizedError,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.dry_run_pods import stand_in
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import Refusal, RefusedBy
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Pod
from ansible_collections.meshops.istio.plugins.module_utils.operations.read import admission, readiness
from unit.support import builders as b
from unit.support.api_answers import Answer, failure, stream
from unit.support.fake_api import FakeApi

SHOP, PODS = "/api/v1/namespaces/shop", "/api/v1/namespaces/shop/pods"
DRY = {"dryRun": "All"}
LEADER, DOWN, DENIED = (
    "etcdserver: leader changed",
    'Internal error occurred: failed calling webhook "rev.namespace.sidecar-injector.istio.io": connection refused',
    'admission webhook "policy.example.com" denied the request: no',
)
EVENT = {"type": "ADDED", "object": {"metadata": {"name": "a", "uid": "1", "resourceVersion": "8"}}}

#: Requests by name: method, path, whether it may be sent twice, the final answer, and the call.
VERBS: dict[str, tuple[str, str, bool, Answer, Callable[[Client], object]]] = {
    "get": ("GET", SHOP, True, Answer({}), lambda client: client.get(SHOP)),
    "list": ("GET", SHOP, True, Answer({"metadata": {}}), lambda client: client.list(SHOP)),
    "watch": ("GET", SHOP, True, stream(EVENT), lambda c: list(c.watch(SHOP, resource_version="7", seconds=1))),
    "patch": ("PATCH", SHOP, True, Answer({}), lambda client: client.merge(SHOP, {})),
    "apply": ("PATCH", SHOP, True, Answer({}), lambda client: client.apply(SHOP, {}, manager="m")),
    "dry run": ("POST", PODS, True, Answer({}), lambda client: client.request("POST", PODS, body={}, params=DRY)),
    "post": ("POST", PODS, False, Answer({}), lambda client: client.request("POST", PODS, body={})),
    "delete": ("DELETE", SHOP, True, Answer({}), lambda client: client.request("DELETE", SHOP)),
    # a log is asked for once: a node may be gone
    "log": ("GET", SHOP, False, Answer(b""), lambda client: client.text(SHOP, doing="Reading a log")),
}
TURNED_AWAY, UNCLEAR = [429, 503], [502, 504]
TABLE = [
    *((status, verb, "", verb != "log") for status, verb in itertools.product(TURNED_AWAY, VERBS)),
    # what was made or removed is not made or removed twice
    *((status, verb, "", VERBS[verb][2]) for status, verb in itertools.product(UNCLEAR, VERBS)),
    *((500, verb, body, VERBS[verb][2]) for body, verb in itertools.product([LEADER, "boom"], VERBS)),
    *((500, verb, body, False) for body, verb in itertools.product([DOWN, DENIED], VERBS)),
    *((status, verb, "no", False) for status, verb in itertools.product([400, 403, 404, 409, 422, 501], VERBS)),
]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A server with namespace shop; the waits between tries are left out."""
    monkeypatch.setattr(retries_module, "backoff_seconds", lambda *dummy: 0.0)
    with FakeApi(b.namespace("shop")) as found:
        yield found


@pytest.mark.parametrize(("status", "verb", "body", "again"), TABLE)
def test_an_answer_is_asked_for_again_or_is_one(api: FakeApi, status: int, verb: str, body: str, again: bool) -> None:
    method, path, dummy, answer, ask = VERBS[verb]
    api.script(method, path, failure(status, body), answer)
    if again:
        ask(api.client())
        assert len(api.seen) == 2
    else:
        with pytest.raises(ApiError, match=f"HTTP {status}: {body[:40]}"):
            ask(api.client())
        assert len(api.seen) == 1


@pytest.mark.parametrize("verb", [verb for verb, row in VERBS.items() if row[2]])
def test_a_server_that_stays_in_trouble_is_given_up(api: FakeApi, verb: str) -> None:
    method, path, dummy, dummy_answer, ask = VERBS[verb]
    api.script(method, path, *[failure(500, LEADER)] * TRIES)
    with pytest.raises(ApiError, match=LEADER):
        ask(api.client())
    assert len(api.seen) == TRIES


@pytest.mark.parametrize("verb", ["patch", "apply", "get", "dry run"])
@pytest.mark.parametrize("trouble", [failure(503, "busy"), Answer(broken=True)], ids=["busy", "broken"])
def test_each_try_of_a_write_is_allowed_anew(api: FakeApi, verb: str, trouble: Answer) -> None:
    """A lock that was ours at the first try may have run out before the second one."""
    method, path, dummy, answer, ask = VERBS[verb]
    client, asked = api.client(), list[int]()

    def guard() -> None:
        asked.append(len(api.seen))
        if len(asked) == 3:
            raise LockedError("lost")

    client.before_write = guard
    api.script(method, path, trouble, trouble, answer)
    if verb == "patch":
        with pytest.raises(LockedError, match="lost"):
            ask(client)
        assert (asked, len(api.seen)) == ([0, 1, 2], 2)
    else:
        ask(client)
        assert (asked, len(api.seen)) == ([], 3)


def test_retries_are_bounded_in_time(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six waits of thirty seconds are what a server may ask for by Retry-After."""
    now = [0.0]
    monkeypatch.setattr(retries_module, "backoff_seconds", lambda *dummy: 30.0)
    monkeypatch.setattr(retries_module.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(retries_module.time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    api.script("GET", SHOP, *[failure(503, "busy")] * TRIES)
    with pytest.raises(ApiError, match="busy"):
        api.client().get(SHOP)
    assert (len(api.seen), now[0]) == (3, 60.0)


@pytest.mark.parametrize("verb", VERBS)
def test_a_login_that_is_not_accepted_is_no_matter_of_permissions(api: FakeApi, verb: str) -> None:
    """A 403 is passed over where something need not be readable."""
    method, path, dummy, dummy_answer, ask = VERBS[verb]
    api.script(method, path, failure(401, "Unauthorized"))
    with pytest.raises(UnauthorizedError, match=r"HTTP 401: Unauthorized\. The login is not accepted, or no longer"):
        ask(api.client())
    assert len(api.seen) == 1


def test_a_probe_of_a_revision_is_not_refused_by_a_leader_that_changes(api: FakeApi) -> None:
    made = b.pod("made", "shop", revision=b.OLD)
    api.script("POST", PODS, failure(500, LEADER), Answer(made, 201))
    pod = admission.dry_run(api.client(), "shop", stand_in({}))
    assert isinstance(pod, Pod)
    assert pod.revision == b.OLD


def test_a_webhook_that_fails_is_the_answer_to_a_probe(api: FakeApi) -> None:
    api.script("POST", PODS, failure(500, DOWN))
    refusal = admission.dry_run(api.client(), "shop", stand_in({}))
    assert isinstance(refusal, Refusal)
    assert refusal.by is RefusedBy.INJECTOR
    assert len(api.seen) == 1


def test_a_login_that_is_not_accepted_proves_nothing_about_a_revision(api: FakeApi) -> None:
    mesh, namespaces = (
        b.mesh_of(b.two_planes()),
        b.snapshot_of([b.namespace("shop", {"istio.io/rev": b.NEW})]).namespaces,
    )
    api.script("POST", PODS, failure(401, "Unauthorized"))
    with pytest.raises(UnauthorizedError):
        readiness.prove(api.client(), mesh, namespaces, b.NEW, None)


def test_the_words_are_those_of_the_body(api: FakeApi) -> None:
    """An answer whose body is not a Status has them too."""
    api.script("PATCH", SHOP, Answer(json.dumps(DENIED).encode(), 500))
    with pytest.raises(ApiError):
        api.client().merge(SHOP, {})
    assert len(api.seen) == 1
