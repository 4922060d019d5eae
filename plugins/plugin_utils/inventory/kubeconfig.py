# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters from kubeconfig files: every context is one. Only the place of a login is kept."""

from __future__ import annotations

import dataclasses
import glob
import os
import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.client.kubeconfig import read_kubeconfig
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.model import (
    Cluster,
    Source,
    filled,
    host_of,
    picked,
    same_server,
)


@dataclasses.dataclass(frozen=True)
class Context:
    """A context of a kubeconfig; ``wrong`` says why it leads to no cluster."""

    file: str
    name: str
    cluster: str = ""
    server: str = ""
    same: tuple[str, ...] = ()
    wrong: str = ""

    def __str__(self) -> str:
        return f"context {self.name} of {self.file}"


def files(paths: Iterable[str], base: str) -> list[str]:
    """Return the kubeconfig files that paths name: files, all files of folders, globs; relative to a folder.

    Raises:
        ParameterError: a path names no file.
    """
    found: dict[str, str] = {}
    for path in paths:
        full = os.path.join(base, path)
        inside = os.path.join(glob.escape(full), "*") if os.path.isdir(full) else full
        here = [full] if os.path.isfile(full) else sorted(filter(os.path.isfile, glob.glob(inside)))
        if not here:
            raise ParameterError(f"There is no kubeconfig {full}.")
        for file in here:
            found.setdefault(os.path.realpath(file), os.path.normpath(file))
    return list(found.values())


def read_contexts(file: str) -> list[Context]:
    """Return the contexts of a kubeconfig.

    Raises:
        ParameterError: it cannot be read, or is none. What stands in it is not repeated, as it may be a secret.
    """
    try:
        document = read_kubeconfig(os.path.abspath(file))
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is no YAML"
        raise ParameterError(f"Reading kubeconfig {file} failed: {why}.") from None
    return contexts(file, document)


def contexts(file: str, document: t.Any) -> list[Context]:
    """Return the contexts of a kubeconfig that was parsed.

    Raises:
        ParameterError: it is no kubeconfig.
    """
    try:
        clusters = {entry["name"]: entry["cluster"] or {} for entry in document.get("clusters") or ()}
        users = {entry["name"] for entry in document.get("users") or ()}
        named = [(str(entry["name"]), entry["context"] or {}) for entry in document.get("contexts") or ()]
        found = [_context(file, name, context, clusters, users) for name, context in named]
    except (AttributeError, KeyError, TypeError):
        found = []
    if not found:
        raise ParameterError(f"File {file} is no kubeconfig with contexts; name others by a glob such as *.yaml.")
    return found


def _context(file: str, name: str, context: t.Any, clusters: dict[str, t.Any], users: set[str]) -> Context:
    cluster, user = context.get("cluster"), context.get("user")
    if cluster not in clusters:
        return Context(file, name, wrong=f"its cluster {cluster!r} is not in the file")
    if user and user not in users:
        return Context(file, name, wrong=f"its user {user!r} is not in the file")
    server = str(clusters[cluster].get("server") or "")
    try:
        same = same_server(server)
    except ValueError:
        return Context(file, name, wrong=f"the server of its cluster {cluster!r} is no URL")
    if "@" in server:
        return Context(file, name, wrong=f"the URL of its cluster {cluster!r} holds a login, which would be shown")
    # the same address behind another proxy, or under another name in TLS, is another server
    ways = (str(clusters[cluster].get(key) or "") for key in ("proxy-url", "tls-server-name"))
    return Context(file, name, str(cluster), server, (same, *ways))


def from_kubeconfig(source: Source, found: Iterable[Context]) -> list[Cluster]:
    """Return the clusters of a source of type kubeconfig.

    Raises:
        ParameterError: the source picks none, or one that leads nowhere.
    """
    named = [(filled(source.host_name, "host_name", _fields(context)), context) for context in found]
    wanted = picked(source, [name for name, dummy in named])
    return [_cluster(source, name, context) for name, context in named if name in wanted]


def _fields(context: Context) -> dict[str, str]:
    stem = os.path.splitext(os.path.basename(context.file))[0]
    return {"context": context.name, "cluster": context.cluster, "file": stem}


def _cluster(source: Source, name: str, context: Context) -> Cluster:
    if context.wrong:
        raise ParameterError(f"{source}: {context} is not usable: {context.wrong}; leave it out by exclude.")
    return Cluster(
        host=host_of(source, name),
        name=context.name,
        found=str(context),
        source=source.type,
        kubeconfig=context.file,
        context=context.name,
        server=context.server,
        same=context.same,
    )
