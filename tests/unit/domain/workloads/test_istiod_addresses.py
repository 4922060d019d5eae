# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The addresses of istiod in a pod template (G1)."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.istiod_addresses import istiod_services

CASES = [
    ("istiod-1-30-3.istio-system.svc:15012", [("istio-system", "istiod-1-30-3")]),
    ("https://istiod.istio-system.svc.cluster.local:15012/x", [("istio-system", "istiod")]),
    ("istiod-revision-tag-prod.mesh:15012", [("mesh", "istiod-revision-tag-prod")]),
    ('{"discoveryAddress":"istiod-a.b.svc:15012"}', [("b", "istiod-a")]),
    ("istiod-a.b.svc:15012,istiod-c.d.svc:15012", [("b", "istiod-a"), ("d", "istiod-c")]),
    # These are no addresses of istiod's Services.
    ("my-istiod.istio-system.svc:15012", []),
    ("eu.istiod.istio-system.svc:15012", []),
    ("istiod-1-30-3", []),
    ("istiodx.istio-system.svc:15012", []),
    ("istiod-1-30-3.istio-system.svc", []),
    ("", []),
]
PLACES: dict[str, t.Callable[[str], dict[str, t.Any]]] = {
    "variable": lambda text: {"spec": {"containers": [{"env": [{"name": "CA_ADDRESS", "value": text}]}]}},
    "variable of an init container": lambda text: {
        "spec": {"initContainers": [{"env": [{"name": "A", "value": text}]}]}
    },
    "argument": lambda text: {"spec": {"containers": [{"args": ["--xds", text]}]}},
    "command": lambda text: {"spec": {"containers": [{"command": [text]}]}},
    "annotation": lambda text: {"metadata": {"annotations": {"proxy.istio.io/config": text}}},
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(("text", "services"), CASES)
def test_an_address_in_each_place(
    place: t.Callable[[str], dict[str, t.Any]], text: str, services: list[tuple[str, str]]
) -> None:
    assert list(istiod_services(place(text))) == services


@pytest.mark.parametrize("template", [{}, {"spec": None}, {"spec": {"containers": [{"env": [{"valueFrom": {}}]}]}}])
def test_a_template_without_an_address(template: dict[str, t.Any]) -> None:
    assert istiod_services(template) == ()
