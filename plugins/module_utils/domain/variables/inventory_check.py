# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with the variables of a fleet, told before any cluster is asked."""

from __future__ import annotations

import collections
import difflib
import re
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.text import some
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.own_variables import own_faults
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import (
    FINALIZE,
    PARTS,
    PERCENT,
    VARIABLES,
    WORDS,
    one_given,
    problem,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import (
    FINALIZE_BY_DEFAULT as BY_DEFAULT,
)

Variables = Mapping[str, t.Any]
PREFIX = "istio_"
#: Variables of somebody else that begin like ours.
OTHERS = "istio_other_variables"
#: What names a cluster; for a kubeconfig and a context only both together do.
NAMES = ("kubeconfig", "context", "host")
VERSION = "istio_version"
RELEASE = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z][0-9A-Za-z.-]*)?")


def faults(
    clusters: Mapping[str, Variables],
    known: Mapping[str, t.Any],
    shared: Variables | None,
    played: Variables | None = None,
    playbook: str = "",
    extra: Variables | None = None,
) -> list[str]:
    """Return a sentence for each fault of the variables of a fleet; empty values count as not given.

    Args:
        clusters: the variables of each cluster.
        known: names of our variables that are texts, and of facts, as playbooks/vars/known.yml has them.
        shared: kubeconfig, context and host as the environment gives them to all clusters; None where something else
            names them, so that their names are not looked at.
        played: what the play of an upgrade gives to clusters that do not say otherwise; None for other playbooks, which
            need no version.
        playbook: the playbook whose strategy is its name; empty for one that takes any.
        extra: what -e gives.
    """
    own = list(own_faults(clusters, extra or {}, playbook))
    if own:
        # they may be what all else would be judged by
        return own
    found: dict[str, list[str]] = collections.defaultdict(list)
    for name, variables in clusters.items():
        # a view of both, as a copy would evaluate every variable of the host
        given = collections.ChainMap(t.cast("t.Any", variables), t.cast("t.Any", played or {}))
        mistakes = [] if played is None else _mistakes(given)
        for sentence in [*_of_one(variables, known), *_padded(given, known), *mistakes]:
            found[sentence].append(name)
    sentences = [f"{sentence}{_where(names, len(clusters))}" for sentence, names in found.items()]
    return sentences if shared is None else [*sentences, *_unnamed(clusters, shared), *_twice(clusters, shared)]


def _where(names: list[str], count: int) -> str:
    if len(names) == count:
        return ""
    return f" This is so for {'cluster' if len(names) == 1 else 'clusters'} {some(names)}."


def _of_one(variables: Variables, known: Mapping[str, t.Any]) -> Iterator[str]:
    names = {*known["text"], *VARIABLES}
    try:
        others = {*known["facts"], *one_given(OTHERS, variables)}
    except ParameterError:
        # said below, as of each variable
        others = set(known["facts"])
    for name in sorted(key for key in variables if key.startswith(PREFIX) and key not in others):
        value = variables[name]
        if name not in names:
            yield _unknown(name, names)
        else:
            yield from filter(None, [problem(name, value)])


def _padded(variables: Variables, known: Mapping[str, t.Any]) -> Iterator[str]:
    """Spaces around a text stay unseen in a survey, and are right around the parts of a list or a mapping only."""
    one_piece = {*known["text"], *(name for name, (kind, dummy) in VARIABLES.items() if kind not in PARTS)}
    for name in sorted(one_piece):
        value = variables.get(name)
        if isinstance(value, str) and value != value.strip():
            yield f"Variable {name} begins or ends with a space or a line break; give it without."


def _mistakes(variables: Variables) -> Iterator[str]:
    """What an upgrade cannot do without, and what it cannot do together."""
    version, percent, finalize, by_default = map(variables.get, (VERSION, PERCENT, FINALIZE, BY_DEFAULT))
    # of what is no text at all it is said already
    if not problem(VERSION, version) and not RELEASE.fullmatch(str(version or "").strip()):
        yield f"Variable {VERSION} is {version or 'missing'}; give the target version, such as 1.31.0."
    retires = by_default if finalize in (None, "") else finalize
    if str(percent or "") not in ("", "100") and WORDS.get(str(retires).lower()):
        yield (
            f"Variable {PERCENT} is {percent}, so that workloads stay on the old revision, and this run would retire it"
            f" ({FINALIZE}). Give {PERCENT}=100, or {FINALIZE}=false."
        )


def _unknown(name: str, names: set[str]) -> str:
    near = difflib.get_close_matches(name, names, 1, 0.75)
    return (
        f"Variable {name} is none of this collection" + (f"; {near[0]} is." if near else ".") + " If it is somebody "
        f"else's, name it in {OTHERS}."
    )


def _named(variables: Variables, shared: Variables) -> dict[str, str]:
    return {key: str(variables.get(PREFIX + key) or shared.get(key) or "") for key in NAMES}


def _unnamed(clusters: Mapping[str, Variables], shared: Variables) -> Iterator[str]:
    lacking: dict[str, list[str]] = collections.defaultdict(list)
    for name, variables in clusters.items():
        found = _named(variables, shared)
        if not found["host"] and not (found["kubeconfig"] and found["context"]):
            half = "istio_context" if found["kubeconfig"] else "istio_kubeconfig" if found["context"] else ""
            lacking[half].append(name)
    for half, names in lacking.items():
        one = len(names) == 1
        whom = f"{'Cluster' if one else 'Clusters'} {some(names)}"
        if half:
            yield f"{whom} {'has' if one else 'have'} no {half}; a cluster is named by kubeconfig and context together."
        else:
            yield (
                f"{whom} {'is' if one else 'are'} not named; give istio_kubeconfig with istio_context, or istio_host "
                "with a login."
            )


def _twice(clusters: Mapping[str, Variables], shared: Variables) -> Iterator[str]:
    """Two names for one cluster would upgrade it twice at the same time."""
    seen: dict[tuple[str, ...], str] = {}
    for name, variables in clusters.items():
        found, expected = _named(variables, shared), str(variables.get("istio_expected_cluster_id") or "")
        path = found["kubeconfig"]
        keys = [
            ("context", found["context"], f"of {path}") if path and found["context"] else (),
            ("host", found["host"].rstrip("/")) if found["host"] else (),
            ("istio_expected_cluster_id", expected) if expected else (),
        ]
        for key in filter(None, keys):
            if key in seen:
                yield f"Clusters {seen[key]} and {name} are one and the same ({' '.join(key)}); leave one of them out."
                break
            seen[key] = name


def same(ids: Mapping[str, str]) -> list[str]:
    """Return a sentence for each cluster that was read under two names; ``ids``: the identity of each that was read."""
    seen: dict[str, str] = {}
    found = []
    for name, identity in ids.items():
        if identity and identity in seen:
            found.append(
                f"Clusters {seen[identity]} and {name} are one and the same (its namespace kube-system has UID "
                f"{identity}); leave one of them out."
            )
        seen.setdefault(identity, name)
    return found
