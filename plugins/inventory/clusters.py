# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory meshops.istio.clusters: documentation and start; the core is in plugin_utils."""

from __future__ import annotations

DOCUMENTATION = r"""
name: clusters
version_added: 1.0.0
author: Meshops maintainers (@meshops)
short_description: Clusters from kubeconfig files, Open Cluster Management and Argo CD
description:
  - One host is one cluster, with the variables by which the playbooks of this collection log in to it.
  - It takes files whose names end in C(istio.yml), C(istio.yaml), C(clusters.yml) or C(clusters.yaml), such as
    C(fleet.istio.yml). Static inventories can be given beside it.
  - No cluster is guessed. A kubeconfig's current context means nothing, and a hub is named by kubeconfig and context.
  - Logins stay in their kubeconfig files. No token, certificate or key becomes a variable or is cached, and the login
    in a Secret of Argo CD is not decoded.
  - One cluster under two names is refused.
  - By itself ansible-core only warns if an inventory cannot be read, and plays no host. Set
    E(ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED) to make it an error.
options:
  plugin:
    description: Marks the file as one of this plugin.
    type: str
    required: true
    choices: [meshops.istio.clusters]
  sources:
    description: Where the clusters are listed. Relative paths start at the folder of the inventory file.
    type: list
    elements: dict
    required: true
    suboptions:
      type:
        description:
          - V(kubeconfig) takes the contexts of kubeconfig files. Each is a cluster.
          - V(ocm) takes the ManagedClusters of a hub of Open Cluster Management, as far as the hub has accepted them.
          - V(argocd) takes the cluster Secrets of Argo CD. The cluster that Argo CD runs in is among them only if
            it has a Secret.
        type: str
        required: true
        choices: [kubeconfig, ocm, argocd]
      path:
        description:
          - Kubeconfig files, folders of them, or globs. Required with V(kubeconfig).
          - Every file in a folder has to be a kubeconfig; hidden ones are left out.
        type: list
        elements: path
      include:
        description:
          - Shell patterns of names, as O(sources[].host_name) makes them. Without any, all clusters are taken.
          - A pattern that matches nothing is refused.
        type: list
        elements: str
        default: []
      exclude:
        description: Shell patterns of names that are left out.
        type: list
        elements: str
        default: []
      host_name:
        description:
          - Name of the host. With V(kubeconfig) it may hold C({context}), C({cluster}) and C({file}), which is
            the name of the file without its suffix. The default is V({context}).
          - With a hub it may hold C({name}), which is the default.
          - What is no letter, digit, dot, dash or underscore becomes a dash.
        type: str
      kubeconfig:
        description: File with the login to the hub. Required with V(ocm) and V(argocd).
        type: path
      context:
        description: Context of the hub. Required with V(ocm) and V(argocd).
        type: str
      label_selector:
        description: Which ManagedClusters, or Secrets, to take, such as V(env=prod).
        type: str
        default: ''
      namespace:
        description: Namespace of Argo CD.
        type: str
        default: argocd
      logins:
        description:
          - Kubeconfig files, folders or globs with the logins to the clusters of the hub. Required with V(ocm) and
            V(argocd). C({name}) in them is the name of the cluster.
          - The login to the hub itself, where the hub lists it, is the one in O(sources[].kubeconfig).
        type: list
        elements: path
      login_context:
        description:
          - Context in O(sources[].logins) that leads to a cluster. C({name}) in it is the name of the cluster.
          - The default is V({name}) with V(ocm). With V(argocd) it is the context with the server that the Secret
            names.
        type: str
      without_login:
        description: Whether a cluster that no context leads to is an error, or left out with a warning.
        type: str
        choices: [fail, skip]
        default: fail
  look:
    description:
      - Whether to ask each cluster for its identity and for the Istio versions that it runs.
      - A cluster that does not answer stays in the inventory, in the group C(istio_unreachable).
      - Two clusters are then the same if they have the same identity, else if they have the same API server.
    type: bool
    default: false
  look_timeout:
    description: Seconds that each request to a cluster may take.
    type: int
    default: 5
  istio_namespace:
    description: Namespace of the control planes, for O(look).
    type: str
    default: istio-system
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
requirements:
  - python >= 3.12
  - kubernetes >= 31
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
# A folder with a file per cluster, whose contexts all have the same name; rings by the name of the host
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
# Open Cluster Management: the label ring makes the groups istio_ring_0, istio_ring_1 and so on
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
# Argo CD, grouped by running version (istio_version_1_30_3 and so on), asked at most every ten minutes
plugin: meshops.istio.clusters
sources:
  - type: argocd
    kubeconfig: ~/.kube/hub.yaml
    context: hub
    logins: ~/.kube/fleet.yaml
look: true
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
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.model import options
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.reader import Reader


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The inventory plugin of this file."""

    NAME = "meshops.istio.clusters"

    def verify_file(self, path: str) -> bool:
        """Return whether the name of a file says that it is for this plugin."""
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
            self._add(host)

    def _hosts(self, config: Json, path: str, cache: bool) -> list[Json]:
        if KUBERNETES_IMPORT_ERROR:
            raise ParameterError("The Python library kubernetes is missing; install it beside ansible-core.")
        asked = options(config, self._options)
        if not self.get_option("cache"):
            return Reader(os.path.dirname(path), self.display.warning).hosts(asked)
        # what was read for other options is no answer to these
        key = f"{self.get_cache_key(path)}_{hashlib.sha256(repr(asked).encode()).hexdigest()[:12]}"
        if cache and key in self._cache:
            return t.cast("list[Json]", self._cache[key])
        hosts = Reader(os.path.dirname(path), self.display.warning).hosts(asked)
        self._cache[key] = hosts
        return hosts

    def _add(self, host: Json) -> None:
        name, variables = host["name"], host["variables"]
        self.inventory.add_host(name)
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        for group in host["groups"]:
            self.inventory.add_child(self.inventory.add_group(group), name)
        strict = self.get_option("strict")
        known = {**variables, "inventory_hostname": name}
        self._set_composite_vars(self.get_option("compose"), known, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), known, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, name, strict=strict)
