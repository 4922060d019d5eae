# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which workloads of some namespaces are meant: by kind, by name, by label and field."""

from __future__ import annotations

import dataclasses
import fnmatch
import re
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import matches, parse_selector
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import COLLECTIONS, Workload

#: The fields that the API server selects workloads by (Kubernetes documentation, Field Selectors).
FIELDS = ("metadata.name", "metadata.namespace")
TERM = re.compile(r"([^=!]+)(!=|==|=)([^=!]*)")


@dataclasses.dataclass(frozen=True)
class Field:
    """One term of a field selector."""

    name: str
    value: str
    equal: bool

    def matches(self, workload: Workload) -> bool:
        """Return whether a workload has the value, or has not."""
        return (getattr(workload, self.name.removeprefix("metadata.")) == self.value) is self.equal


def read_fields(text: str) -> tuple[Field, ...]:
    """Return the terms of a field selector.

    Raises:
        ParameterError: it is none, or names a field that workloads are not selected by.
    """
    fields = []
    for term in filter(None, map(str.strip, text.split(","))):
        found = TERM.fullmatch(term)
        if found is None or found[1].strip() not in FIELDS:
            raise ParameterError(
                f"Parameter field_selector: {term!r} is not FIELD=VALUE or FIELD!=VALUE with one of the fields "
                f"{' and '.join(FIELDS)}, which are those that the API server knows for workloads."
            )
        fields.append(Field(found[1].strip(), found[3].strip(), found[2] != "!="))
    return tuple(fields)


@dataclasses.dataclass(frozen=True)
class Selection:
    """What a task may restart; what is empty selects everything."""

    namespaces: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    fields: tuple[Field, ...] = ()

    def selects(self, workload: Workload) -> bool:
        """Return whether a workload is meant."""
        return (
            self._of_kind(workload)
            and matches(self.labels, workload.labels)
            and all(field.matches(workload) for field in self.fields)
            and (not self.names or any(_named(workload, name) for name in self.names))
        )

    def _of_kind(self, workload: Workload) -> bool:
        return workload.namespace in self.namespaces and (not self.kinds or workload.kind in self.kinds)

    def require_names(self, workloads: Iterable[Workload]) -> None:
        """Refuse a name that no workload has, stale or not: it is a typing error, or belongs elsewhere.

        Raises:
            ParameterError: with the names.
        """
        there = [workload for workload in workloads if self._of_kind(workload)]
        unknown = [name for name in self.names if not any(_named(workload, name) for workload in there)]
        if unknown:
            kinds = " or ".join(self.kinds) or "workload"
            raise ParameterError(
                f"Parameter names: no {kinds} in {', '.join(self.namespaces)} is called {', '.join(unknown)}."
            )


def _named(workload: Workload, name: str) -> bool:
    kind, dummy, pattern = name.rpartition("/")
    return kind in ("", workload.kind) and fnmatch.fnmatchcase(workload.name, pattern)


def read_selection(params: Mapping[str, t.Any]) -> Selection:
    """Return what the options select.

    Raises:
        ParameterError: a kind is unknown, or a selector is broken.
    """
    for name in params["names"]:
        kind, slash, pattern = name.rpartition("/")
        if (slash and kind not in COLLECTIONS) or not pattern:
            raise ParameterError(
                f"Parameter names: {name!r} is neither the name of a workload nor KIND/NAME with one of the kinds "
                f"{', '.join(COLLECTIONS)}."
            )
    try:
        labels = parse_selector(params["label_selector"] or "")
    except ValueError as exc:
        raise ParameterError(f"Parameter label_selector: {exc}.") from exc
    kinds, names, fields = tuple(params["kinds"]), tuple(params["names"]), read_fields(params["field_selector"] or "")
    return Selection(tuple(dict.fromkeys(params["namespaces"])), kinds, names, labels, fields)
