# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build the table of a fleet that the demo shows before and after the upgrade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
HEADINGS = ("cluster", "control planes", "default", "tags", "namespaces", "proxies")


def rows(results: Mapping[str, Json]) -> list[tuple[str, ...]]:
    """Return one row per cluster, from the results of istio_info by cluster name."""
    return [(name, *cells(result)) for name, result in results.items()]


def cells(result: Json) -> tuple[str, ...]:
    """Return the cells of one cluster."""
    planes = [f"{row['revision']} {'ready' if row['ready'] else 'NOT READY'}" for row in result["control_planes"]]
    tags = [f"{tag}={revision}" for tag, revision in sorted(result["tags"].items()) if tag != "default"]
    places = [row["revision"] for row in result["namespaces"] if row["revision"]]
    versions: dict[str, int] = {}
    for counts in result["proxies"].values():
        for version, count in counts.items():
            versions[version] = versions.get(version, 0) + count
    return (
        ", ".join(planes),
        str(result["default"]["revision"] or "none"),
        ", ".join(tags) or "none",
        ", ".join(f"{places.count(revision)} on {revision}" for revision in sorted(set(places))),
        ", ".join(f"{count} x {version}" for version, count in sorted(versions.items())),
    )


def render(headings: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Return the table as text, with columns as wide as their content."""
    lines = [headings, *body]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    texts = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([texts[0], "  ".join("-" * width for width in widths), *texts[1:]])
