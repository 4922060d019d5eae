# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the API path of an object by discovery."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import LabError

Json = dict[str, Any]


class Resources:
    """A cache of the kinds of an API server; an unknown kind starts discovery again."""

    def __init__(self, get: Callable[[str], Json]) -> None:
        self._get = get
        self._known: dict[tuple[str, str], tuple[str, bool]] = {}

    def path(self, item: Mapping[str, Any]) -> str:
        """Return the path of one object."""
        version, kind, metadata = item["apiVersion"], item["kind"], item["metadata"]
        if (version, kind) not in self._known:
            self._discover(version)
        if (version, kind) not in self._known:
            raise LabError(f"The API server knows no kind {kind} in {version}.")
        plural, namespaced = self._known[version, kind]
        place = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{group_path(version)}{place}/{plural}/{metadata['name']}"

    def _discover(self, version: str) -> None:
        for item in self._get(group_path(version))["resources"]:
            if re.fullmatch(r"[a-z]+", item["name"]):
                self._known[version, item["kind"]] = (item["name"], item["namespaced"])


def group_path(version: str) -> str:
    """Return the path of a group: /api/v1 or /apis/GROUP/VERSION."""
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
