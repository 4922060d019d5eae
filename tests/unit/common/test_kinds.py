# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""API paths of the kinds that Istio's charts render."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import object_path


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Deployment", "/apis/apps/v1/namespaces/n/deployments/x"),
        ("ConfigMap", "/api/v1/namespaces/n/configmaps/x"),
        ("ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles/x"),
    ],
)
def test_object_path(kind: str, expected: str) -> None:
    assert object_path(kind, "n", "x") == expected
