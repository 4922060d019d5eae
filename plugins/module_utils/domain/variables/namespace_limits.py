# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide which namespaces a run may touch, whether by label, by tag or by the default.

A name may be a pattern, such as pay-*. Names of Kubernetes have none of its characters, so patterns are unambiguous.
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError

WILDCARDS = frozenset("*?[")
#: The variable of the playbooks for each limit.
LIMIT_VARIABLES = {
    "namespaces": "istio_namespaces",
    "waves": "istio_waves",
    "exclude": "istio_exclude_namespaces",
}


def is_pattern(name: str) -> bool:
    """Return whether a name in a list is a pattern for several namespaces."""
    return bool(WILDCARDS & set(name))


def match_namespaces(name: str, existing: Iterable[str]) -> list[str]:
    """Return the namespaces that a name in a list matches; a plain name matches itself."""
    if not is_pattern(name):
        return [name]
    return sorted(namespace for namespace in existing if fnmatch.fnmatchcase(namespace, name))


def unknown_reason(name: str, existing: Iterable[str]) -> str:
    """Return why a name in a list matches no namespace, or an empty text."""
    namespaces = sorted(existing)
    if is_pattern(name):
        return "" if match_namespaces(name, namespaces) else f"no namespace matches {name}"
    if name in namespaces:
        return ""
    nearest = difflib.get_close_matches(name, namespaces, 1)
    return f"there is no namespace {name}" + (f" (the nearest name is {nearest[0]})" if nearest else "")


def expand_namespaces(parameter: str, names: Iterable[str], existing: Iterable[str], cluster: str) -> list[str]:
    """Return the namespaces that a list matches, each once, in its order.

    Raises:
        ParameterError: a name or a pattern matches no namespace.
    """
    namespaces, listed = set(existing), list(names)
    _refuse_unknown(parameter, listed, namespaces, cluster)
    return list(dict.fromkeys(match for name in listed for match in match_namespaces(name, namespaces)))


def _refuse_unknown(parameter: str, names: Sequence[str], existing: set[str], cluster: str) -> None:
    reasons = dict.fromkeys(reason for name in names if (reason := unknown_reason(name, existing)))
    if reasons:
        raise ParameterError(
            f"Parameter {parameter}: on cluster {cluster} {'; '.join(reasons)}. Nothing was changed; fix the name, or "
            "remove it."
        )


@dataclasses.dataclass(frozen=True)
class NamespaceLimits:
    """The lists of namespaces that a user gives; an empty list limits nothing."""

    namespaces: tuple[str, ...] = ()
    waves: tuple[tuple[str, ...], ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, lists: Mapping[str, t.Any]) -> NamespaceLimits:
        """Return the limits of an option, or of a mapping with the same keys."""
        waves = tuple(tuple(map(str, wave)) for wave in lists.get("waves") or ())
        return cls(tuple(lists.get("namespaces") or ()), waves, tuple(lists.get("exclude") or ()))

    @property
    def allow_only_named(self) -> bool:
        """Whether only namespaces in the lists may be touched."""
        return bool(self.namespaces or self.waves)

    def exclusion_reason(self, namespace: str) -> str:
        """Return the limit that excludes a namespace, or an empty text."""
        if _matches_any(namespace, self.exclude):
            return f"{LIMIT_VARIABLES['exclude']} names it"
        if self.namespaces and not _matches_any(namespace, self.namespaces):
            return f"{LIMIT_VARIABLES['namespaces']} does not name it"
        if self.waves and not any(_matches_any(namespace, wave) for wave in self.waves):
            return f"{LIMIT_VARIABLES['waves']} does not name it"
        return ""

    def allows(self, namespace: str) -> bool:
        """Return whether a namespace may be touched."""
        return not self.exclusion_reason(namespace)

    def require_known(self, existing: Iterable[str], cluster: str) -> None:
        """Refuse names that match no namespace: a typing error would allow a namespace that its owner excluded.

        Raises:
            ParameterError: with the nearest names.
        """
        lists = {
            "namespaces": self.namespaces,
            "waves": [name for wave in self.waves for name in wave],
            "exclude": self.exclude,
        }
        namespaces = set(existing)
        for key, names in lists.items():
            _refuse_unknown(f"limits.{key} (variable {LIMIT_VARIABLES[key]})", names, namespaces, cluster)


def _matches_any(namespace: str, names: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(namespace, name) for name in names)
