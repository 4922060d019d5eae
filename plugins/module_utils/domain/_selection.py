# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. Which workloads of some namespaces are meant: by kind, by name, by label."""

from __future__ import annotations

import dataclasses
import fnmatch
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client._errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain._selectors import matches, parse_selector
from ansible_collections.meshops.istio.plugins.module_utils.domain._workloads import COLLECTIONS, Workload


@dataclasses.dataclass(frozen=True)
class Selection:
    """What a task may restart; what is empty selects everything."""

    namespaces: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    labels: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def selects(self, workload: Workload) -> bool:
        """Return whether a workload is meant."""
        return (
            self._of_kind(workload)
            and matches(self.labels, workload.labels)
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
        ParameterError: a kind is unknown, or the label selector is broken.
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
    return Selection(tuple(dict.fromkeys(params["namespaces"])), tuple(params["kinds"]), tuple(params["names"]), labels)
