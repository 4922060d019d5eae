# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists page by page, and the lines of a watch, from a real HTTP server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client import retries as retries_module
from ansible_collections.meshops.istio.plugins.module_utils.client.api import METADATA_ONLY, PAGE_SIZE, Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, GoneError
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi

PODS = "/api/v1/pods"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """A server with namespace shop; the waits between tries are left out."""
    monkeypatch.setattr(retries_module, "backoff_seconds", lambda *dummy: 0.0)
    with FakeApi(b.namespace("shop")) as found:
        yield found


def page(*names: str, token: str = "", version: str = "5") -> Answer:
    """One page of a list."""
    items = [{"metadata": {"name": name}} for name in names]
    return Answer({"metadata": {"resourceVersion": version, **({"continue": token} if token else {})}, "items": items})


def names(found: list[b.Json]) -> list[str]:
    """Names of listed objects."""
    return [obj["metadata"]["name"] for obj in found]


def test_lists_come_page_by_page(api: FakeApi) -> None:
    api.script("GET", PODS, page("a", token="t1"), page("b", token="t2"), page("c"))
    assert names(api.client().list(PODS, labelSelector="x=y")) == ["a", "b", "c"]
    assert [seen.query.get("continue") for seen in api.seen] == [None, "t1", "t2"]
    assert {(seen.query["limit"], seen.query["labelSelector"]) for seen in api.seen} == {(str(PAGE_SIZE), "x=y")}


def test_410_makes_the_whole_list_start_again(api: FakeApi) -> None:
    api.script(
        "GET", PODS, page("a", token="t1"), failure(410, "expired"), page("a", token="t2"), page("b", version="9")
    )
    assert api.client().collect(PODS, lambda obj: obj["metadata"]["name"]) == (["a", "b"], "9")


def test_410_twice_is_an_error(api: FakeApi) -> None:
    api.script("GET", PODS, page("a", token="t"), failure(410), page("a", token="t"), failure(410, "expired"))
    with pytest.raises(GoneError, match="expired"):
        api.client().list(PODS)


def test_an_empty_list_may_have_no_items(api: FakeApi) -> None:
    api.script("GET", PODS, Answer({"metadata": {}, "items": None}))
    assert api.client().list(PODS) == []


@pytest.mark.parametrize(("metadata", "accept"), [(False, "application/json"), (True, METADATA_ONLY)])
def test_only_metadata_is_asked_for_where_it_is_enough(api: FakeApi, metadata: bool, accept: str) -> None:
    api.client().list(PODS, metadata=metadata)
    assert api.seen[0].headers.get_all("Accept") == [accept]


def watch(client: Client) -> list[tuple[str, str]]:
    """Type and name of all events of one watch."""
    events = client.watch(PODS, resource_version="7", seconds=1)
    return [(event.change, event.object["metadata"]["name"]) for event in events]


def event(change: str, name: str) -> bytes:
    """One line of a watch."""
    return json.dumps({"type": change, "object": {"metadata": {"name": name}}}).encode() + b"\n"


def test_watch_lines_may_be_split_over_chunks(api: FakeApi) -> None:
    text = event("ADDED", "a") + event("MODIFIED", "bär") + b"\n" + event("DELETED", "c")
    api.script("GET", PODS, Answer(chunks=tuple(text[at : at + 7] for at in range(0, len(text), 7))))
    assert watch(api.client()) == [("ADDED", "a"), ("MODIFIED", "bär"), ("DELETED", "c")]
    assert api.seen[0].query == {
        "watch": "true", "resourceVersion": "7", "timeoutSeconds": "1", "allowWatchBookmarks": "true",
    }  # fmt: skip


def test_several_watch_lines_may_come_in_one_chunk(api: FakeApi) -> None:
    api.script("GET", PODS, Answer(chunks=(event("ADDED", "a") + event("ADDED", "b"),)))
    assert watch(api.client()) == [("ADDED", "a"), ("ADDED", "b")]


def test_half_a_line_at_the_end_is_no_event(api: FakeApi) -> None:
    api.script("GET", PODS, Answer(chunks=(event("ADDED", "a"), b'{"type": "ADD')))
    assert watch(api.client()) == [("ADDED", "a")]


def test_a_watch_that_is_answered_by_somebody_else_breaks_off(api: FakeApi) -> None:
    """As by a proxy with a page of its own; the thread that watches must live on."""
    api.script("GET", PODS, Answer(chunks=(event("ADDED", "a"), b"<html>Log in</html>\n")))
    with pytest.raises(ClusterError, match="Watching /api/v1/pods .* broke off: the answer is not JSON"):
        watch(api.client())


@pytest.mark.parametrize(
    "answer",
    [
        failure(410, "too old"),
        Answer(chunks=(b'{"type": "ERROR", "object": {"code": 410, "message": "too old", "reason": "Expired"}}\n',)),
    ],
    ids=["at once", "as an event"],
)
def test_a_watch_that_is_too_old_says_so(api: FakeApi, answer: Answer) -> None:
    api.script("GET", PODS, answer)
    with pytest.raises(GoneError, match="Watching /api/v1/pods .* too old"):
        watch(api.client())
