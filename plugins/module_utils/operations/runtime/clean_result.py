# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Removes secrets and control characters from results and progress lines (safety rule S13)."""

from __future__ import annotations

import typing as t
from collections.abc import Set

from ansible.module_utils.common.parameters import remove_values

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import printable


def clean_result(result: Json, secrets: Set[str]) -> Json:
    """Return a result without secrets and without the control characters that a cluster may return."""
    return t.cast("Json", printable(without_secrets(result, secrets)))


def without_secrets(value: t.Any, secrets: Set[str]) -> t.Any:
    """Return a result, or a part of it such as a line of text, without secrets."""
    return remove_values(value, secrets) if secrets else value
