# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The specification of option gates of rollout_restart, and its check before any request."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.http_get import usable
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import as_login, as_token, login_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.prometheus import COMPARISONS

_ENDPOINT: dict[str, dict[str, t.Any]] = {
    "url": {"type": "str", "required": True},
    "timeout": {"type": "int", "default": 10},
    "ca_path": {"type": "path"},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
}
_HTTP = {**_ENDPOINT, "status": {"type": "list", "elements": "int", "default": [200]}}
_PROMETHEUS = {
    **_ENDPOINT,
    "query": {"type": "str", "required": True},
    "compare": {"type": "str", "required": True, "choices": list(COMPARISONS)},
    "value": {"type": "float", "required": True},
    "token": {"type": "str", "no_log": True},
}
GATES_SPEC: dict[str, t.Any] = {
    "type": "dict",
    "apply_defaults": True,
    "options": {
        "soak": {"type": "int", "default": 0},
        "connected": {"type": "bool", "default": False},
        "istiod": {"type": "bool", "default": False},
        "http": {"type": "list", "elements": "dict", "default": [], "options": _HTTP},
        "prometheus": {"type": "list", "elements": "dict", "default": [], "options": _PROMETHEUS},
        "timeout": {"type": "int", "default": 60},
    },
}

#: The options that are sent to the endpoint, and the function that reads each.
_SENT = {"url": as_login, "username": as_login, "password": as_login, "token": as_token}


def check_gates(gates: Mapping[str, t.Any]) -> None:
    """Refuse gates that can never be passed.

    Raises:
        ParameterError: with the option.
    """
    for option in ("soak", "timeout"):
        if gates[option] < 0:
            raise ParameterError(f"Parameter gates.{option}: {gates[option]} is below 0.")
    for kind in ("http", "prometheus"):
        for index, gate in enumerate(gates[kind]):
            _check_endpoint(f"Parameter gates.{kind}[{index}]", gate)


def _check_endpoint(place: str, gate: Mapping[str, t.Any]) -> None:
    for option, read in _SENT.items():
        try:
            read(gate.get(option) or "")
        except ValueError as exc:
            # The exception must not be chained, as its value may be a secret.
            raise ParameterError(f"{place}.{option} {exc}; enter it again.") from None
    if not usable(gate["url"]):
        raise ParameterError(f"{place}.url is not an http or https URL with a host.")
    if bool(gate["username"]) != bool(gate["password"]):
        raise ParameterError(f"{place}: username and password belong together, but only one of them is set.")
    if gate["username"] and (gate.get("token") or login_of(gate["url"])):
        raise ParameterError(f"{place}: there are two logins; keep only username and password.")
    if gate["timeout"] < 1:
        raise ParameterError(f"{place}.timeout: {gate['timeout']} is not a number above 0.")
    if math.isnan(gate.get("value", 0.0)):
        raise ParameterError(f"{place}.value: NaN cannot be compared with a sample.")
