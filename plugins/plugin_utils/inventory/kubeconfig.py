# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters from kubeconfig files: each context is a cluster. Of a login, only file and context are kept."""

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
    fill_template,
    host_name_of,
    normalize_server,
    select_names,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import Source


@dataclasses.dataclass(frozen=True)
class Context:
    """A context of a kubeconfig. ``problem`` is the reason why it is not usable."""

    file: str
    name: str
    cluster: str = ""
    server: str = ""
    #: Equal for all contexts that lead to the same API server.
    server_key: tuple[str, ...] = ()
    problem: str = ""

    def __str__(self) -> str:
        return f"context {self.name} of {self.file}"


def find_files(paths: Iterable[str], base: str) -> list[str]:
    """Return the kubeconfig files that paths refer to, without duplicates.

    Args:
        paths: files, folders, of which all files are taken, and globs.
        base: folder at which relative paths start.

    Raises:
        ParameterError: a path does not match a file.
    """
    files: dict[str, str] = {}
    for path in paths:
        full = os.path.join(base, path)
        pattern = os.path.join(glob.escape(full), "*") if os.path.isdir(full) else full
        matches = [full] if os.path.isfile(full) else sorted(filter(os.path.isfile, glob.glob(pattern)))
        if not matches:
            raise ParameterError(f"There is no kubeconfig {full}.")
        for file in matches:
            files.setdefault(os.path.realpath(file), os.path.normpath(file))
    return list(files.values())


def read_contexts(file: str) -> list[Context]:
    """Return the contexts of a kubeconfig file.

    Raises:
        ParameterError: the file cannot be read, or is not a kubeconfig. The message does not repeat its content, which
            may be secret.
    """
    try:
        document = read_kubeconfig(os.path.abspath(file))
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not valid YAML"
        raise ParameterError(f"Reading kubeconfig {file} failed: {reason}.") from None
    return parse_contexts(file, document)


def parse_contexts(file: str, document: t.Any) -> list[Context]:
    """Return the contexts of a kubeconfig document.

    Raises:
        ParameterError: the document is not a kubeconfig.
    """
    try:
        clusters = {entry["name"]: entry["cluster"] or {} for entry in document.get("clusters") or ()}
        users = {entry["name"] for entry in document.get("users") or ()}
        named = [(str(entry["name"]), entry["context"] or {}) for entry in document.get("contexts") or ()]
        contexts = [_context(file, name, context, clusters, users) for name, context in named]
    except (AttributeError, KeyError, TypeError):
        contexts = []
    if not contexts:
        raise ParameterError(f"File {file} is not a kubeconfig with contexts; select files by a glob such as *.yaml.")
    return contexts


def _context(file: str, name: str, context: t.Any, clusters: dict[str, t.Any], users: set[str]) -> Context:
    cluster, user = context.get("cluster"), context.get("user")
    if cluster not in clusters:
        return Context(file, name, problem=f"its cluster {cluster!r} is not in the file")
    if user and user not in users:
        return Context(file, name, problem=f"its user {user!r} is not in the file")
    server = str(clusters[cluster].get("server") or "")
    try:
        address = normalize_server(server)
    except ValueError:
        return Context(file, name, problem=f"the server of its cluster {cluster!r} is not a valid URL")
    if "@" in server:
        return Context(file, name, problem=f"the URL of its cluster {cluster!r} contains a login, which would be shown")
    # The same address behind another proxy, or with another TLS server name, is another server.
    route = (str(clusters[cluster].get(key) or "") for key in ("proxy-url", "tls-server-name"))
    return Context(file, name, str(cluster), server, (address, *route))


def clusters_from_kubeconfig(source: Source, contexts: Iterable[Context]) -> list[Cluster]:
    """Return the clusters of a source of type kubeconfig.

    Raises:
        ParameterError: the source selects no cluster, or a context that is not usable.
    """
    named = [(fill_template(source.host_name, "host_name", _fields(context)), context) for context in contexts]
    selected = select_names(source, [name for name, dummy in named])
    return [_cluster(source, name, context) for name, context in named if name in selected]


def _fields(context: Context) -> dict[str, str]:
    stem = os.path.splitext(os.path.basename(context.file))[0]
    return {"context": context.name, "cluster": context.cluster, "file": stem}


def _cluster(source: Source, name: str, context: Context) -> Cluster:
    if context.problem:
        raise ParameterError(f"{source}: {context} is not usable: {context.problem}; leave it out by exclude.")
    return Cluster(
        host=host_name_of(source, name),
        name=context.name,
        origin=str(context),
        source=source.type,
        kubeconfig=context.file,
        context=context.name,
        server=context.server,
        server_key=context.server_key,
    )
