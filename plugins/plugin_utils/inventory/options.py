# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the options of an inventory file into sources of clusters; pure."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json

_NAMES: Json = {"type": "list", "elements": "str", "default": []}
_PATHS: Json = {"type": "list", "elements": "path", "required": True}
_COMMON: Json = {
    "type": {"type": "str", "required": True},
    "include": _NAMES,
    "exclude": _NAMES,
}
_HUB: Json = {
    **_COMMON,
    "kubeconfig": {"type": "path", "required": True},
    "context": {"type": "str", "required": True},
    "label_selector": {"type": "str", "default": ""},
    "logins": _PATHS,
    "without_login": {"type": "str", "choices": ["fail", "skip"], "default": "fail"},
    "host_name": {"type": "str", "default": "{name}"},
}
#: Type of a source -> its options.
SOURCES: dict[str, Json] = {
    "kubeconfig": {**_COMMON, "path": _PATHS, "host_name": {"type": "str", "default": "{context}"}},
    "ocm": {**_HUB, "login_context": {"type": "str", "default": "{name}"}},
    "argocd": {
        **_HUB,
        "login_context": {"type": "str", "default": ""},
        "namespace": {"type": "str", "default": "argocd"},
    },
}
#: Options of the plugin. The booleans of ansible-core are included because ansible-core accepts any text for them.
OPTIONS: Json = {
    "sources": {"type": "list", "elements": "dict", "required": True},
    "probe": {"type": "bool", "default": False},
    "probe_timeout": {"type": "int", "default": 5},
    "istio_namespace": {"type": "str", "default": "istio-system"},
    "cache": {"type": "bool"},
    "strict": {"type": "bool"},
}


@dataclasses.dataclass(frozen=True)
class Source:
    """One entry of option ``sources``. Options that its type does not have are empty."""

    number: int
    type: str
    host_name: str
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    kubeconfig: str = ""
    context: str = ""
    label_selector: str = ""
    namespace: str = ""
    logins: tuple[str, ...] = ()
    login_context: str = ""
    without_login: str = "fail"

    def __str__(self) -> str:
        return f"Source {self.number} ({self.type})"


@dataclasses.dataclass(frozen=True)
class InventoryOptions:
    """The options of an inventory file, except those that ansible-core handles."""

    sources: tuple[Source, ...]
    probe: bool
    probe_timeout: int
    istio_namespace: str


def parse_options(config: Mapping[str, t.Any], allowed: Iterable[str]) -> InventoryOptions:
    """Return the options of an inventory file.

    Args:
        config: the content of the file.
        allowed: names of all options that the file may have, also those of ansible-core.

    Raises:
        ParameterError: an option is unknown, missing or of another type.
    """
    allowed = sorted(allowed)
    unknown = sorted(set(config) - set(allowed))
    if unknown:
        raise ParameterError(f"There is no option {', '.join(unknown)}; valid options are {', '.join(allowed)}.")
    values = _validated("", OPTIONS, {name: value for name, value in config.items() if name in OPTIONS})
    if not values["sources"]:
        raise ParameterError("Option sources is empty; add at least one source of clusters.")
    if values["probe_timeout"] < 1:
        raise ParameterError(f"Option probe_timeout is {values['probe_timeout']}; set at least 1 second.")
    return InventoryOptions(
        sources=tuple(_source(number, entry) for number, entry in enumerate(values["sources"], 1)),
        probe=values["probe"],
        probe_timeout=values["probe_timeout"],
        istio_namespace=values["istio_namespace"],
    )


def _source(number: int, entry: Mapping[str, t.Any]) -> Source:
    kind = entry.get("type")
    if kind not in SOURCES:
        raise ParameterError(f"Source {number}: type is {kind or 'missing'}; set one of {', '.join(SOURCES)}.")
    values = _validated(f"Source {number} ({kind}): ", SOURCES[kind], entry)
    plain: Json = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Source(number=number, **plain)


def _validated(prefix: str, spec: Json, values: Mapping[str, t.Any]) -> Json:
    # A key without a value counts as not set.
    checked = ArgumentSpecValidator(spec).validate({name: value for name, value in values.items() if value is not None})
    if checked.error_messages:
        raise ParameterError(f"{prefix}{'; '.join(checked.error_messages)}.")
    return dict(checked.validated_parameters)
