# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a restart: parsed once, and without secrets in their text."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.restart_options import RestartOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.rollout_restart import CORE
from unit.support.running import params

NOW = datetime.datetime(2026, 3, 1, 2, 0, tzinfo=datetime.UTC)


def options(**given: t.Any) -> RestartOptions:
    """The options of a task that starts at NOW."""
    return RestartOptions.from_params(params(CORE, host="https://a.invalid", namespaces=["shop"], **given), NOW)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("rollback", "rollback")),
        ({"on_failure": "hold"}, ("hold", "hold")),
        ({"on_failure": "hold", "on_workload_failure": "stop"}, ("hold", "stop")),
    ],
)
def test_a_failed_workload_is_treated_like_a_failed_batch_by_default(
    given: dict[str, t.Any], expected: tuple[str, str]
) -> None:
    parsed = options(**given)
    assert (parsed.on_failure, parsed.on_workload_failure) == expected


@pytest.mark.parametrize(
    ("not_after", "minutes", "ended"), [(None, 600, False), ("03:00", 59, False), ("03:00", 60, True)]
)
def test_the_maintenance_window(not_after: str | None, minutes: int, ended: bool) -> None:
    parsed = options(not_after=not_after)
    assert parsed.window_ends_by(NOW + datetime.timedelta(minutes=minutes)) is ended
    assert parsed.window_end_utc == ("2026-03-01T03:00:00Z" if not_after else "")


def test_namespaces_are_kept_as_they_were_given() -> None:
    parsed = RestartOptions.from_params(params(CORE, host="https://a.invalid", namespaces=["pay-*", "pay-*"]), NOW)
    assert (parsed.namespace_patterns, parsed.selection.namespaces) == (("pay-*", "pay-*"), ("pay-*",))


def test_s13_logins_of_gates_are_not_part_of_a_text() -> None:
    secret = {"url": "https://ada:s3cret@a.invalid", "username": "s3cret", "password": "s3cret"}
    query = {"query": "up", "compare": "<", "value": 1.0, "token": "s3cret"}
    parsed = options(gates={"http": [secret], "prometheus": [{**secret, **query}]})
    assert parsed.gates.prometheus[0].endpoint.token == "s3cret"
    assert "s3cret" not in repr(parsed)
