# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Join the tables of variables to one catalogue of everything that users of the playbooks may set."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.data_plane_variables import (
    NAMESPACE_VARIABLES,
    RESTART_VARIABLES,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.fleet_variables import (
    CLUSTER_VARIABLES,
    FLEET_VARIABLES,
    RUN_VARIABLES,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.upgrade_variables import (
    FINALIZE_VARIABLES,
    GATE_VARIABLES,
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
        *GATE_VARIABLES,
        *FINALIZE_VARIABLES,
        *RUN_VARIABLES,
    )
}
#: The variables that the lookup returns by type.
TYPED = tuple(name for name, variable in CATALOGUE.items() if variable.in_fact)
FINALIZE, STRATEGY, PERCENT, VERSION = "istio_finalize", "istio_strategy", "istio_percent", "istio_version"
OTHER_VARIABLES = "istio_other_variables"
