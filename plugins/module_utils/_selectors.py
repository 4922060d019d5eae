# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Label selectors with the semantics of the API server.

Source of the rules: Kubernetes API reference, LabelSelector (apimachinery pkg/apis/meta/v1/helpers.go).
"""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

Labels = Mapping[str, str]


def requirement_matches(requirement: Mapping[str, t.Any], labels: Labels) -> bool:
    """Return whether one matchExpressions entry (key, operator, values) holds for the labels."""
    key, operator = requirement["key"], requirement["operator"]
    values = requirement.get("values") or []
    if operator == "In":
        return key in labels and labels[key] in values
    if operator == "NotIn":
        return key not in labels or labels[key] not in values
    if operator == "Exists":
        return key in labels
    if operator == "DoesNotExist":
        return key not in labels
    raise ValueError(f"unknown label selector operator {operator!r}")


def matches(selector: Mapping[str, t.Any] | None, labels: Labels) -> bool:
    """Return whether a LabelSelector holds; a missing or empty one holds for everything."""
    if not selector:
        return True
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(requirement_matches(requirement, labels) for requirement in selector.get("matchExpressions") or [])
