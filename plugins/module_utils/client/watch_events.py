# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the events of a watch: type, uid and version eagerly, the object on demand.

An injected pod has 12 kB and changes several times while it starts. Most of these objects are never needed.
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, api_error
from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import parse_json_answer
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json

#: How the API server begins an event; an event that begins otherwise is parsed immediately.
HEAD = re.compile(
    rb'\{"type":"(ADDED|MODIFIED|DELETED)","object":\{"kind":"\w+","apiVersion":"[\w./]+","metadata":\{"name":"[^"]*",'
    rb'(?:"generateName":"[^"]*",)?(?:"namespace":"[^"]*",)?"uid":"([^"]*)","resourceVersion":"([^"]*)"[,}]'
)


class Event:
    """One event: the kind of change, the object, and the version from which a watch can continue."""

    __slots__ = ("_doing", "_line", "_object", "change", "uid", "version")

    def __init__(self, line: bytes, doing: str) -> None:
        """Read an event; ``doing`` names the watch in errors.

        Raises:
            ApiError: (or a subclass) the event reports an error.
            ClusterError: the line is not an event.
        """
        self._doing, self._line, self._object = doing, line, None
        head = HEAD.match(line) if line.endswith(b"}}") else None
        if head:
            self.change, self.uid, self.version = (part.decode() for part in head.groups())
            return
        event = self._read()
        self._object = obj = event.get("object") or {}
        self.change = event.get("type", "")
        if self.change == "ERROR":
            raise api_error(doing, int(obj.get("code") or 500), obj)
        meta = obj.get("metadata", {})
        self.uid, self.version = meta.get("uid", ""), meta.get("resourceVersion", "")

    @property
    def object(self) -> Json:
        """The object as it is now, or was when it was deleted.

        Raises:
            ClusterError: the rest of the line is not JSON.
        """
        if self._object is None:
            self._object, self._line = self._read()["object"], b""
        return self._object

    def _read(self) -> Json:
        try:
            event: Json = parse_json_answer(self._line)
        except ValueError as exc:
            raise ClusterError(f"{self._doing} broke off: the answer is not JSON.") from exc
        return event


def read_events(response: t.Any, doing: str) -> Iterator[Event]:
    """Yield the events of an answer as they arrive."""
    rest = b""
    for chunk in response.stream(65536, decode_content=True):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            if line:
                yield Event(line, doing)
