# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the variables that name a cluster, describe its run, or order the clusters of a fleet."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import ALL, WRITERS, Variable

CLUSTER_VARIABLES = (
    Variable(
        name="istio_kubeconfig", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="Path of a kubeconfig file. It requires `istio_context`, because the current context is never used.",
    ),
    Variable(
        name="istio_context", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="Context in the kubeconfig file.",
    ),
    Variable(
        name="istio_host", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="URL of the API server, instead of a kubeconfig file.",
    ),
    Variable(
        name="istio_api_key", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="Bearer token, with `istio_host`.",
    ),
    Variable(
        name="istio_client_cert", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="File with a client certificate, with `istio_host` and `istio_client_key`.",
    ),
    Variable(
        name="istio_client_key", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="File with the private key of the client certificate.",
    ),
    Variable(
        name="istio_ca_cert", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="File with the CA certificates that verify the API server, with `istio_host`.",
    ),
    Variable(
        name="istio_validate_certs", type="bool", default=True, playbooks=ALL, affects_result=False,
        help="Whether the certificate of the API server is verified.",
    ),
    Variable(
        name="istio_proxy", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="URL of a proxy between the task and the API server.",
    ),
    Variable(
        name="istio_no_proxy", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="Hosts, domains and networks with commas between them that do not use `istio_proxy`.",
    ),
    Variable(
        name="istio_impersonate_user", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="User to impersonate, also with a kubeconfig file. The login needs the permission to impersonate.",
    ),
    Variable(
        name="istio_impersonate_groups", type="list", default=[], playbooks=ALL, affects_result=False, in_fact=False,
        help="Groups to impersonate, with `istio_impersonate_user`.",
    ),
    Variable(
        name="istio_expected_cluster_id", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        help="UID of the namespace kube-system. A cluster with another UID is refused before anything is written.",
    ),
    Variable(
        name="istio_namespace", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        unset="`istio-system`", help="Namespace of the control planes.",
    ),
)  # fmt: skip
RUN_VARIABLES = (
    Variable(
        name="istio_started_by", type="text", default="", playbooks=WRITERS, affects_result=False, in_fact=False,
        unset="the user of AWX, else `user@machine`", help="Name of the lock holder.",
    ),
    Variable(
        name="istio_lock_seconds", type="int", default="", playbooks=WRITERS, affects_result=False, unset="300",
        help="Seconds until the lock of a run expires that could not release it.", guide="status.md#the-lock",
    ),
    Variable(
        name="istio_break_lock", type="text", default="", playbooks=WRITERS, affects_result=False, in_fact=False,
        in_survey=True,
        help="Holder whose lock is taken over without waiting, as the refusal names it. "
        "Only for a run that is known to be dead.", guide="status.md#the-lock",
    ),
)  # fmt: skip
FLEET_VARIABLES = (
    Variable(
        name="istio_hosts", type="text", default="", playbooks=ALL, affects_result=False, in_fact=False,
        unset="`all`", help="Clusters of the run, as a pattern of hosts and groups. `--limit` narrows it further.",
    ),
    Variable(
        name="istio_serial", type="amount", default="100%", playbooks=WRITERS, affects_result=False,
        help="Number of clusters of a ring that run in parallel, or a percentage of the ring.",
    ),
    Variable(
        name="istio_failure_budget", type="amount", default="", playbooks=WRITERS, affects_result=False, in_survey=True,
        unset="`0` with rings, `100%` without",
        help="Number of clusters of the run that may fail before no other cluster begins, or a percentage of all.",
    ),
    Variable(
        name="istio_ring_soak", type="int", default=0, playbooks=WRITERS, affects_result=False,
        help="Seconds to wait between two rings.",
    ),
    Variable(
        name="istio_skip_up_to_date", type="bool", default=True, playbooks=WRITERS, affects_result=False,
        help="Whether clusters with nothing to do are skipped. `false` runs all stages there too.",
        guide="fleet.md#the-plan",
    ),
    Variable(
        name="istio_other_variables", type="list", default=[], playbooks=ALL, affects_result=False,
        help="Names of variables that begin with `istio_` and belong to other code.",
    ),
)  # fmt: skip
