# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the playbooks in the types that the roles take.

An inventory has types. -e name=value has texts, and "" for what nobody answered. A survey of AWX has texts too, but AWX
writes them without regard to their quotes for ansible-core 2.19 and newer: "" arrives as None, "10" as a number,
"2026-03-01" as a date, and "no" as false.
"""

from __future__ import annotations

import datetime
import re
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml

WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
#: A text that begins like this is YAML or JSON; any other is a list of plain names.
BEGINS_YAML = ("[", "{", "- ", "-\n")
#: What YAML makes of a word and is no number; what has parts is not shown.
NO_NUMBER = (bool, datetime.date, dict, list, tuple)


def given(value: t.Any, name: str, kind: str | Sequence[str], default: t.Any = "") -> t.Any:
    """Return the value of a variable in its type, or the default where nothing was given.

    Args:
        kind: one of the keys of KINDS, or the texts to choose from.

    Raises:
        ParameterError: it is not of that kind.
    """
    value = value.strip() if isinstance(value, str) else value
    if value is None or value == "":
        return default
    if not isinstance(kind, str):
        if value not in kind:
            raise ParameterError(f"Variable {name} is {_shown(value)}; give {', '.join(kind[:-1])} or {kind[-1]}.")
        return value
    read, right = KINDS[kind]
    found = read(value)
    if found is None:
        # What has parts may have a secret among them.
        shown = form(value) if kind in PARTS else _shown(value)
        raise ParameterError(f"Variable {name} is {shown}; give {right}.{_quoted(kind, value)}")
    return found


def form(value: t.Any) -> str:
    """Return what kind of value it is, in words of YAML, where a text itself is not to be shown."""
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return "another text"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"the {'date' if isinstance(value, datetime.date) else 'number'} {value}"


def _shown(value: t.Any) -> str:
    return value if isinstance(value, str) else form(value) if isinstance(value, (*NO_NUMBER, float)) else str(value)


def _quoted(kind: str, value: t.Any) -> str:
    """Return how a name is given that YAML reads as true or false."""
    if kind not in ("list", "lists") or not _has_bool(_yaml(value) if isinstance(value, str) else value):
        return ""
    example = '["no"]' if kind == "list" else '[["no"]]'
    return f" Names such as no, on and yes stand in brackets and quotes: {example}."


def _has_bool(value: t.Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, (list, tuple)) and any(_has_bool(part) for part in value))


def _text(value: t.Any) -> str | None:
    """Return a text that YAML may have read as something else; what it was cannot be told of true, false and 1.3."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None


def _bool(value: t.Any) -> bool | None:
    return value if isinstance(value, bool) else WORDS.get(str(value).lower())


def _int(value: t.Any) -> int | None:
    return None if isinstance(value, bool) or not re.fullmatch("[0-9]+", str(value)) else int(value)


def _share(value: t.Any) -> str | None:
    return None if isinstance(value, bool) or not re.fullmatch("[0-9]+%?", str(value)) else str(value)


def _list(value: t.Any) -> list[str] | None:
    if isinstance(value, str):
        parts = _yaml(value) if value.startswith(BEGINS_YAML) else re.split("[,\n]", value)
        return _list(parts)
    if value is None:
        return None
    texts = [_text(part) for part in (value if isinstance(value, (list, tuple)) else [value]) if part is not None]
    return None if None in texts else [text.strip() for text in texts if text and text.strip()]


def _lists(value: t.Any) -> list[list[str]] | None:
    if isinstance(value, str):
        lines = [re.split(r"[,\s]+", line.strip(" \r\t,")) for line in value.splitlines() if line.strip(" \r\t,")]
        return _lists(_yaml(value)) if value.startswith(BEGINS_YAML) else lines
    if not isinstance(value, (list, tuple)):
        name = _text(value)
        return None if name is None else [[name]]
    inside = [_list(part) if isinstance(part, (list, tuple)) else None for part in value]
    return None if None in inside else [part for part in inside if part]


def _dict(value: t.Any) -> dict[str, t.Any] | None:
    found = _yaml(value) if isinstance(value, str) else value
    return found if isinstance(found, dict) else None


def _dicts(value: t.Any) -> list[dict[str, t.Any]] | None:
    found = _yaml(value) if isinstance(value, str) else value
    if not isinstance(found, (list, tuple)) or not all(isinstance(part, dict) for part in found):
        return None
    return list(found)


def _yaml(text: str) -> t.Any:
    try:
        return load_yaml(text)
    except ValueError:
        return None


#: How each kind is read, and what would be right.
KINDS: dict[str, tuple[Callable[[t.Any], t.Any], str]] = {
    "text": (_text, "a text"),
    "bool": (_bool, "true or false"),
    "int": (_int, "a whole number"),
    "share": (_share, "a number or a percentage, such as 10 or 10%"),
    "list": (_list, "a list, or texts with commas or line breaks between them"),
    "lists": (_lists, "a list of lists of names, or a line for each of them with commas between the names"),
    "dict": (_dict, "a mapping, or a text with one in YAML or JSON"),
    "dicts": (_dicts, "a list of mappings, or a text with one in YAML or JSON"),
}
PARTS = ("list", "lists", "dict", "dicts")
#: Kind and default of each variable that is more than a text.
VARIABLES: dict[str, tuple[str | Sequence[str], t.Any]] = {
    "istio_allow_setting_changes": ("list", []),
    "istio_allow": ("list", []),
    "istio_allow_blockers": ("list", []),
    "istio_batch_size": ("share", "10"),
    "istio_batch_timeout": ("int", 300),
    "istio_end_pending_releases": ("list", []),
    "istio_budget_timeout": ("int", 120),
    "istio_components": ("dict", {}),
    "istio_downgrade_strategy": (("side_revision", "in_place"), "side_revision"),
    "istio_exclude_namespaces": ("list", []),
    "istio_fail_on": (("error", "warning", "never"), "error"),
    "istio_failure_budget": ("share", ""),
    "istio_finalize": ("bool", False),
    "istio_gates": ("dict", {}),
    "istio_hooks": ("dict", {}),
    "istio_installer": (("istioctl", "helm", "external"), "istioctl"),
    "istio_lock_seconds": ("int", ""),
    "istio_log_lines": ("int", 10),
    "istio_max_pods": ("int", ""),
    "istio_max_unavailable": ("share", ""),
    "istio_namespaces": ("list", []),
    "istio_on_failure": (("rollback", "hold"), "rollback"),
    "istio_on_workload_failure": (("rollback", "hold", "stop"), ""),
    "istio_order": (("name", "smallest", "annotation"), "name"),
    "istio_pause": ("int", 0),
    "istio_other_variables": ("list", []),
    "istio_percent": ("int", ""),
    "istio_ring_soak": ("int", 0),
    "istio_serial": ("share", "100%"),
    "istio_skip_up_to_date": ("bool", True),
    "istio_strategy": (("canary", "in_place", "downgrade", "rollback"), "canary"),
    "istio_tagged_namespaces": (("tag", "label", "stay"), "tag"),
    "istio_allow_default_change": ("bool", False),
    "istio_adopt_shared_components": ("bool", False),
    "istio_timeout": ("int", 300),
    "istio_validate_certs": ("bool", True),
    "istio_values": ("dict", {}),
    "istio_waivers": ("dicts", []),
    "istio_wave_size": ("int", 5),
    "istio_waves": ("lists", []),
}
#: Texts that the playbooks read themselves; those that name a cluster or a run are options of every task, and no fact.
TEXTS = (
    "istio_charts",
    "istio_helm",
    "istio_istioctl",
    "istio_not_after",
    "istio_profile",
    "istio_revision",
    "istio_run_id",
    "istio_source_revision",
    "istio_tag",
    "istio_version",
)
#: Whether a playbook finalizes where nobody says so.
FINALIZE, FINALIZE_BY_DEFAULT = "istio_finalize", "istio_finalize_by_default"
STRATEGY, PERCENT = "istio_strategy", "istio_percent"


def problem(name: str, value: t.Any) -> str:
    """Return why a value of a variable cannot be what it should be, or an empty text."""
    try:
        given(value, name, *VARIABLES.get(name, ("text", "")))
    except ParameterError as exc:
        return str(exc)
    return ""


def one_given(name: str, variables: Mapping[str, t.Any]) -> t.Any:
    """Return a variable in its type, or its default; that of finalize is a matter of the playbook.

    Raises:
        ParameterError: it cannot be what it should be.
    """
    kind, default = VARIABLES.get(name, ("text", ""))
    return given(
        variables.get(name), name, kind, variables.get(FINALIZE_BY_DEFAULT, False) if name == FINALIZE else default
    )


def all_given(variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return every variable in its type, by its name without the prefix.

    Raises:
        ParameterError: one cannot be what it should be.
    """
    return {name.removeprefix("istio_"): one_given(name, variables) for name in (*VARIABLES, *TEXTS)}
