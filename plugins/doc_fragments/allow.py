# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``allow`` of modules that refuse a move by which configuration would stop applying."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment meshops.istio.allow."""

    DOCUMENTATION = r"""
options:
  allow:
    description:
      - Codes of findings that do not refuse a move. The only one that is checked is V(MU053), configuration that would
        stop applying because its label C(istio.io/rev) names the previous revision.
      - See M(meshops.istio.istio_precheck) for the codes.
    type: list
    elements: str
    default: []
"""
