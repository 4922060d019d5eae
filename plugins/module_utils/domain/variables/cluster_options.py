# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn the variables of a host into the options of the action group meshops.istio.istio: its cluster and its run.

As a mapping of templates, these options would be compiled in the worker of each task, which took as long as reading the
cluster.
"""

from __future__ import annotations

import hashlib
import json
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import (
    CATALOGUE,
    PERCENT,
    STRATEGY,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import (
    FINALIZE_BY_DEFAULT,
    kind_of,
    read_variable,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import PREFIX

#: Options of the action group, and the variables that give them; the first with a value counts.
CLUSTER = {
    "kubeconfig": ("istio_kubeconfig",),
    "context": ("istio_context",),
    "host": ("istio_host",),
    "api_key": ("istio_api_key",),
    "ca_cert": ("istio_ca_cert",),
    "validate_certs": ("istio_validate_certs",),
    "client_cert": ("istio_client_cert",),
    "client_key": ("istio_client_key",),
    "proxy": ("istio_proxy",),
    "no_proxy": ("istio_no_proxy",),
    "impersonate_user": ("istio_impersonate_user",),
    "impersonate_groups": ("istio_impersonate_groups",),
    "expected_cluster_id": ("istio_expected_cluster_id",),
    "istio_namespace": ("istio_namespace",),
}
#: The playbooks compute it from the revision, the version and the strategy.
TARGET_REVISION = "__istio_target_revision"
#: The same for the entries of the option `run`.
RUN = {
    "started_by": ("istio_started_by", "awx_user_name", "tower_user_name"),
    "job": ("awx_job_id", "tower_job_id"),
    "strategy": (STRATEGY,),
    "version": ("istio_version",),
    "revision": (TARGET_REVISION,),
    "phase": ("role_name",),
    "lock_seconds": ("istio_lock_seconds",),
    "break_lock": ("istio_break_lock",),
    "undoes": ("istio_run_id",),
}
RUN_TAGS, SKIPPED_TAGS = "ansible_run_tags", "ansible_skip_tags"
#: Variables that affect the result only through the target revision, so that two ways to write it are one request.
IN_TARGET_REVISION = {"istio_revision", "istio_downgrade_strategy"}
#: The variables in the digest of a request.
DECIDING = (
    *(name for name, variable in CATALOGUE.items() if variable.affects_result and name not in IN_TARGET_REVISION),
    TARGET_REVISION,
)
#: The variables of a host that `cluster_options` reads.
INPUTS = frozenset(
    {name for names in (*CLUSTER.values(), *RUN.values()) for name in names}
    | {*DECIDING, FINALIZE_BY_DEFAULT, RUN_TAGS, SKIPPED_TAGS}
)


def cluster_options(variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return the options that have a value; an empty text counts as not set.

    Args:
        variables: the INPUTS that a host has, templated.

    Raises:
        ParameterError: the value of a variable in the digest is not of its type.
    """
    options, run = _set_options(CLUSTER, variables), _set_options(RUN, variables)
    digest = request_digest(variables)
    return {"istio_namespace": "istio-system", **options, "run": {**run, "request_digest": digest} if digest else run}


def _set_options(options: Mapping[str, tuple[str, ...]], variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    candidates = {option: [_read(name, variables) for name in names] for option, names in options.items()}
    values = {option: [value for value in of if value not in (None, "", [])] for option, of in candidates.items()}
    return {option: of[0] for option, of in values.items() if of}


def _read(name: str, variables: Mapping[str, t.Any]) -> t.Any:
    """Return texts and lists as such, whatever YAML made of them; the modules convert other types."""
    is_typed = name.startswith(PREFIX) and kind_of(name) in ("text", "list")
    return read_variable(name, variables) if is_typed else variables.get(name)


def request_digest(variables: Mapping[str, t.Any]) -> str:
    """Return a digest of everything that affects the result of a run.

    It is empty for a run that leaves something to a later run, and for a rollback: such a run never makes a cluster up
    to date.

    Raises:
        ParameterError: the value of a variable is not of its type.
    """
    is_partial = list(variables.get(RUN_TAGS) or ["all"]) != ["all"] or bool(variables.get(SKIPPED_TAGS))
    if is_partial or (variables.get(STRATEGY) or "rollback") == "rollback":
        return ""
    values = {name: read_variable(name, variables) for name in DECIDING}
    if values[PERCENT] not in ("", 100):
        return ""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
