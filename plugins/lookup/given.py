# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup meshops.istio.given: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: given
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Read the variables of the playbooks in their types
description:
  - An inventory has types. C(-e name=value) sends texts, and an empty text for what nobody answered. A survey of
    AWX sends texts of which ansible-core 2.19 and newer makes numbers, dates, V(true), V(false) and nothing.
  - This returns all variables that the playbooks read, in the types that the roles take.
  - A number, V(true) and V(false) may be texts. A list may be a text with commas or line breaks between its parts, and
    the list of lists C(istio_waves) a text with a line for each. Any list or mapping may be a text in YAML or JSON.
  - An empty text, and nothing at all, is not given, and stands for the default.
options:
  _terms:
    description:
      - What to read, by default all of these variables as one mapping.
      - A name of a variable, such as V(istio_serial), is its value.
      - V(cluster_options) are the options of the action group C(meshops.istio.istio), from the variables that name the
        cluster of a host and the run.
      - V(limits) are the lists of namespaces that a run keeps to, as option
        O(meshops.istio.istio_info#module:limits).
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Read what was given
  ansible.builtin.set_fact:
    given: "{{ lookup('meshops.istio.given') }}"

- name: Name the cluster of each host once for all tasks
  hosts: all
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio: "{{ lookup('meshops.istio.given', 'cluster_options') }}"
  tasks:
    - name: Look at it
      meshops.istio.istio_info:
"""

RETURN = r"""
_raw:
  description:
    - Without terms one mapping. The variable C(istio_waves) is its entry C(waves), and so on.
    - With terms one value for each.
    - A variable that cannot be what it should be fails the lookup, with a sentence that names it.
  type: list
  elements: raw
  sample: [{waves: [[catalog, shop], [checkout]], wave_size: 5, finalize: false}]
"""

import typing as t
from collections.abc import Iterable

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import TYPED
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.cluster_options import (
    INPUTS,
    cluster_options,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.limits import LIMIT_VARIABLES
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import (
    FINALIZE_BY_DEFAULT,
    read_variable,
    read_variables,
)

CLUSTER_OPTIONS = "cluster_options"
LIMITS = "limits"


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        """Return what is given; only what is there is templated, because most of it is not."""
        known = variables or {}

        def read(names: Iterable[str]) -> dict[str, t.Any]:
            return {name: self._templar.template(known[name]) for name in names if name in known}

        if not terms:
            return [read_variables(read((*TYPED, FINALIZE_BY_DEFAULT)))]

        def answer(term: str) -> t.Any:
            if term == CLUSTER_OPTIONS:
                return cluster_options(read(INPUTS))
            if term == LIMITS:
                return {key: read_variable(name, read((name,))) for key, name in LIMIT_VARIABLES.items()}
            return read_variable(_known(term), read((term, FINALIZE_BY_DEFAULT)))

        return [answer(term) for term in terms]


def _known(name: str) -> str:
    if name not in TYPED:
        raise AnsibleError(
            f"There is no variable {name} to read; give {CLUSTER_OPTIONS}, {LIMITS} or one of {', '.join(TYPED)}."
        )
    return name
