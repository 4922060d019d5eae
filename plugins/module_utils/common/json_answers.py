# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses what an API server answers, also where one object is nested without end.

The API server takes 10,000 levels in what the schema of a custom resource leaves open; Python's parser takes fewer.
"""

from __future__ import annotations

import json
import re
import typing as t

#: No field that we read is as deep.
DEPTH = 100
CUT = "nested too deep to be read"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def parse_json_answer(raw: bytes) -> t.Any:
    """Return what a JSON text says; what is nested too deep is replaced by a text, so that all else is read.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return json.loads(raw)
    except RecursionError:
        return json.loads(_shallow(raw))


def _shallow(raw: bytes) -> bytes:
    kept, begin, depth = [], 0, 0
    for found in _TOKEN.finditer(raw):
        sign = found[0]
        if sign in (b"[", b"{"):
            depth += 1
            if depth == DEPTH + 1:
                kept += [raw[begin : found.start()], json.dumps(CUT).encode()]
        elif sign in (b"]", b"}"):
            if depth == DEPTH + 1:
                begin = found.end()
            depth -= 1
    return b"".join([*kept, raw[begin:] if depth <= DEPTH else b""])
