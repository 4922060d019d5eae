# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Untrusted text is read, or refused by a ValueError and no other exception."""

from __future__ import annotations

import copy
import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common import untrusted

REFUSED = {
    "nothing": "",
    "no JSON": "{",
    "deep list": "[" * 150_000,
    "deep and whole": "[" * 100 + "]" * 100,
    "deep map": '{"a":' * 150_000,
    "deeper than copies can go": "[" * 900 + "]" * 900,
    "huge": " " * (untrusted.MAX_CHARACTERS + 1),
    "no number": "[NaN]",
    "infinite": "-Infinity",
    "large number": "1e999",
    "more digits than Python reads": "1" * 5000,
    "half a character": '{"a": "\\ud800"}',
    "half a character as a key": '{"\\ud800": 1}',
    "no text": 7,
    "null": None,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_refused_by_a_sentence(text: t.Any) -> None:
    with pytest.raises(ValueError, match="."):
        untrusted.read_json(text)


@pytest.mark.parametrize("text", ['{"a": [1, 2.5, "x", null]}', "7", '"\\u00fc"', "[" * 64 + "]" * 64, "[]" + " " * 99])
def test_what_can_be_read_can_be_copied_and_written(text: str) -> None:
    found = untrusted.read_json(text)
    assert json.loads(json.dumps(copy.deepcopy(found))) == json.loads(text)


@pytest.mark.parametrize("text", ["[]", "null", "7", '"a"'])
def test_a_map_is_asked_for(text: str) -> None:
    with pytest.raises(ValueError, match="not a JSON object"):
        untrusted.read_json_map(text)


@pytest.mark.parametrize("value", [None, True, -1, 2**31, 1.5, float("nan"), "", "many", "1.5%", [], {}])
def test_what_is_no_number_is_the_default(value: object) -> None:
    assert untrusted.as_int(value, 5) == 5
    assert untrusted.as_int(3, 5) == 3


@pytest.mark.parametrize("value", [None, 7, "", "today", "2026-01-01T00:00:00", "0000-01-02T00:00:00Z"])
def test_what_is_no_time_is_none(value: object) -> None:
    assert untrusted.as_time(value) is None
    assert untrusted.as_time("9999-12-31T23:59:59Z") is None
    assert str(untrusted.as_time("2026-01-01T00:00:00Z")) == "2026-01-01 00:00:00+00:00"


def test_what_has_another_type_is_as_good_as_nothing() -> None:
    assert (untrusted.as_map([]), untrusted.as_list({}), untrusted.as_text(7, "-")) == ({}, [], "-")
    assert untrusted.as_texts({"a": "b", "c": 1, 2: "d"}) == {"a": "b"}
    assert list(untrusted.as_maps([{}, 1, None])) == [{}]


def test_what_people_see_prints() -> None:
    raw = {
        "msg": "a\nb\x1b[2J",
        "diff": {"before": "a\n\tb\x07"},
        "k\u202ek": ["\ud800", 7, None],
        "findings": [{"message": "a\rb"}],
    }
    clean = {"msg": "a b [2J", "diff": {"before": "a\n\tb "}, "k k": [" ", 7, None], "findings": [{"message": "a b"}]}
    assert untrusted.printable(raw) == clean
    assert len(untrusted.printable({"actions": ["x" * 20_000]})["actions"][0]) == untrusted.MOST_IN_LINE


def test_a_message_shows_one_line_that_prints() -> None:
    assert untrusted.shown("a\x1b[31m\r\nb\u202ec") == "a [31m b c"
    assert len(untrusted.shown("x" * 500)) == 80
