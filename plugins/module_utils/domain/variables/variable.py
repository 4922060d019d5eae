# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Describe one variable of the playbooks: an entry of the catalogue."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

#: The types of values; an amount is a number or a percentage, and a list contains texts.
Kind = t.Literal["text", "bool", "int", "amount", "list", "lists", "dict", "dicts"]
Choices = tuple[str, ...]
PREFIX = "istio_"
UPGRADES = ("canary", "in_place", "downgrade")
WRITERS = (*UPGRADES, "rollback")
ALL = (*WRITERS, "precheck", "verify", "status")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable that users of the playbooks may set.

    Help texts are Markdown with names in backticks, and they link to other guides relative to docs/.

    Attributes:
        type: the type of its values, or the texts to choose from.
        default: the typed value of an unset variable.
        help: one or two plain sentences.
        playbooks: the playbooks that use it.
        affects_result: whether the state after a completed run depends on it; the digest of a request has these.
        unset: the meaning of an unset variable, where the default does not show it.
        options: the module options that it becomes, as module.option.
        roles: the roles that take it, each with a help text of its own, or "" for that of the variable.
        role_variable: its name in roles after the name of the role; empty for its own name without the prefix.
        role_defaults: defaults of roles that differ from the default of the variable.
        required_by_roles: whether roles require it; the playbooks give it to them, if necessary from other variables.
        in_survey: whether a survey of AWX may ask for it: an answer overrides the inventory for all clusters of a job.
        in_fact: whether the playbooks read it by the lookup. A variable that names a cluster, or logs in, is an option
            of every task instead.
        internal_choices: choices that only the playbooks themselves set.
        guide: the page that explains it, with its anchor.
    """

    name: str
    type: Kind | Choices
    default: t.Any
    help: str
    playbooks: tuple[str, ...]
    affects_result: bool
    unset: str = ""
    options: tuple[str, ...] = ()
    roles: Mapping[str, str] = dataclasses.field(default_factory=dict)
    role_variable: str = ""
    role_defaults: Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    required_by_roles: bool = False
    in_survey: bool = False
    in_fact: bool = True
    internal_choices: Choices = ()
    guide: str = ""

    def name_in(self, role: str) -> str:
        """Return the name of the variable that a role takes for it."""
        return f"{role}_{self.role_variable or self.name.removeprefix(PREFIX)}"

    def help_in(self, role: str) -> str:
        """Return the help text of the variable that a role takes for it."""
        return self.roles[role] or self.help

    def default_in(self, role: str) -> t.Any:
        """Return the default of the variable that a role takes for it."""
        return self.role_defaults.get(role, self.default)

    @property
    def choices(self) -> Choices:
        """The texts that a user may choose from; empty for any other type."""
        if isinstance(self.type, str):
            return ()
        return tuple(choice for choice in self.type if choice not in self.internal_choices)


def same_help(*roles: str) -> Mapping[str, str]:
    """Return roles that use the help text of the variable itself."""
    return dict.fromkeys(roles, "")
