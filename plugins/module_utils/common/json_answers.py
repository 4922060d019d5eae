# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses the JSON answers of an API server, also if an object in them is nested too deeply for Python.

The API server accepts 10,000 levels where the schema of a custom resource is open; Python's parser accepts fewer.
"""

from __future__ import annotations

import json
import re
import typing as t

#: No field that the collection reads is nested as deeply.
DEPTH = 100
CUT = "nested too deep to be read"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def parse_json_answer(raw: bytes) -> t.Any:
    """Return the value of a JSON text; parts that are nested too deeply are replaced by a text.

    Raises:
        ValueError: the text is not JSON.
    """
    try:
        return json.loads(raw)
    except RecursionError:
        return json.loads(_shallow(raw))


def _shallow(raw: bytes) -> bytes:
    kept, begin, depth = [], 0, 0
    for match in _TOKEN.finditer(raw):
        sign = match[0]
        if sign in (b"[", b"{"):
            depth += 1
            if depth == DEPTH + 1:
                kept += [raw[begin : match.start()], json.dumps(CUT).encode()]
        elif sign in (b"]", b"}"):
            if depth == DEPTH + 1:
                begin = match.end()
            depth -= 1
    return b"".join([*kept, raw[begin:] if depth <= DEPTH else b""])
