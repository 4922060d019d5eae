# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read variables of the playbooks in the types that the roles take.

An inventory has types. `-e name=value` sends texts, and "" for an unanswered question. A survey of AWX sends texts too,
but AWX writes them without regard to their quotes for ansible-core 2.19 and newer: "" arrives as None, "10" as a
number, "2026-03-01" as a date, and "no" as false.

Modules convert "10", "true", "a,b" and JSON themselves. They do not read a list with a line for each entry, a list of
lists, or a mapping in YAML, and they refuse a wrong value only when their task starts: too late for a sentence before
the first request. So all types are read here.
"""

from __future__ import annotations

import datetime
import re
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import CATALOGUE, FINALIZE, TYPED
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import PREFIX, Choices, Kind

BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
#: A text that begins like this is YAML or JSON; any other is a list of plain names.
YAML_BEGINNINGS = ("[", "{", "- ", "-\n")
#: Whether a playbook finalizes by default; the playbook downgrade does.
FINALIZE_BY_DEFAULT = "__istio_finalize_by_default"


def read_value(value: t.Any, name: str, kind: Kind | Choices, default: t.Any = "") -> t.Any:
    """Return a value in its type, or the default of an empty one.

    Args:
        name: the variable that has the value, for the error.
        kind: the type, or the texts to choose from.

    Raises:
        ParameterError: the value is not of that type.
    """
    value = value.strip() if isinstance(value, str) else value
    if value is None or value == "":
        return default
    if not isinstance(kind, str):
        if value not in kind:
            raise ParameterError(f"Variable {name} is {_shown(value)}; give {', '.join(kind[:-1])} or {kind[-1]}.")
        return value
    read, expected = READERS[kind]
    typed_value = read(value)
    if typed_value is None:
        # Structured values may contain secrets, so only their form is shown.
        shown = _form(value) if kind in STRUCTURED else _shown(value)
        raise ParameterError(f"Variable {name} is {shown}; give {expected}.{_quoting_hint(kind, value)}")
    return typed_value


def find_problem(name: str, value: t.Any) -> str:
    """Return the error message for a value of a variable, or an empty text."""
    try:
        read_value(value, name, kind_of(name))
    except ParameterError as exc:
        return str(exc)
    return ""


def read_variable(name: str, variables: Mapping[str, t.Any]) -> t.Any:
    """Return a variable in its type, or its default; the default of finalize depends on the playbook.

    Raises:
        ParameterError: its value is not of its type.
    """
    default = CATALOGUE[name].default if name in CATALOGUE else ""
    if name == FINALIZE:
        default = variables.get(FINALIZE_BY_DEFAULT, default)
    return read_value(variables.get(name), name, kind_of(name), default)


def read_variables(variables: Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Return every typed variable by its name without the prefix.

    Raises:
        ParameterError: a value is not of its type.
    """
    return {name.removeprefix(PREFIX): read_variable(name, variables) for name in TYPED}


def kind_of(name: str) -> Kind | Choices:
    """Return the type of a variable; the playbooks' own variables are texts."""
    return CATALOGUE[name].type if name in CATALOGUE else "text"


def _form(value: t.Any) -> str:
    """Return the form of a value in words of YAML, for a text that must not be shown."""
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return "another text"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"the {'date' if isinstance(value, datetime.date) else 'number'} {value}"


def _shown(value: t.Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _form(value)


def _quoting_hint(kind: Kind, value: t.Any) -> str:
    """Return how to write a name that YAML reads as true or false."""
    if kind not in ("list", "lists") or not _has_bool(_parse_yaml(value) if isinstance(value, str) else value):
        return ""
    example = '["no"]' if kind == "list" else '[["no"]]'
    return f" Write names such as no, on and yes in brackets and quotes: {example}."


def _has_bool(value: t.Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, (list, tuple)) and any(_has_bool(part) for part in value))


def _read_text(value: t.Any) -> str | None:
    """Return a text that YAML may have read as another type; the text behind true, false and 1.3 is not known."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None


def _read_bool(value: t.Any) -> bool | None:
    return value if isinstance(value, bool) else BOOLEANS.get(str(value).lower())


def _read_int(value: t.Any) -> int | None:
    return None if isinstance(value, bool) or not re.fullmatch("[0-9]+", str(value)) else int(value)


def _read_amount(value: t.Any) -> str | None:
    return None if isinstance(value, bool) or not re.fullmatch("[0-9]+%?", str(value)) else str(value)


def _read_list(value: t.Any) -> list[str] | None:
    if isinstance(value, str):
        return _read_list(_parse_yaml(value) if value.startswith(YAML_BEGINNINGS) else re.split("[,\n]", value))
    if value is None:
        return None
    texts = [_read_text(part) for part in (value if isinstance(value, (list, tuple)) else [value]) if part is not None]
    return None if None in texts else [text.strip() for text in texts if text and text.strip()]


def _read_lists(value: t.Any) -> list[list[str]] | None:
    if isinstance(value, str):
        if value.startswith(YAML_BEGINNINGS):
            return _read_lists(_parse_yaml(value))
        return [re.split(r"[,\s]+", line.strip(" \r\t,")) for line in value.splitlines() if line.strip(" \r\t,")]
    if not isinstance(value, (list, tuple)):
        name = _read_text(value)
        return None if name is None else [[name]]
    lists = [_read_list(part) if isinstance(part, (list, tuple)) else None for part in value]
    return None if None in lists else [names for names in lists if names]


def _read_dict(value: t.Any) -> dict[str, t.Any] | None:
    mapping = _parse_yaml(value) if isinstance(value, str) else value
    return mapping if isinstance(mapping, dict) else None


def _read_dicts(value: t.Any) -> list[dict[str, t.Any]] | None:
    mappings = _parse_yaml(value) if isinstance(value, str) else value
    if not isinstance(mappings, (list, tuple)) or not all(isinstance(part, dict) for part in mappings):
        return None
    return list(mappings)


def _parse_yaml(text: str) -> t.Any:
    try:
        return load_yaml(text)
    except ValueError:
        return None


#: The reader of each type, and the words for a right value.
READERS: dict[Kind, tuple[Callable[[t.Any], t.Any], str]] = {
    "text": (_read_text, "a text"),
    "bool": (_read_bool, "true or false"),
    "int": (_read_int, "a whole number"),
    "amount": (_read_amount, "a number or a percentage, such as 10 or 10%"),
    "list": (_read_list, "a list, or texts with commas or line breaks between them"),
    "lists": (_read_lists, "a list of lists of names, or a line for each of them with commas between the names"),
    "dict": (_read_dict, "a mapping, or a text with one in YAML or JSON"),
    "dicts": (_read_dicts, "a list of mappings, or a text with one in YAML or JSON"),
}
STRUCTURED = ("list", "lists", "dict", "dicts")
