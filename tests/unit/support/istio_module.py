# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A folder like the part of Istio's Go module that the lab copies."""

from __future__ import annotations

from pathlib import Path

from lab import sources

CHART = {
    "Chart.yaml": "version: 1.0.0\nappVersion: 1.0.0\n",
    "values.yaml": "hub: registry.istio.io/testing\ntag: latest\n",
    "templates/service.yaml": "kind: Service # version: 1.0.0\n",
}


def write_istio_module(module: Path) -> None:
    """Write the charts, each with the same files, and the CRDs of the Gateway API."""
    files = {sources.GATEWAY_API: ""}
    for folder in sources.CHARTS.values():
        files |= {f"manifests/charts/{folder}/{name}": text for name, text in CHART.items()}
    for name, text in files.items():
        path = module / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
