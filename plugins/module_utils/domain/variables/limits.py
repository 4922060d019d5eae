# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which namespaces a user lets a run touch, on every path: by label, by tag, by the default.

A name may be a pattern, such as pay-*. Names of Kubernetes have none of its characters, so nothing else can be meant.
"""

from __future__ import annotations

import dataclasses
import difflib
import fnmatch
import typing as t
from collections.abc import Iterable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError

WILD = frozenset("*?[")
#: The variables of the playbooks that give each limit.
VARIABLE = {
    "namespaces": "istio_namespaces",
    "waves": "istio_waves",
    "exclude": "istio_exclude_namespaces",
}


def is_pattern(name: str) -> bool:
    """Return whether a name in a list stands for all namespaces of that form."""
    return bool(WILD & set(name))


def matching(name: str, there: Iterable[str]) -> list[str]:
    """Return the namespaces that a name in a list means."""
    return sorted(one for one in there if fnmatch.fnmatchcase(one, name)) if is_pattern(name) else [name]


def unknown(name: str, there: Iterable[str]) -> str:
    """Return why a name in a list means nothing, or an empty text."""
    known = sorted(there)
    if is_pattern(name):
        return "" if matching(name, known) else f"no namespace matches {name}"
    if name in known:
        return ""
    near = difflib.get_close_matches(name, known, 1)
    return f"there is no namespace {name}" + (f" (the nearest name is {near[0]})" if near else "")


def expanded(parameter: str, names: Iterable[str], there: Iterable[str], cluster: str) -> list[str]:
    """Return the namespaces that a list means, each once, in its order.

    Raises:
        ParameterError: a name or a pattern means nothing.
    """
    known, listed = set(there), list(names)
    _refuse(parameter, [why for name in listed if (why := unknown(name, known))], cluster)
    return list(dict.fromkeys(one for name in listed for one in matching(name, known)))


def _refuse(lists: str, reasons: Sequence[str], cluster: str) -> None:
    if reasons:
        raise ParameterError(
            f"Parameter {lists}: on cluster {cluster} {'; '.join(dict.fromkeys(reasons))}. Nothing was changed; mend "
            "the name, or leave it out."
        )


@dataclasses.dataclass(frozen=True)
class Limits:
    """What the user gave; an empty list limits nothing."""

    namespaces: tuple[str, ...] = ()
    waves: tuple[tuple[str, ...], ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def read(cls, given: Mapping[str, t.Any]) -> Limits:
        """Return the limits of an option or of a mapping with these keys."""
        waves = tuple(tuple(map(str, wave)) for wave in given.get("waves") or ())
        return cls(tuple(given.get("namespaces") or ()), waves, tuple(given.get("exclude") or ()))

    @property
    def narrow(self) -> bool:
        """Whether only what is named may be touched."""
        return bool(self.namespaces or self.waves)

    def why_not(self, namespace: str) -> str:
        """Return which limit leaves a namespace out, or an empty text."""
        if _named(namespace, self.exclude):
            return f"{VARIABLE['exclude']} names it"
        if self.namespaces and not _named(namespace, self.namespaces):
            return f"{VARIABLE['namespaces']} does not name it"
        if self.waves and not any(_named(namespace, wave) for wave in self.waves):
            return f"{VARIABLE['waves']} does not name it"
        return ""

    def allows(self, namespace: str) -> bool:
        """Return whether a namespace may be touched."""
        return not self.why_not(namespace)

    def require_known(self, there: Iterable[str], cluster: str) -> None:
        """Refuse names that mean nothing: as a slip, they would leave a namespace to what its owner excluded it from.

        Raises:
            ParameterError: with the nearest names.
        """
        known = set(there)
        lists = {
            "namespaces": self.namespaces,
            "waves": [n for wave in self.waves for n in wave],
            "exclude": self.exclude,
        }
        for key, names in lists.items():
            reasons = [why for name in names if (why := unknown(name, known))]
            _refuse(f"limits.{key} (variable {VARIABLE[key]})", reasons, cluster)


def _named(namespace: str, names: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(namespace, name) for name in names)
