# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. What surrounds a mesh, and only checks look at; pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils._mesh import name_of
from ansible_collections.meshops.istio.plugins.module_utils._room import Node


@dataclasses.dataclass(frozen=True)
class Extension:
    """An EnvoyFilter or WasmPlugin, and the proxyVersion expressions of its patches."""

    kind: str
    namespace: str
    name: str
    proxy_versions: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Permission:
    """One verb on one resource, and what it is needed for; ``local`` is whether only in the mesh's own namespace."""

    verb: str
    group: str
    resource: str
    purpose: str
    local: bool = False

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


@dataclasses.dataclass(frozen=True)
class Around:
    """What was read beside the mesh; ``unread`` maps a field to why it could not be read."""

    nodes: tuple[Node, ...] = ()
    extensions: tuple[Extension, ...] = ()
    denied: tuple[Permission, ...] = ()
    unread: Mapping[str, str] = dataclasses.field(default_factory=dict)


def read_extension(kind: str, obj: Mapping[str, t.Any]) -> Extension:
    """Return what of an EnvoyFilter or WasmPlugin counts for an upgrade."""
    proxies = [(one.get("match") or {}).get("proxy") or {} for one in obj.get("spec", {}).get("configPatches") or ()]
    versions = dict.fromkeys(proxy["proxyVersion"] for proxy in proxies if proxy.get("proxyVersion"))
    return Extension(kind, obj["metadata"]["namespace"], name_of(obj), tuple(versions))
