# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state that the collection keeps on a cluster, and its timestamps, for each order of answers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.helm import Release
from ansible_collections.meshops.istio.plugins.module_utils.client.server_clock import server_now
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ConflictError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import pending_releases as pending
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.state_map import set_state
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi

MAPS = "/api/v1/namespaces/istio-system/configmaps"
MISSING, THERE = failure(404, "none", "NotFound"), failure(409, "exists", "AlreadyExists")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster."""
    with FakeApi(*b.plane(b.OLD)) as found:
        yield found


def test_what_somebody_made_at_this_moment_is_merged(api: FakeApi) -> None:
    """It may be our own, whose making was answered by an error."""
    api.script("PATCH", f"{MAPS}/{STATE_NAME}", MISSING, Answer({}))
    api.script("POST", MAPS, THERE)
    set_state(api.client(), "istio-system", {"a": "b"}, doing="Noting")
    assert [seen.method for seen in api.seen] == ["PATCH", "POST", "PATCH"]
    assert [seen.body["data"] for seen in api.seen] == [{"a": "b"}] * 3


def test_a_conflict_of_a_merge_is_told(api: FakeApi) -> None:
    api.script("PATCH", f"{MAPS}/{STATE_NAME}", MISSING, THERE)
    api.script("POST", MAPS, THERE)
    with pytest.raises(ConflictError):
        set_state(api.client(), "istio-system", {"a": "b"}, doing="Noting")


def test_a_helm_is_noted_beside_a_map_that_is_made_at_this_moment(api: FakeApi) -> None:
    api.script("PATCH", f"{MAPS}/{STATE_NAME}", MISSING, Answer({}), Answer({}))
    api.script("POST", MAPS, THERE)
    with pending.HelmNotes(api.client(), "istio-system").announced("istiod", 2, 60):
        assert "helm.istiod.json" in api.seen[-1].body["data"]


@pytest.mark.parametrize(
    "date",
    ["", "soon", "Mon, 99 Foo 2026 25:00:00 GMT", "Mon, 30 Nov 2026 01:00:00", "Mon, 30 Nov 2026 01:00:00 -0000"],
)
def test_a_date_that_is_none_is_that_of_this_machine(date: str) -> None:
    client = Client.__new__(Client)
    client.server_date = date
    here = datetime.datetime.now(datetime.UTC)
    assert here <= server_now(client) <= here + datetime.timedelta(seconds=10)


def test_a_date_is_that_of_the_server() -> None:
    client = Client.__new__(Client)
    client.server_date = "Mon, 30 Nov 2020 01:00:00 GMT"
    assert server_now(client) == datetime.datetime(2020, 11, 30, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(("minutes", "refused"), [(1, False), (30, True)])
def test_how_long_somebody_works_on_a_release_says_the_clock_of_the_server(
    minutes: int, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of this machine is ahead by years."""
    client = Client.__new__(Client)
    client.server_date = "Mon, 30 Nov 2020 01:00:00 GMT"
    helm = pending.HelmNotes(client, "istio-system")
    began = datetime.datetime(2020, 11, 30, 1, tzinfo=datetime.UTC) - datetime.timedelta(minutes=minutes)
    found = {"istiod": Release("istiod", "istiod-1.30.3", 2, "pending-upgrade", began)}

    def waited() -> object:
        return pending.wait_for_releases(
            lambda: found,
            lambda dummy: True,
            helm,
            patience=600,
            ended=(),
            once=True,
            progress=lambda dummy: None,
            cluster="paris",
        )

    monkeypatch.setattr(helm, "_read", lambda dummy: None)
    if refused:
        with pytest.raises(SafetyError, match="pending-upgrade since"):
            waited()
    else:
        assert waited() == found
