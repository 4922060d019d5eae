# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parsing of rendered manifests."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.install.manifest import parse_manifest

MANIFEST = """\
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gateways.networking.istio.io
---

---
apiVersion: v1
kind: ConfigMap
metadata:
  name: text
data:
  mesh: |-
    a: b
    ---
    kind: CustomResourceDefinition
--- \n\
kind: Service
metadata: {name: istiod}
"""


@pytest.mark.parametrize(
    ("with_crds", "kinds"),
    [(False, ["ConfigMap", "Service"]), (True, ["CustomResourceDefinition", "ConfigMap", "Service"])],
)
def test_crds_are_parsed_on_request(with_crds: bool, kinds: list[str]) -> None:
    assert [obj["kind"] for obj in parse_manifest(MANIFEST, with_crds=with_crds)] == kinds


def test_text_that_looks_like_yaml_stays_text() -> None:
    assert parse_manifest(MANIFEST, with_crds=False)[0]["data"]["mesh"] == "a: b\n---\nkind: CustomResourceDefinition"
