# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup meshops.istio.variables: documentation and start; the core is in module_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: variables
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Read the variables of the playbooks in their types
description:
  - An inventory has types. C(-e name=value) sends texts, and an empty text for an unanswered question. A survey of AWX
    sends texts, from which ansible-core 2.19 and newer makes numbers, dates, V(true), V(false) and nothing.
  - This lookup returns all variables that the playbooks read, in the types that the roles take.
  - A number, V(true) and V(false) may be texts. A list may be a text with commas or line breaks between its parts, and
    the list of lists C(istio_waves) a text with a line for each inner list. Any list or mapping may be a text in YAML
    or JSON.
  - An empty text counts as not set and returns the default.
options:
  _terms:
    description:
      - Names to read, by default all of these variables as one mapping.
      - The name of a variable, such as V(istio_serial), returns its value.
      - V(cluster_options) returns the options of the action group C(meshops.istio.istio), from the variables that name
        the cluster of a host and the run.
      - V(limits) returns the lists of namespaces that limit a run, as option
        O(meshops.istio.istio_info#module:limits).
    type: list
    elements: str
seealso:
  - plugin: meshops.istio.fleet
    plugin_type: lookup
"""

EXAMPLES = r"""
- name: Read the playbook variables
  ansible.builtin.set_fact:
    playbook_variables: "{{ lookup('meshops.istio.variables') }}"

- name: Name the cluster of each host once for all tasks
  hosts: all
  gather_facts: false
  module_defaults:
    group/meshops.istio.istio: "{{ lookup('meshops.istio.variables', 'cluster_options') }}"
  tasks:
    - name: Read the cluster
      meshops.istio.istio_info:
"""

RETURN = r"""
_raw:
  description:
    - Without terms one mapping. The variable C(istio_waves) is its entry C(waves), and so on.
    - With terms one value for each term.
    - A value that does not fit the type of its variable fails the lookup. The error names the variable.
  type: list
  elements: raw
  sample: [{waves: [[catalog, shop], [checkout]], wave_size: 5, finalize: false}]
"""

import typing as t
from collections.abc import Iterable

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import TYPED
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.cluster_options import (
    INPUTS,
    cluster_options,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import LIMIT_VARIABLES
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.typed_variables import (
    FINALIZE_BY_DEFAULT,
    read_variable,
    read_variables,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.compat import lookup_errors, plain_texts

CLUSTER_OPTIONS = "cluster_options"
LIMITS = "limits"


class LookupModule(LookupBase):
    """The lookup of this file."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[t.Any]:
        """Return the variables; only those that are set are rendered, because most are not."""
        set_variables = variables or {}

        def render(names: Iterable[str]) -> dict[str, t.Any]:
            rendered = {name: self._templar.template(set_variables[name]) for name in names if name in set_variables}
            return {name: plain_texts(value) for name, value in rendered.items()}

        def read_term(term: str) -> t.Any:
            if term == CLUSTER_OPTIONS:
                return cluster_options(render(INPUTS))
            if term == LIMITS:
                return {key: read_variable(name, render((name,))) for key, name in LIMIT_VARIABLES.items()}
            return read_variable(_require_documented(term), render((term, FINALIZE_BY_DEFAULT)))

        with lookup_errors():
            if not terms:
                return [read_variables(render((*TYPED, FINALIZE_BY_DEFAULT)))]
            return [read_term(term) for term in terms]


def _require_documented(name: str) -> str:
    if name not in TYPED:
        raise AnsibleLookupError(
            f"There is no variable {name} to read; give {CLUSTER_OPTIONS}, {LIMITS} or one of {', '.join(TYPED)}."
        )
    return name
