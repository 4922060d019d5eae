# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads which istiods a pod template names by address, as ztunnel, agents of gateways and annotations do."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import annotations_of
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map, as_maps, as_text

#: Host of a Service of istiod in an address (istio/istio manifests/charts/ztunnel/templates/daemonset.yaml).
ADDRESS = re.compile(r"(?<![\w.-])(istiod(?:-[a-z0-9-]+)?)\.([a-z0-9-]+)(?:\.svc[\w.-]*)?:[0-9]+")
#: Annotation with the configuration of a proxy, which may have a discoveryAddress.
PROXY_CONFIG = "proxy.istio.io/config"


def istiod_services(template: Mapping[str, t.Any]) -> tuple[tuple[str, str], ...]:
    """Return namespace and name of each Service of istiod that a pod template names in an environment variable, an
    argument or the annotation ``proxy.istio.io/config``.
    """
    texts = "\n".join(_texts(template))
    return tuple(sorted({(namespace, name) for name, namespace in ADDRESS.findall(texts)}))


def _texts(template: Mapping[str, t.Any]) -> Iterator[str]:
    """Yield the texts of a pod template that may have an address."""
    yield as_text(annotations_of(template).get(PROXY_CONFIG))
    spec = as_map(template.get("spec"))
    for container in (*as_maps(spec.get("containers")), *as_maps(spec.get("initContainers"))):
        for variable in as_maps(container.get("env")):
            yield as_text(variable.get("value"))
        for key in ("command", "args"):
            words = container.get(key)
            yield from (as_text(word) for word in (words if isinstance(words, list) else ()))
