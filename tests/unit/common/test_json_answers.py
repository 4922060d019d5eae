# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of an API server with an object that is nested without end: that part is cut off, and all else is read."""

from __future__ import annotations

import json

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.watch_events import Event
from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import CUT, DEPTH, parse_json_answer
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.snapshot import fetch_snapshot
from unit.support import builders as b
from unit.support.api_answers import Answer
from unit.support.fake_api import FakeApi

LEVELS = 20_000
LISTS, MAPS = b"[" * LEVELS + b"]" * LEVELS, b'{"a":' * LEVELS + b"1" + b"}" * LEVELS


@pytest.mark.parametrize("deep", [LISTS, MAPS], ids=["lists", "maps"])
def test_only_what_is_deep_is_cut(deep: bytes) -> None:
    found = parse_json_answer(b'{"items": [%s, {"b": "x\\"]}", "c": [1]}, %s]}' % (deep, deep))
    assert found["items"][1] == {"b": 'x"]}', "c": [1]}
    assert json.dumps(found).count(CUT) == 2
    depth = found["items"][2]
    for dummy in range(DEPTH - 2):
        depth = depth[0] if isinstance(depth, list) else depth["a"]
    assert depth == CUT


@pytest.mark.parametrize("raw", [b"", b"{", b"[" * LEVELS, LISTS + b"x", b'{"a": %s' % LISTS])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        parse_json_answer(raw)


def test_f18_a_custom_resource_that_is_nested_without_end_hides_no_other() -> None:
    """The API server takes 10,000 levels in the value of a patch."""
    objects = [json.dumps(one).encode() for one in (b.envoy_filter("odd"), b.envoy_filter("good", "shop", "1.30"))]
    items = (
        objects[0].replace(b'"configPatches": []', b'"configPatches": [{"patch": {"value": %s}}]' % MAPS),
        objects[1],
    )
    with FakeApi(*b.two_planes(), *b.namespaces(shop=b.OLD)) as api:
        path = "/apis/networking.istio.io/v1alpha3/envoyfilters"
        api.script("GET", path, Answer(b'{"metadata": {}, "items": [%s]}' % b",".join(items)))
        found = fetch_snapshot(api.client(), b.SYSTEM, pods=True, precheck_inputs=True)
    assert {one.name: one.proxy_versions for one in found.precheck_inputs.extensions} == {"odd": (), "good": ("1.30",)}


def test_an_event_about_such_an_object_is_one() -> None:
    event = Event(b'{"type": "ADDED", "object": {"metadata": {"uid": "u"}, "spec": %s}}' % MAPS, "Watching")
    assert (event.change, event.uid) == ("ADDED", "u")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 150_000,
        "a: [",
        "!!int ''",
        "!!float ''",
        "!!timestamp x",
        "!!bool x",
        "2001-99-99",
        "9" * 5000,
        "[a]: b",
        "? {a: b}",
    ],
)
def test_yaml_that_cannot_be_read_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="."):
        load_yaml(text)
