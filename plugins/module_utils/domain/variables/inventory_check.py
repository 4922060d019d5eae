# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables of a fleet before the first request."""

from __future__ import annotations

import collections
import difflib
import re
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.text import join_limited
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import (
    CATALOGUE,
    FACTS,
    FINALIZE,
    INTERNAL_FACTS,
    OTHER_VARIABLES,
    PERCENT,
    STRATEGY,
    VERSION,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import (
    BOOLEANS,
    FINALIZE_BY_DEFAULT,
    STRUCTURED,
    find_problem,
    read_variable,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import PREFIX

Variables = Mapping[str, t.Any]
#: Only the playbooks set these variables. -e overrides them, so such a run would not do what its name says.
INTERNAL_PREFIX = "__istio_"
#: The options that name a cluster; a kubeconfig and a context do so only together.
CLUSTER_NAMES = ("kubeconfig", "context", "host")
RELEASE = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z][0-9A-Za-z.-]*)?")
SINGLE_VALUES = sorted(name for name, variable in CATALOGUE.items() if variable.type not in STRUCTURED)


def find_problems(
    clusters: Mapping[str, Variables],
    shared: Variables | None,
    played: Variables | None = None,
    playbook: str = "",
    extra: Variables | None = None,
) -> list[str]:
    """Return a sentence for each problem in the variables of a fleet; empty values count as not set.

    Args:
        clusters: the variables of each cluster.
        shared: kubeconfig, context and host that the environment sets for all clusters; None if a play names the
            clusters, so that their names are not checked.
        played: values that the play of an upgrade sets for clusters without their own; None for other playbooks, which
            need no version.
        playbook: the playbook whose strategy is its name; empty for one that takes any.
        extra: the variables of -e.
    """
    internal = list(_internal_variables(clusters, extra or {}, playbook))
    if internal:
        # All other checks could depend on these variables.
        return internal
    clusters_of: dict[str, list[str]] = collections.defaultdict(list)
    for cluster, variables in clusters.items():
        # A view of both, because a copy would evaluate every variable of the host.
        values = collections.ChainMap(t.cast("t.Any", variables), t.cast("t.Any", played or {}))
        conflicts = [] if played is None else _upgrade_problems(values)
        for sentence in [*_name_and_type_problems(variables), *_padded_values(values), *conflicts]:
            clusters_of[sentence].append(cluster)
    sentences = [f"{sentence}{_affected(names, len(clusters))}" for sentence, names in clusters_of.items()]
    if shared is None:
        return sentences
    return [*sentences, *_unnamed_clusters(clusters, shared), *_duplicate_names(clusters, shared)]


def _internal_variables(clusters: Mapping[str, Variables], extra: Variables, playbook: str) -> Iterator[str]:
    """Yield a sentence for each variable that only the playbooks may set.

    Hosts keep the facts of an earlier playbook of the same run; they never have the variables of plays.
    """
    of_hosts = {name for variables in clusters.values() for name in variables if name not in INTERNAL_FACTS}
    for name in sorted(name for name in {*of_hosts, *extra} if name.startswith(INTERNAL_PREFIX)):
        yield f"Variable {name} is internal to the playbooks; remove it."
    strategy = extra.get(STRATEGY, playbook)
    if playbook and strategy != playbook:
        remedy = f"Run meshops.istio.{strategy} and remove" if strategy in CATALOGUE[STRATEGY].type else "Remove"
        yield f"{STRATEGY}={strategy} conflicts with playbook {playbook}. {remedy} the variable."


def _affected(names: list[str], count: int) -> str:
    """Return the clusters that have a problem, unless all have it."""
    if len(names) == count:
        return ""
    return f" Affected {'cluster' if len(names) == 1 else 'clusters'}: {join_limited(names)}."


def _name_and_type_problems(variables: Variables) -> Iterator[str]:
    try:
        other_names = {*FACTS, *read_variable(OTHER_VARIABLES, variables)}
    except ParameterError:
        # The loop below reports it like that of any other variable.
        other_names = set(FACTS)
    for name in sorted(key for key in variables if key.startswith(PREFIX) and key not in other_names):
        if name not in CATALOGUE:
            yield _unknown_variable(name)
        elif problem := find_problem(name, variables[name]):
            yield problem


def _padded_values(variables: Variables) -> Iterator[str]:
    """Yield values with spaces around them: a survey does not show them, and only lists and mappings may have them."""
    for name in SINGLE_VALUES:
        value = variables.get(name)
        if isinstance(value, str) and value != value.strip():
            yield f"Variable {name} begins or ends with a space or a line break. Remove it."


def _upgrade_problems(variables: Variables) -> Iterator[str]:
    """Yield missing and conflicting variables of an upgrade."""
    version, percent, finalize = (variables.get(name) for name in (VERSION, PERCENT, FINALIZE))
    # A version that is not a text has its sentence already.
    if not find_problem(VERSION, version) and not RELEASE.fullmatch(str(version or "").strip()):
        yield f"Variable {VERSION} is {version or 'missing'}; give the target version, such as 1.31.0."
    finalizes = variables.get(FINALIZE_BY_DEFAULT) if finalize in (None, "") else finalize
    if str(percent or "") not in ("", "100") and BOOLEANS.get(str(finalizes).lower()):
        yield (
            f"{PERCENT}={percent} keeps workloads on the old revision, and this run would remove it ({FINALIZE}). "
            f"Give {PERCENT}=100, or {FINALIZE}=false."
        )


def _unknown_variable(name: str) -> str:
    similar = difflib.get_close_matches(name, CATALOGUE, 1, 0.75)
    question = f" Did you mean {similar[0]}?" if similar else ""
    return f"Unknown variable {name}.{question} If it belongs to other code, add its name to {OTHER_VARIABLES}."


def _cluster_names(variables: Variables, shared: Variables) -> dict[str, str]:
    return {key: str(variables.get(PREFIX + key) or shared.get(key) or "") for key in CLUSTER_NAMES}


def _unnamed_clusters(clusters: Mapping[str, Variables], shared: Variables) -> Iterator[str]:
    clusters_of: dict[str, list[str]] = collections.defaultdict(list)
    for cluster, variables in clusters.items():
        names = _cluster_names(variables, shared)
        if not names["host"] and not (names["kubeconfig"] and names["context"]):
            missing = "istio_context" if names["kubeconfig"] else "istio_kubeconfig" if names["context"] else ""
            clusters_of[missing].append(cluster)
    for missing, affected in clusters_of.items():
        subject = f"{'Cluster' if len(affected) == 1 else 'Clusters'} {join_limited(affected)}"
        verb = "has" if len(affected) == 1 else "have"
        if missing:
            yield f"{subject} {verb} no {missing}; a cluster needs both istio_kubeconfig and istio_context."
        else:
            remedy = "Give istio_kubeconfig and istio_context, or istio_host with a login."
            yield f"{subject} {verb} no connection. {remedy}"


def _duplicate_names(clusters: Mapping[str, Variables], shared: Variables) -> Iterator[str]:
    """Yield clusters with two names: a run would upgrade them twice at the same time."""
    first_of: dict[tuple[str, ...], str] = {}
    for cluster, variables in clusters.items():
        names, expected_id = _cluster_names(variables, shared), str(variables.get("istio_expected_cluster_id") or "")
        path = names["kubeconfig"]
        identities = [
            ("context", names["context"], f"of {path}") if path and names["context"] else (),
            ("host", names["host"].rstrip("/")) if names["host"] else (),
            ("istio_expected_cluster_id", expected_id) if expected_id else (),
        ]
        for identity in filter(None, identities):
            if identity in first_of:
                yield _same_cluster(first_of[identity], cluster, " ".join(identity))
                break
            first_of[identity] = cluster


def find_same_clusters(ids: Mapping[str, str]) -> list[str]:
    """Return a sentence for each cluster that was read under two names; `ids`: the identity of each cluster."""
    first_of: dict[str, str] = {}
    sentences = []
    for cluster, identity in ids.items():
        if identity and identity in first_of:
            evidence = f"namespace kube-system has UID {identity}"
            sentences.append(_same_cluster(first_of[identity], cluster, evidence))
        first_of.setdefault(identity, cluster)
    return sentences


def _same_cluster(first: str, second: str, evidence: str) -> str:
    return f"{first} and {second} are the same cluster ({evidence}). Remove one of them."
