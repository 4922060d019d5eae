# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to meshops.istio. What a cluster remembers of the last run that changed it: who, from where, how far."""

from __future__ import annotations

import hashlib
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain._foreign import as_text, as_texts, read_json_map
from ansible_collections.meshops.istio.plugins.module_utils.domain._journal import UNKNOWN_RUN

#: Key of the ConfigMap.
KEY = "record.json"
RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"
#: What the run leads to, and what it left, both as digests (see _settled).
WANTED, FINGERPRINT = "wanted", "fingerprint"
#: What the options of a run say of it.
TOLD = ("job", "strategy", "version", "revision", WANTED)
#: A run that goes on with what another one left unfinished has the same of these, and its id.
SAME = ("strategy", "version", "revision")
ROLLBACK = "rollback"
#: Which run it is, which one it undoes, and which one a rollback after it would undo.
IDS = ("id", "undoes", "undoable", "undoable_revision")
#: What failed in a run that went on, and in which phase: its later phases, and that it then stops, do not hide it.
FAILURE, FAILED_IN = "failure", "failed_in"
#: What is text in it.
TEXTS = (
    "who",
    "process",
    *IDS,
    *TOLD,
    "started",
    "phase",
    "state",
    "updated",
    "message",
    FAILURE,
    FAILED_IN,
    FINGERPRINT,
)
#: What is of no use to people.
HIDDEN = ("process", WANTED, FINGERPRINT, FAILURE, FAILED_IN, "undoable", "undoable_revision")

Record = dict[str, t.Any]


def read_record(obj: Mapping[str, t.Any] | None) -> Record | None:
    """Return the record of a raw ConfigMap, or None if there is none that can be read."""
    try:
        return _as_written(read_json_map(((obj or {}).get("data") or {}).get(KEY)))
    except ValueError:
        return None


def _as_written(found: Mapping[str, t.Any]) -> Record:
    """Return a record in the form in which it was written, whoever changed it since."""
    record = {key: as_text(value) if key in TEXTS else value for key, value in found.items()}
    if "phases" in record:
        record["phases"] = as_texts(record["phases"])
    if "previous" in record:
        before = record["previous"]
        told = {key: value for key, value in before.items() if key != "previous"} if isinstance(before, dict) else {}
        record["previous"] = _as_written(told) or None
    return record


def run_id(process: str) -> str:
    """Return the id of a run: the same on all clusters of one ansible-playbook, and no number for YAML."""
    return f"r{hashlib.sha256(process.encode()).hexdigest()[:9]}"


def begun(before: Record | None, run: Mapping[str, t.Any], who: str, process: str, now: str) -> Record:
    """Return the record when a run is about to write: a new one, or the next phase of its own."""
    phase = str(run.get("phase") or "")
    if before is None or before.get("process") != process:
        told = {name: str(run.get(name) or "") for name in TOLD}
        previous = {key: value for key, value in (before or {}).items() if key not in ("previous", *HIDDEN)}
        ids = _ids(before or {}, told, str(run.get("undoes") or ""), process)
        before = {
            "who": who,
            "process": process,
            **ids,
            **told,
            "started": now,
            "phases": {},
            "previous": previous or None,
        }
    known = before.get("phases", {})
    phases = known if not phase or phase in known else {**known, phase: now}
    return {**before, "state": RUNNING, "phase": phase or before.get("phase", ""), "phases": phases, "updated": now}


def _ids(before: Record, told: Mapping[str, str], undoes: str, process: str) -> dict[str, str]:
    """Return who a run is, which run it undoes, and which one a rollback after it would undo."""
    goes_on = before.get("state") not in (None, DONE) and all(before.get(name) == told[name] for name in SAME)
    own = str(before["id"]) if goes_on and before.get("id") else run_id(process)
    if told["strategy"] != ROLLBACK:
        return {"id": own, "undoes": "", "undoable": own, "undoable_revision": told["revision"]}
    last, led_to = undoable(before)
    return {"id": own, "undoes": undoes or last, "undoable": last, "undoable_revision": led_to}


def undoable(record: Record | None) -> tuple[str, str]:
    """Return the id of the run that a rollback undoes, and the revision that it led to.

    That is the last run that was no rollback; both are empty where there is none.
    """
    found = record or {}
    if not found or "undoable" in found:
        return str(found.get("undoable") or ""), str(found.get("undoable_revision") or "")
    # written before there was a journal
    last = (found.get("previous") or {}) if found.get("strategy") == ROLLBACK else found
    return (UNKNOWN_RUN, str(last.get("revision") or "")) if last else ("", "")


def ended(record: Record, state: str, now: str, message: str = "", fingerprint: str = "") -> Record:
    """Return the record when a run is over, or a task of it failed; what failed stays failed if it only stops then."""
    if state == STOPPED and record.get("state") == FAILED:
        return record
    kept = {key: value for key, value in record.items() if key not in (FAILURE, FAILED_IN)}
    if state == FAILED:
        kept |= {FAILURE: message, FAILED_IN: record.get("phase", "")}
    elif state == STOPPED and FAILURE in record:
        state, message = FAILED, str(record[FAILURE])
        kept["phase"] = record.get(FAILED_IN, "") or record.get("phase", "")
    return {**kept, "state": state, "updated": now, "message": message, FINGERPRINT: fingerprint}


def as_result(record: Record | None) -> Record | None:
    """Return what of a record is of use to people."""
    return None if record is None else {key: value for key, value in record.items() if key not in HIDDEN}
