# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster remembers of the last run that changed it: who, from where, how far."""

from __future__ import annotations

import hashlib
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import as_text, as_texts, read_json_map
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import UNKNOWN_RUN

#: Key of the ConfigMap.
KEY = "record.json"
RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"
#: What the run leads to, and what it left, both as digests (see _settled).
REQUEST_DIGEST, FINGERPRINT = "request_digest", "fingerprint"
#: What the options of a run say of it.
TOLD = ("job", "strategy", "version", "revision", REQUEST_DIGEST)
#: A run that goes on with what another one did, or left unfinished, has the same of these, and its id.
SAME = ("strategy", "version", "revision")
ROLLBACK = "rollback"
#: Which run it is, which one it undoes, and which one a rollback after it would undo.
IDS = ("id", "undoes", "undoes_revision", "undoable", "undoable_revision")
#: What failed in a run that went on, and in which phase: its later phases, and that it then stops, do not hide it.
FAILURE, FAILED_IN = "failure", "failed_in"
#: What is text in it.
TEXTS = (
    "started_by",
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
HIDDEN = ("process", REQUEST_DIGEST, FINGERPRINT, FAILURE, FAILED_IN, *IDS[2:])

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


def run_id(process: str, told: Mapping[str, str] | None = None) -> str:
    """Return the id of a run: the same on all clusters of one playbook, and no number for YAML."""
    parts = (process, *((told or {}).get(name, "") for name in SAME))
    return f"r{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:9]}"


def begun(before: Record | None, run: Mapping[str, t.Any], started_by: str, process: str, now: str) -> Record:
    """Return the record when a run is about to write: a new one, or the next phase of its own."""
    phase = str(run.get("phase") or "")
    told = {name: str(run.get(name) or "") for name in TOLD}
    if before is None or before.get("process") != process or _another(before, told):
        previous = {key: value for key, value in (before or {}).items() if key not in ("previous", *HIDDEN)}
        ids = _ids(before or {}, told, str(run.get("undoes") or ""), process)
        before = {
            "started_by": started_by,
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
    # a share of ten percent and then all, or an upgrade and its finalize, are one run in steps
    named = before.get("state") not in (None, DONE) or bool(told["version"] or told["revision"])
    goes_on = named and not _another(before, told)
    own = str(before["id"]) if goes_on and before.get("id") else run_id(process, told)
    if told["strategy"] != ROLLBACK:
        ids = {"id": own, "undoes": "", "undoes_revision": ""}
        return {**ids, "undoable": own, "undoable_revision": told["revision"]}
    last, led_to = undoable(before)
    undone, its = run_to_undo(before, undoes)
    return {"id": own, "undoes": undone, "undoes_revision": its, "undoable": last, "undoable_revision": led_to}


def _another(before: Record, told: Mapping[str, str]) -> bool:
    """Return whether a record is that of a run with another aim."""
    return any(before.get(name) != told[name] for name in SAME)


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


def run_to_undo(record: Record | None, asked: str | None) -> tuple[str, str]:
    """Return the run that a rollback undoes, and the revision that it led to, empty where nobody knows.

    Args:
        record: that of the cluster.
        asked: the run that the user names; empty for the last one.
    """
    found = record or {}
    last, led_to = undoable(found)
    if not asked or asked == last:
        return last, led_to
    if asked == found.get("undoes"):
        return asked, str(found.get("undoes_revision") or "")
    before = found.get("previous") or {}
    own = before.get("id") == asked or (asked == UNKNOWN_RUN and "id" not in before)
    return asked, str(before.get("revision") or "") if own else ""


def resumes(record: Record | None, run: str) -> bool:
    """Return whether a rollback of this run was begun and not ended."""
    found = record or {}
    return found.get("strategy") == ROLLBACK and found.get("state") != DONE and found.get("undoes") == run


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
