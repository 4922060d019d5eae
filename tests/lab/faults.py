# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of istiod, stored in one file per cluster, which the supervisor reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import LabError
from .state import write_atomically

NEVER_READY = "never-ready"
CRASH_LOOP = "crash-loop"
SLOW_START = "slow-start"
KINDS = (NEVER_READY, CRASH_LOOP, SLOW_START)
DEFAULT_DELAY = {NEVER_READY: 0.0, CRASH_LOOP: 2.0, SLOW_START: 5.0}
ANNOTATION = "lab.meshops.dev/fault"
DELAY_ANNOTATION = "lab.meshops.dev/delay"
#: Faults of a pod's proxy; go/proxies implements them.
PROXY_ANNOTATION = "lab.meshops.dev/proxy-fault"
REJECT, DISCONNECT = "reject", "disconnect"

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Fault:
    """A fault of an istiod, and the seconds after which it crashes or gets ready."""

    kind: str
    delay: float

    @classmethod
    def of(cls, kind: str, delay: str | float | None = None) -> Fault:
        if kind not in KINDS:
            raise LabError(f"{kind!r} is not a fault of istiod; there are {', '.join(KINDS)}.")
        return cls(kind, DEFAULT_DELAY[kind] if delay is None else seconds(delay))


def seconds(delay: str | float) -> float:
    """Parse a duration such as "500ms", "5s", "2m", or a plain number of seconds."""
    match = re.fullmatch(r"([0-9.]+)(ms|s|m|h)?", str(delay))
    if match is None:
        raise LabError(f"{delay!r} is not a duration; write it like 500ms, 5s or 2m.")
    return float(match[1]) * _UNITS[match[2] or "s"]


def read(path: Path) -> dict[str, Fault]:
    """Return the faults by revision or Deployment name."""
    try:
        return {key: Fault(**value) for key, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}


def put(path: Path, key: str, fault: Fault) -> None:
    """Add or replace one fault."""
    _write(path, {**read(path), key: fault})


def clear(path: Path, key: str | None = None) -> None:
    """Remove one fault, or all faults."""
    _write(path, {} if key is None else {name: fault for name, fault in read(path).items() if name != key})


def _write(path: Path, faults: Mapping[str, Fault]) -> None:
    write_atomically(path, json.dumps({key: asdict(fault) for key, fault in faults.items()}))


def of_pod(pod: Mapping[str, Any], faults: Mapping[str, Fault]) -> Fault | None:
    """Return the fault of one istiod pod: by its revision, by the name of its Deployment, or by annotation."""
    metadata = pod["metadata"]
    revision = metadata.get("labels", {}).get("istio.io/rev", "")
    deployment = metadata["name"].rsplit("-", 2)[0]
    fault = faults.get(revision) or faults.get(deployment)
    if fault is not None:
        return fault
    notes = metadata.get("annotations", {})
    kind = notes.get(ANNOTATION)
    return Fault.of(kind, notes.get(DELAY_ANNOTATION)) if kind in KINDS else None
