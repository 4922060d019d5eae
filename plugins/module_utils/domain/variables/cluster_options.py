# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of a host say to each task: which cluster it is, and what run this is.

These are the options of the action group meshops.istio.istio. As a mapping of templates they would be compiled anew in
the worker of each task, which took as long as a reading of the cluster.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import (
    FINALIZE,
    FINALIZE_BY_DEFAULT,
    PERCENT,
    STRATEGY,
    VARIABLES,
    one_given,
)

#: Options of the action group, and the variables that give them: the first that has a value counts.
CLUSTER = {
    "kubeconfig": ("istio_kubeconfig",),
    "context": ("istio_context",),
    "host": ("istio_host",),
    "api_key": ("istio_api_key",),
    "ca_cert": ("istio_ca_cert",),
    "validate_certs": ("istio_validate_certs",),
    "proxy": ("istio_proxy",),
    "expected_cluster_id": ("istio_expected_cluster_id",),
    "istio_namespace": ("istio_namespace",),
}
#: The same for what is in the option ``run``.
RUN = {
    "who": ("istio_who", "awx_user_name", "tower_user_name"),
    "job": ("awx_job_id", "tower_job_id"),
    "strategy": (STRATEGY,),
    "version": ("istio_version",),
    "revision": ("istio_target_revision",),
    "phase": ("role_name",),
    "lock_seconds": ("istio_lock_seconds",),
    "break_lock": ("istio_break_lock",),
    "undoes": ("istio_run_id",),
}
TAGS, SKIPPED = "ansible_run_tags", "ansible_skip_tags"
#: All that decides what a run leads to.
DECIDING = (
    STRATEGY,
    "istio_version",
    "istio_target_revision",
    "istio_source_revision",
    "istio_installer",
    "istio_profile",
    "istio_components",
    "istio_values",
    "istio_tag",
    "istio_charts",
    "istio_allow_default_change",
    "istio_namespaces",
    "istio_waves",
    "istio_exclude_namespaces",
    "istio_tagged_namespaces",
    PERCENT,
    FINALIZE,
    "istio_adopt_shared_components",
)
ASKED = frozenset(
    {name for names in (*CLUSTER.values(), *RUN.values()) for name in names}
    | {*DECIDING, FINALIZE_BY_DEFAULT, TAGS, SKIPPED}
)


def cluster_options(variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the options that are given; an empty text is not.

    Args:
        variables: those of `ASKED` that a host has, templated.

    Raises:
        ParameterError: what decides what the run leads to cannot be what it should be.
    """
    options, run = _first(CLUSTER, variables), _first(RUN, variables)
    digest = wanted(variables)
    return {"istio_namespace": "istio-system", **options, "run": {**run, "wanted": digest} if digest else run}


def _first(options: Mapping[str, tuple[str, ...]], variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    found = {option: [_read(name, variables) for name in names] for option, names in options.items()}
    given = {option: [value for value in values if value not in (None, "")] for option, values in found.items()}
    return {option: values[0] for option, values in given.items() if values}


def _read(name: str, variables: Mapping[str, t.Any]) -> t.Any:
    """Return a text of ours as a text, whatever YAML made of it; the modules read the rest."""
    value = variables.get(name)
    return value if name in VARIABLES or not name.startswith("istio_") else one_given(name, variables)


def wanted(variables: Mapping[str, t.Any]) -> str:
    """Return a digest of what a run leads to; empty where it leaves something to a later run, or leads back.

    Raises:
        ParameterError: a variable cannot be what it should be.
    """
    partly = list(variables.get(TAGS) or ["all"]) != ["all"] or bool(variables.get(SKIPPED))
    if partly or (variables.get(STRATEGY) or "rollback") == "rollback":
        return ""
    values = {name: _typed(name, variables) for name in DECIDING}
    if values[PERCENT] not in ("", 100):
        return ""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _typed(name: str, variables: Mapping[str, t.Any]) -> t.Any:
    return one_given(name, variables)
