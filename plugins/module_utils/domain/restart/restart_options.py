# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of a restart, parsed once; below this file no code reads raw parameters."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.batching import BatchLimits
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.maintenance_window import window_end
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.percentage import CanaryPercentage
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection

#: Values of option ``scope``: restart only workloads with stale pods, or every selected workload.
STALE, ALL = "stale", "all"
#: Values of options ``on_failure`` and ``on_workload_failure``; only the second has ``stop``.
ROLLBACK, HOLD, STOP = "rollback", "hold", "stop"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A URL that a gate queries, and the login that it sends."""

    url: str = dataclasses.field(repr=False)
    timeout: int = 10
    ca_path: str | None = None
    username: str | None = dataclasses.field(default=None, repr=False)
    password: str | None = dataclasses.field(default=None, repr=False)
    token: str | None = dataclasses.field(default=None, repr=False)

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> Endpoint:
        """Return the endpoint of one entry of ``gates.http`` or ``gates.prometheus``."""
        return cls(
            params["url"],
            params["timeout"],
            params["ca_path"],
            params["username"],
            params["password"],
            params.get("token"),
        )


@dataclasses.dataclass(frozen=True)
class HttpGate:
    """A URL that must answer with one of some HTTP statuses."""

    endpoint: Endpoint
    statuses: tuple[int, ...] = (200,)


@dataclasses.dataclass(frozen=True)
class PrometheusGate:
    """A query whose samples must all compare with a value as given."""

    endpoint: Endpoint
    query: str
    compare: str
    value: float


@dataclasses.dataclass(frozen=True)
class GateOptions:
    """The checks that a batch must pass after its rollouts; times in seconds."""

    soak: int = 0
    connected: bool = False
    istiod: bool = False
    http: tuple[HttpGate, ...] = ()
    prometheus: tuple[PrometheusGate, ...] = ()
    timeout: int = 60

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any]) -> GateOptions:
        """Return the gates of option ``gates``."""
        return cls(
            params["soak"],
            params["connected"],
            params["istiod"],
            tuple(HttpGate(Endpoint.from_params(gate), tuple(gate["status"])) for gate in params["http"]),
            tuple(
                PrometheusGate(Endpoint.from_params(gate), gate["query"], gate["compare"], gate["value"])
                for gate in params["prometheus"]
            ),
            params["timeout"],
        )


@dataclasses.dataclass(frozen=True)
class RestartOptions:
    """All options of module rollout_restart that decide how it restarts workloads; times in seconds."""

    selection: Selection
    scope: str
    canary: CanaryPercentage | None
    limits: BatchLimits
    #: Namespaces as given, with patterns; ``selection`` has their names once they are resolved.
    namespace_patterns: tuple[str, ...]
    #: Namespaces that earlier steps of the same run move, as option ``planned`` lists them.
    planned_namespaces: tuple[str, ...]
    pause: int
    #: End of the maintenance window.
    window_end: datetime.datetime | None
    deadline: int | None
    batch_timeout: int
    budget_timeout: int
    on_failure: str
    on_workload_failure: str
    #: Whether namespaces that were deleted meanwhile are left out instead of refused.
    skip_missing: bool
    #: Whether workloads that were broken before are restarted after the others, or left as they are.
    broken_workloads: str
    restore_labels: bool
    gates: GateOptions
    log_lines: int
    #: Codes of findings that do not refuse a move.
    allow: frozenset[str]

    @classmethod
    def from_params(cls, params: Mapping[str, t.Any], now: datetime.datetime) -> RestartOptions:
        """Return the options of a task that starts now.

        Raises:
            ParameterError: an option can never be right, or some do not go together.
        """
        limits, selection, canary = (
            BatchLimits.from_params(params),
            Selection.from_params(params),
            CanaryPercentage.from_params(params),
        )
        return cls(
            selection=selection,
            scope=params["scope"],
            canary=canary,
            limits=limits,
            namespace_patterns=tuple(params["namespaces"]),
            planned_namespaces=tuple((params.get("planned") or {}).get("namespaces") or ()),
            pause=params["pause"],
            window_end=None if params["not_after"] is None else window_end(params["not_after"], now),
            deadline=params["deadline"],
            batch_timeout=params["batch_timeout"],
            budget_timeout=params["budget_timeout"],
            on_failure=params["on_failure"],
            on_workload_failure=params["on_workload_failure"] or params["on_failure"],
            skip_missing=params["skip_missing"],
            broken_workloads=params["broken_workloads"],
            restore_labels=params["restore_labels"],
            gates=GateOptions.from_params(params["gates"]),
            log_lines=params["log_lines"],
            allow=frozenset(params["allow"]),
        )

    @property
    def window_end_utc(self) -> str:
        """Return the end of the maintenance window in UTC as results carry it, or an empty string."""
        end = self.window_end
        return f"{end.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}" if end else ""

    def window_ends_by(self, time: datetime.datetime) -> bool:
        """Whether the maintenance window has ended at some time."""
        return self.window_end is not None and time >= self.window_end
