# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Selects workloads of some namespaces by kind, name, labels and fields."""

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
        """Return whether the field of a workload has the value, or with ``!=`` another one."""
        return (getattr(workload, self.name.removeprefix("metadata.")) == self.value) is self.equal


def read_fields(text: str) -> tuple[Field, ...]:
    """Return the terms of a field selector.

    Raises:
        ParameterError: the text is not a field selector, or names a field that selects no workloads.
    """
    fields = []
    for term in filter(None, map(str.strip, text.split(","))):
        parts = TERM.fullmatch(term)
        if parts is None or parts[1].strip() not in FIELDS:
            raise ParameterError(
                f"Parameter field_selector: {term!r} is not FIELD=VALUE or FIELD!=VALUE with one of the fields "
                f"{' and '.join(FIELDS)}, which the API server supports for workloads."
            )
        fields.append(Field(parts[1].strip(), parts[3].strip(), parts[2] != "!="))
    return tuple(fields)


@dataclasses.dataclass(frozen=True)
class Selection:
    """The workloads that a task may restart; an empty criterion selects everything."""

    namespaces: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    fields: tuple[Field, ...] = ()

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> Selection:
        """Return the selection of a task; its namespaces may still be patterns.

        Raises:
            ParameterError: a kind is unknown, or a selector is not valid.
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
        fields = read_fields(params["field_selector"] or "")
        namespaces = tuple(dict.fromkeys(params["namespaces"]))
        return cls(namespaces, tuple(params["kinds"]), tuple(params["names"]), labels, fields)

    def selects(self, workload: Workload) -> bool:
        """Return whether a workload is selected."""
        return (
            self._of_kind(workload)
            and matches(self.labels, workload.labels)
            and all(field.matches(workload) for field in self.fields)
            and (not self.names or any(_named(workload, name) for name in self.names))
        )

    def _of_kind(self, workload: Workload) -> bool:
        return workload.namespace in self.namespaces and (not self.kinds or workload.kind in self.kinds)

    def require_names(self, workloads: Iterable[Workload]) -> None:
        """Refuse a name that no workload has, stale or not: it is a typing error, or of another namespace.

        Raises:
            ParameterError: with the names.
        """
        candidates = [workload for workload in workloads if self._of_kind(workload)]
        unknown = [name for name in self.names if not any(_named(workload, name) for workload in candidates)]
        if unknown:
            kinds = " or ".join(self.kinds) or "workload"
            raise ParameterError(
                f"Parameter names: no {kinds} in {', '.join(self.namespaces)} is called {', '.join(unknown)}."
            )


def _named(workload: Workload, name: str) -> bool:
    kind, dummy, pattern = name.rpartition("/")
    return kind in ("", workload.kind) and fnmatch.fnmatchcase(workload.name, pattern)
