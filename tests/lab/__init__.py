# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a real Kubernetes and a real Istio as plain processes, for tests and the demo."""

from __future__ import annotations

from .api import Lab
from .cluster import Cluster
from .errors import ApiError, LabError

__all__ = ["ApiError", "Cluster", "Lab", "LabError"]
