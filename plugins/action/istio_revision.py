# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run meshops.istio.istio_revision inside the controller when the connection is local."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE
from ansible_collections.meshops.istio.plugins.plugin_utils.action import ModuleAction


class ActionModule(ModuleAction):
    """The action plugin of istio_revision."""

    CORE = CORE
