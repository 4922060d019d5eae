# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Join the tables of variables to one catalogue of everything that users of the playbooks may set.

Types, defaults and help texts are in three files: `catalogue_fleet` (clusters, fleet and run), `catalogue_upgrade`
(target, installation, findings and finalize) and `catalogue_data_plane` (namespaces and restarts).
"""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue_data_plane import (
    NAMESPACE_VARIABLES,
    RESTART_VARIABLES,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue_fleet import (
    CLUSTER_VARIABLES,
    FLEET_VARIABLES,
    RUN_VARIABLES,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue_upgrade import (
    FINALIZE_VARIABLES,
    FINDING_VARIABLES,
    INSTALLATION_VARIABLES,
    TARGET_VARIABLES,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import Variable

CATALOGUE: dict[str, Variable] = {
    variable.name: variable
    for variable in (
        *CLUSTER_VARIABLES,
        *FLEET_VARIABLES,
        *TARGET_VARIABLES,
        *INSTALLATION_VARIABLES,
        *NAMESPACE_VARIABLES,
        *RESTART_VARIABLES,
        *FINDING_VARIABLES,
        *FINALIZE_VARIABLES,
        *RUN_VARIABLES,
    )
}
#: The variables that the lookup returns by type.
TYPED = tuple(name for name, variable in CATALOGUE.items() if variable.in_fact)
FINALIZE, STRATEGY, PERCENT, VERSION = "istio_finalize", "istio_strategy", "istio_percent", "istio_version"
OTHER_VARIABLES = "istio_other_variables"
#: Variables with the prefix that hosts have without a user: from the inventory plugin, and from set_stats of an earlier
#: job of a workflow.
FACTS = (
    "istio_cluster_id", "istio_cluster_labels", "istio_cluster_name", "istio_cluster_server", "istio_cluster_source",
    "istio_running", "istio_unreachable", "istio_versions",
    "istio_fleet_plan", "istio_fleet_run", "istio_fleet_status", "istio_precheck_fleet",
)  # fmt: skip
#: Facts that an earlier playbook of the same ansible-playbook leaves at hosts.
INTERNAL_FACTS = (
    "__istio_completed", "__istio_ended", "__istio_excluded", "__istio_mesh", "__istio_plan", "__istio_up_to_date",
    "__istio_variables",
)  # fmt: skip
