# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of the last run that changed a cluster: who started it, from where, and how far it came."""

from __future__ import annotations

import hashlib
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_text, as_texts, read_json_map
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import UNKNOWN_RUN
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_options import RunOptions

#: Key of the record in the state ConfigMap.
RECORD_KEY = "record.json"
RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"
#: Digests of the request of the run and of its result (see domain/fleet/up_to_date.py).
REQUEST_DIGEST, FINGERPRINT = "request_digest", "fingerprint"
#: Fields that come from the options of a run.
OPTION_FIELDS = ("job", "strategy", "version", "revision", REQUEST_DIGEST)
#: A run that continues another one, or completes it, has the same values in these fields, and the same id.
AIM_FIELDS = ("strategy", "version", "revision")
ROLLBACK = "rollback"
#: The id of the run, of the run that it undoes, and of the run that a rollback after it would undo.
ID_FIELDS = ("id", "undoes", "undoes_revision", "undoable", "undoable_revision")
#: The failure of a run that continued, and its phase: later phases, and a stop after them, do not hide it.
FAILURE, FAILED_IN = "failure", "failed_in"
TEXT_FIELDS = (
    "started_by",
    "process",
    *ID_FIELDS,
    *OPTION_FIELDS,
    "started",
    "phase",
    "state",
    "updated",
    "message",
    FAILURE,
    FAILED_IN,
    FINGERPRINT,
)
#: Fields that results do not show.
INTERNAL_FIELDS = ("process", REQUEST_DIGEST, FINGERPRINT, FAILURE, FAILED_IN, *ID_FIELDS[2:])

Record = dict[str, t.Any]


def read_record(obj: Mapping[str, t.Any] | None) -> Record | None:
    """Return the record in a raw ConfigMap, or None if there is no readable one."""
    try:
        return _normalized(read_json_map(((obj or {}).get("data") or {}).get(RECORD_KEY)))
    except ValueError:
        return None


def _normalized(fields: Mapping[str, t.Any]) -> Record:
    """Return a record with the types that a run writes, in case another client changed it."""
    record = {key: as_text(value) if key in TEXT_FIELDS else value for key, value in fields.items()}
    if "phases" in record:
        record["phases"] = as_texts(record["phases"])
    if "previous" in record:
        previous = record["previous"]
        kept = (
            {key: value for key, value in previous.items() if key != "previous"} if isinstance(previous, dict) else {}
        )
        record["previous"] = _normalized(kept) or None
    return record


def run_id(process: str, aim: Mapping[str, str] | None = None) -> str:
    """Return the id of a run: the same on all clusters of a playbook, and not a number for YAML."""
    parts = (process, *((aim or {}).get(name, "") for name in AIM_FIELDS))
    return f"r{hashlib.sha256('/'.join(parts).encode()).hexdigest()[:9]}"


def begin_record(record: Record | None, run: RunOptions, started_by: str, process: str, now: str) -> Record:
    """Return the record when a run is about to write: a new one, or its own record in the next phase."""
    options = {name: str(getattr(run, name)) for name in OPTION_FIELDS}
    if record is None or record.get("process") != process or _has_other_aim(record, options):
        previous = {key: value for key, value in (record or {}).items() if key not in ("previous", *INTERNAL_FIELDS)}
        record = {
            "started_by": started_by,
            "process": process,
            **_ids(record or {}, options, run.undoes, process),
            **options,
            "started": now,
            "phases": {},
            "previous": previous or None,
        }
    phases = record.get("phases", {})
    if run.phase and run.phase not in phases:
        phases = {**phases, run.phase: now}
    phase = run.phase or record.get("phase", "")
    return {**record, "state": RUNNING, "phase": phase, "phases": phases, "updated": now}


def _ids(record: Record, options: Mapping[str, str], undoes: str, process: str) -> dict[str, str]:
    """Return the id of a new run, of the run that it undoes, and of the run that a rollback after it would undo."""
    # Several runs are steps of one: ten percent and then all, or an upgrade and its finalize.
    has_aim = record.get("state") not in (None, DONE) or bool(options["version"] or options["revision"])
    continues = has_aim and not _has_other_aim(record, options)
    new_id = str(record["id"]) if continues and record.get("id") else run_id(process, options)
    if options["strategy"] != ROLLBACK:
        ids = {"id": new_id, "undoes": "", "undoes_revision": ""}
        return {**ids, "undoable": new_id, "undoable_revision": options["revision"]}
    last, last_revision = undoable_run(record)
    undone, undone_revision = run_to_undo(record, undoes)
    return {
        "id": new_id,
        "undoes": undone,
        "undoes_revision": undone_revision,
        "undoable": last,
        "undoable_revision": last_revision,
    }


def _has_other_aim(record: Record, options: Mapping[str, str]) -> bool:
    return any(record.get(name) != options[name] for name in AIM_FIELDS)


def undoable_run(record: Record | None) -> tuple[str, str]:
    """Return (id, target revision) of the last run that was no rollback; both are empty if there is no such run."""
    fields = record or {}
    if not fields or "undoable" in fields:
        return str(fields.get("undoable") or ""), str(fields.get("undoable_revision") or "")
    # The record was written before journals existed.
    last = (fields.get("previous") or {}) if fields.get("strategy") == ROLLBACK else fields
    return (UNKNOWN_RUN, str(last.get("revision") or "")) if last else ("", "")


def run_to_undo(record: Record | None, requested: str | None) -> tuple[str, str]:
    """Return (id, target revision) of the run that a rollback undoes; the revision is empty if it is unknown.

    Args:
        record: the record of the cluster.
        requested: the run that the user names; empty for the last one.
    """
    fields = record or {}
    last, last_revision = undoable_run(fields)
    if not requested or requested == last:
        return last, last_revision
    if requested == fields.get("undoes"):
        return requested, str(fields.get("undoes_revision") or "")
    previous = fields.get("previous") or {}
    is_previous = previous.get("id") == requested or (requested == UNKNOWN_RUN and "id" not in previous)
    return requested, str(previous.get("revision") or "") if is_previous else ""


def is_unfinished_rollback(record: Record | None, run: str) -> bool:
    """Return whether the record is that of a rollback of this run that did not complete."""
    fields = record or {}
    return fields.get("strategy") == ROLLBACK and fields.get("state") != DONE and fields.get("undoes") == run


def end_record(record: Record, state: str, now: str, message: str = "", fingerprint: str = "") -> Record:
    """Return the record when a run ends, or a task of it fails; a failed run that only stops then stays failed."""
    if state == STOPPED and record.get("state") == FAILED:
        return record
    kept = {key: value for key, value in record.items() if key not in (FAILURE, FAILED_IN)}
    if state == FAILED:
        kept |= {FAILURE: message, FAILED_IN: record.get("phase", "")}
    elif state == STOPPED and FAILURE in record:
        state, message = FAILED, str(record[FAILURE])
        kept["phase"] = record.get(FAILED_IN, "") or record.get("phase", "")
    return {**kept, "state": state, "updated": now, "message": message, FINGERPRINT: fingerprint}


def public_record(record: Record | None) -> Record | None:
    """Return a record without its internal fields, for results."""
    return None if record is None else {key: value for key, value in record.items() if key not in INTERNAL_FIELDS}
