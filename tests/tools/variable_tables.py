# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate what the catalogue of variables determines: argument specs and READMEs of roles, and tables of guides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.catalogue import CATALOGUE
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.variable import PREFIX, Variable

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS, ROLES = ROOT / "docs", ROOT / "roles"
ROLE_NAMES = ("control_plane", "data_plane", "finalize", "precheck", "rollback", "verify")
MODULES = frozenset(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
#: The argument types of Ansible for the types of the catalogue; any other type is a text.
ARGUMENT_TYPES: dict[str, dict[str, str]] = {
    "bool": {"type": "bool"},
    "int": {"type": "int"},
    "dict": {"type": "dict"},
    "list": {"type": "list", "elements": "str"},
    "lists": {"type": "list", "elements": "list"},
    "dicts": {"type": "list", "elements": "dict"},
}
#: The lines of a guide that this file writes: a comment with the names of the variables, a table, and a comment.
TABLE = re.compile(r"(<!-- variables: ([\w\s]+?) -->\n).*?(<!-- end of variables -->)", re.DOTALL)
HEAD = "| variable | default | meaning |\n| --- | --- | --- |\n"
LICENSE = """---
# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Types, defaults, choices and descriptions of variables of the playbooks come from the catalogue: run make pages.
"""
README = """# Role {role}

{intro}

{table}
The auth options of the action group `meshops.istio.istio` name the cluster, usually by `module_defaults` as in the
playbook `meshops.istio.{playbook}`. Check mode shows the changes that the role would make.
"""
#: Words that YAML does not read as a text.
YAML_WORDS = ("true", "false", "yes", "no", "on", "off", "null")
Json = dict[str, Any]


class _Flow(list[Any]):
    """A list in one line of YAML."""


class _FlowMapping(dict[str, Any]):
    """A mapping in one line of YAML."""


class _Dumper(yaml.SafeDumper):
    """Write YAML as this repository does: indented lists, and long texts folded."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists too."""
        super().increase_indent(flow, False)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    is_plain = text[:1].isalpha() and text.lower() not in YAML_WORDS
    style = ">" if len(text) > 120 or ": " in text else None if is_plain else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(
    _Flow, lambda dumper, part: dumper.represent_sequence("tag:yaml.org,2002:seq", part, flow_style=True)
)
_Dumper.add_representer(
    _FlowMapping, lambda dumper, part: dumper.represent_mapping("tag:yaml.org,2002:map", part, flow_style=True)
)


def role_variables(role: str) -> dict[str, Variable]:
    """Return the variables of the playbooks that a role takes, by their names in the role."""
    return {variable.name_in(role): variable for variable in CATALOGUE.values() if role in variable.roles}


def argument(variable: Variable, role: str) -> Json:
    """Return the argument of a role for a variable of the playbooks."""
    default = variable.default_in(role)
    spec: Json = {"type": "str"}
    if isinstance(variable.type, str) and default != "":
        spec = dict(ARGUMENT_TYPES.get(variable.type, spec))
    spec |= {"required": True} if variable.required_by_roles else {"default": default}
    if variable.choices:
        spec["choices"] = ["", *variable.choices] if default == "" else [*variable.choices]
    return {**spec, "description": as_markup(in_role(variable.help_in(role), role))}


def in_role(text: str, role: str) -> str:
    """Return a help text with the names that variables have in a role."""
    names = {variable.name: name for name, variable in role_variables(role).items()}
    return re.sub(rf"`({PREFIX}\w+)`", lambda match: f"`{names[match[1]]}`", text)


def as_markup(text: str) -> str:
    """Return a text with names in backticks in the markup of Ansible."""

    def convert(match: re.Match[str]) -> str:
        name = match[1]
        if name.removeprefix("meshops.istio.") in MODULES:
            return f"M({name})"
        return f"O({name})" if re.fullmatch(rf"({'|'.join(ROLE_NAMES)})_\w+", name) else f"C({name})"

    return re.sub("`([^`]+)`", convert, text)


def as_markdown(text: str) -> str:
    """Return a text in the markup of Ansible with names in backticks."""
    return re.sub(r"\b[CMOV]\(([^()]*(?:\([^()]*\))?[^()]*)\)", r"`\1`", text)


def argument_specs(role: str) -> str:
    """Return the file of the argument specs of a role: arguments of its own stay as they are."""
    content: Json = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options: Json = content["argument_specs"]["main"]["options"]
    for name, variable in role_variables(role).items():
        nested = {"options": options[name]["options"]} if "options" in options.get(name, {}) else {}
        options[name] = {**argument(variable, role), **nested}
    text = yaml.dump(_styled(content), Dumper=_Dumper, sort_keys=False, width=125, allow_unicode=True)
    return LICENSE + text


def _styled(node: Any, depth: int = 0) -> Any:
    """Write choices, and short arguments of nested options, in one line."""
    if not isinstance(node, dict):
        return node
    in_one_line = depth > 5 and "options" not in node and all(not isinstance(part, dict) for part in node.values())
    parts = {
        key: _Flow(part) if key == "choices" or (isinstance(part, list) and not part) else _styled(part, depth + 1)
        for key, part in node.items()
    }
    return _FlowMapping(parts) if in_one_line else parts


def readme(role: str) -> str:
    """Return the README of a role, from its argument specs."""
    spec = yaml.safe_load((ROLES / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    main = spec["argument_specs"]["main"]
    intro = as_markdown(" ".join([f"{main['short_description']}.", *main["description"]]))
    rows = [
        f"| `{name}` | {'required' if option.get('required') else _code(option['default'])} | "
        f"{as_markdown(_joined(option['description']))} |\n"
        for name, option in main["options"].items()
    ]
    playbook = role if (ROOT / "playbooks" / f"{role}.yml").exists() else "canary"
    return README.format(role=role, intro=intro, table=HEAD + "".join(rows), playbook=playbook)


def _joined(description: str | list[str]) -> str:
    return description if isinstance(description, str) else " ".join(description)


def _code(value: Any) -> str:
    if value == "":
        return '`""`'
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def guide(path: Path) -> str:
    """Return a guide with its tables of variables."""
    text = path.read_text(encoding="utf-8")
    return TABLE.sub(lambda match: f"{match[1]}{_table(match[2].split(), path.name)}{match[3]}", text)


def _table(names: Iterable[str], page: str) -> str:
    rows = []
    for name in names:
        variable = CATALOGUE[name]
        link = f" ([more]({variable.guide.removeprefix(page)}))" if variable.guide not in ("", page) else ""
        rows.append(f"| `{name}` | {shown_default(variable)} | {variable.help}{_choices(variable)}{link} |\n")
    return HEAD + "".join(rows)


def _choices(variable: Variable) -> str:
    """Return the choices that the help text does not mention."""
    names = [f"`{choice}`" for choice in variable.choices]
    if not names or all(name in variable.help for name in names):
        return ""
    return f" One of {', '.join(names)}."


def shown_default(variable: Variable) -> str:
    """Return the default as a guide shows it."""
    if variable.unset:
        return variable.unset
    return _code(variable.default) if variable.default not in ("", [], {}) else "none"


def guides() -> Mapping[str, Path]:
    """Return the guides that have tables of variables."""
    return {path.name: path for path in sorted(DOCS.glob("*.md")) if TABLE.search(path.read_text(encoding="utf-8"))}
