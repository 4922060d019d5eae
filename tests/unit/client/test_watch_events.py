# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Events of a watch: what they are about is seen without parsing them, and what looks otherwise is parsed."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.watch_events import Event
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, GoneError

META = {"name": "web-1", "generateName": "web-", "namespace": "shop", "uid": "u-1", "resourceVersion": "7"}
MORE = {"labels": {"uid": "x"}, "ownerReferences": [{"uid": "y"}]}


def line(meta: dict[str, t.Any], change: str = "MODIFIED", **over: t.Any) -> bytes:
    """An event as the API server writes it."""
    event = {"type": change, "object": {"kind": "Pod", "apiVersion": "v1", "metadata": meta, "spec": {}, **over}}
    return json.dumps(event, separators=(",", ":")).encode()


def without(*names: str) -> dict[str, t.Any]:
    """The metadata of a pod without some of it."""
    return {key: value for key, value in {**META, **MORE}.items() if key not in names}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        pytest.param(line({**META, **MORE}), False, id="a pod of a ReplicaSet"),
        pytest.param(line(without("generateName")), False, id="a name of its own"),
        pytest.param(line(without("generateName", "namespace")), False, id="of no namespace"),
        pytest.param(line(META, apiVersion="apps/v1"), False, id="another group"),
        pytest.param(line(dict(sorted({**META, **MORE}.items()))), True, id="another order"),
        pytest.param(line({**MORE, **META}), True, id="other uids first"),
        pytest.param(line({**META, **MORE}).replace(b":", b": "), True, id="written otherwise"),
        pytest.param(line({**META, **MORE}) + b" ", True, id="not the end that is known"),
    ],
)
def test_what_an_event_is_about(text: bytes, parsed: bool) -> None:
    event = Event(text, "Watching")
    assert (event.change, event.uid, event.version) == ("MODIFIED", "u-1", "7")
    assert (event._object is not None) is parsed
    assert event.object == json.loads(text)["object"] == event.object


def test_a_bookmark_has_a_version() -> None:
    event = Event(line({"resourceVersion": "9", "creationTimestamp": None}, "BOOKMARK"), "Watching")
    assert (event.change, event.uid, event.version) == ("BOOKMARK", "", "9")


def test_an_error_is_raised_at_once() -> None:
    text = b'{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"code":410,"message":"too old"}}'
    with pytest.raises(GoneError, match="Watching .*too old"):
        Event(text, "Watching")


def test_half_an_event_is_none() -> None:
    with pytest.raises(ClusterError, match="Watching broke off: the answer is not JSON"):
        Event(line({**META, **MORE})[:-3], "Watching")


def test_what_only_begins_like_an_event_is_none() -> None:
    """As where a proxy breaks off and adds a word of its own."""
    event = Event(line({**META, **MORE})[:-9] + b'{"error":{}}', "Watching")
    with pytest.raises(ClusterError, match="Watching broke off: the answer is not JSON"):
        event.object  # noqa: B018 - reading it is the test
