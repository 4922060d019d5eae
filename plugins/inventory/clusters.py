# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory meshops.istio.clusters: its documentation, and the methods that ansible-core calls."""

from __future__ import annotations

DOCUMENTATION = r"""
name: clusters
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Clusters from kubeconfig files, Open Cluster Management and Argo CD
description:
  - Each host is a cluster. Its variables contain the login that the playbooks of this collection use.
  - Reads files whose names end in C(istio.yml), C(istio.yaml), C(clusters.yml) or C(clusters.yaml), such as
    C(fleet.istio.yml). Static inventories can be used in addition.
  - Ignores the current context of a kubeconfig. A hub is selected by kubeconfig and context.
  - Logins stay in their kubeconfig files. No token, certificate or key becomes a variable or is cached, and the login
    in a Secret of Argo CD is not decoded.
  - Two hosts that are the same cluster are an error.
  - If an inventory cannot be read, ansible-core only warns by default, and runs on no host. Set
    E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) to make it an error.
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices: [meshops.istio.clusters]
  sources:
    description: Sources of the clusters. Relative paths start at the folder of the inventory file.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description:
          - V(kubeconfig) reads the contexts of kubeconfig files. Each context is a cluster.
          - V(ocm) reads the ManagedClusters that a hub of Open Cluster Management has accepted.
          - V(argocd) reads the cluster Secrets of Argo CD. The cluster that Argo CD runs in is included only if it has
            a Secret.
        type: str
        required: true
        choices: [kubeconfig, ocm, argocd]
      path:
        description:
          - Kubeconfig files, folders with kubeconfig files, or globs. Required with V(kubeconfig).
          - Each file in a folder must be a kubeconfig. Hidden files are ignored.
        type: list
        elements: path
      include:
        description:
          - Shell patterns of host names, which O(sources[].host_name) defines. Without patterns, all clusters are
            included.
          - A pattern that matches nothing is an error.
        type: list
        elements: str
        default: []
      exclude:
        description: Shell patterns of host names to exclude.
        type: list
        elements: str
        default: []
      host_name:
        description:
          - Name of the host. With V(kubeconfig) it may contain C({context}), C({cluster}) and C({file}), which is the
            name of the file without its suffix. The default is V({context}).
          - With a hub it may contain C({name}). The default is V({name}).
          - Characters other than letters, digits, dots, dashes and underscores are replaced by a dash.
        type: str
      kubeconfig:
        description: File with the login to the hub. Required with V(ocm) and V(argocd).
        type: path
      context:
        description: Context of the hub. Required with V(ocm) and V(argocd).
        type: str
      label_selector:
        description: Label selector of ManagedClusters or Secrets, such as V(env=prod).
        type: str
        default: ''
      namespace:
        description: Namespace of Argo CD.
        type: str
        default: argocd
      logins:
        description:
          - Kubeconfig files, folders or globs with the logins to the clusters of the hub. Required with V(ocm) and
            V(argocd). C({name}) in them is replaced by the name of the cluster.
          - If the hub lists itself, its login is O(sources[].kubeconfig).
        type: list
        elements: path
      login_context:
        description:
          - Context in O(sources[].logins) of a cluster. C({name}) in it is replaced by the name of the cluster.
          - The default is V({name}) with V(ocm). With V(argocd) it is the context with the same server as the Secret.
        type: str
      without_login:
        description: Whether a cluster without a context is an error, or skipped with a warning.
        type: str
        choices: [fail, skip]
        default: fail
  probe:
    description:
      - Whether to read the identity and the running Istio versions of each cluster.
      - A cluster that does not answer stays in the inventory, in the group C(istio_unreachable).
      - Two clusters with known identities are the same if the identities are equal. Other clusters are the same if
        they have the same API server.
    type: bool
    default: false
  probe_timeout:
    description: Timeout of each request to a cluster, in seconds.
    type: int
    default: 5
  istio_namespace:
    description: Namespace of the control planes, for O(probe).
    type: str
    default: istio-system
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - python >= 3.11
  - kubernetes >= 24.2.0
  - PyYAML
seealso:
  - module: meshops.istio.istio_info
"""

EXAMPLES = r"""
# fleet.istio.yml: every context of one file
plugin: meshops.istio.clusters
sources:
  - type: kubeconfig
    path: ~/.kube/fleet.yaml

---
# A folder with one file per cluster, whose contexts have the same name; rings by host name
plugin: meshops.istio.clusters
sources:
  - type: kubeconfig
    path: ~/.kube/clusters
    host_name: "{file}"
    exclude: ["*-readonly"]
groups:
  istio_ring_0: inventory_hostname.startswith('canary-')
  istio_ring_1: inventory_hostname.startswith('eu-')
  istio_ring_2: not inventory_hostname.startswith(('canary-', 'eu-'))

---
# Open Cluster Management: the label ring creates the groups istio_ring_0, istio_ring_1 and so on
plugin: meshops.istio.clusters
strict: true
sources:
  - type: ocm
    kubeconfig: ~/.kube/hub.yaml
    context: hub
    label_selector: env=prod
    logins: ~/.kube/clusters/{name}.yaml
    login_context: admin
keyed_groups:
  - prefix: istio_ring
    key: istio_cluster_labels['ring']

---
# Argo CD, grouped by running version (istio_version_1_30_3 and so on), read at most every ten minutes
plugin: meshops.istio.clusters
sources:
  - type: argocd
    kubeconfig: ~/.kube/hub.yaml
    context: hub
    logins: ~/.kube/fleet.yaml
probe: true
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/meshops-inventory
cache_timeout: 600
compose:
  istio_expected_cluster_id: istio_cluster_id
"""

import hashlib
import os
import typing as t

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import KUBERNETES_IMPORT_ERROR
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError, ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.plugin_utils.compat import never_template
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import parse_options
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.reader import InventoryReader


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Inventory plugin meshops.istio.clusters."""

    NAME = "meshops.istio.clusters"

    def verify_file(self, path: str) -> bool:
        """Return whether a file exists and has a name for this plugin."""
        endings = tuple(f"{name}.{suffix}" for name in ("istio", "clusters") for suffix in ("yml", "yaml"))
        return path.endswith(endings) and bool(super().verify_file(path))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Add the hosts of an inventory file."""
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        try:
            hosts = self._hosts(config, path, cache)
        except MeshError as exc:
            raise AnsibleParserError(f"{path}: {exc.message}") from None
        for host in hosts:
            self._add_host(host)

    def _hosts(self, config: Json, path: str, cache: bool) -> list[Json]:
        if KUBERNETES_IMPORT_ERROR:
            raise ParameterError(
                "The Python library kubernetes is missing; install it in the Python environment of ansible-core."
            )
        options = parse_options(config, self._options)
        reader = InventoryReader(os.path.dirname(path), self.display.warning)
        if not self.get_option("cache"):
            return reader.read_hosts(options)
        # Hosts that were cached for other options are not valid for these.
        key = f"{self.get_cache_key(path)}_{hashlib.sha256(repr(options).encode()).hexdigest()[:12]}"
        if cache and key in self._cache:
            return t.cast("list[Json]", self._cache[key])
        hosts = reader.read_hosts(options)
        self._cache[key] = hosts
        return hosts

    def _add_host(self, host: Json) -> None:
        name, variables = host["name"], never_template(host["variables"])
        self.inventory.add_host(name)
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        for group in host["groups"]:
            self.inventory.add_child(self.inventory.add_group(group), name)
        strict = self.get_option("strict")
        facts = {**variables, "inventory_hostname": name}
        self._set_composite_vars(self.get_option("compose"), facts, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), facts, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), facts, name, strict=strict)
