# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of the Kubernetes API that several rooms use."""

from __future__ import annotations

NAMESPACES = "/api/v1/namespaces"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def group_path(api_version: str) -> str:
    """Return the path of an API group and version, as objects name it in ``apiVersion``; the core group has no name."""
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
