# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option ``limits``, which refuses names of namespaces that do not exist before anything is written."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment meshops.istio.limits, with the variant of filters."""

    DOCUMENTATION = r"""
options:
  limits:
    description:
      - Lists of namespaces to which later tasks of a run are limited.
      - A name of a namespace that does not exist is refused, with the most similar name. So is a pattern such as
        V(pay-*) that matches no namespace.
    type: dict
    suboptions:
      namespaces:
        description: Only these namespaces are touched. Variable C(istio_namespaces) of the playbooks.
        type: list
        elements: str
        default: []
      waves:
        description: Lists of namespaces, one for each wave; only these are touched. Variable C(istio_waves).
        type: list
        elements: list
        default: []
      exclude:
        description: Namespaces that are not touched. Variable C(istio_exclude_namespaces).
        type: list
        elements: str
        default: []
"""

    FILTER = r"""
options:
  limits:
    description:
      - Lists of namespaces C(namespaces) and C(waves) (only these) and C(exclude) (not these), as option
        O(meshops.istio.istio_info#module:limits). Names may be patterns, such as V(pay-*).
    type: dict
    default: {}
"""
