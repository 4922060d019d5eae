# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Helm releases that another process left pending: finished, waited for, or refused (S9)."""

from __future__ import annotations

import copy
import json
import os
import signal
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.fake_helm import LATER, LONG_AGO, NOTES, RELEASE, Helm


@pytest.fixture
def helm(tmp_path: Path, quick: None) -> Iterator[Helm]:
    """A cluster before its canary, installed by Helm."""
    with FakeApi(*b.namespaces(shop=b.OLD)) as api:
        found = Helm(api, tmp_path)
        old = [*b.plane(b.OLD)]
        found.record("istiod-1-30-3", old)
        found.put("istiod-1-30-3", old)
        found.record("istio-base", [])
        api.objects.append(b.validator(b.OLD))
        yield found


PENDING = ["pending-install", "pending-upgrade"]


def leave(helm: Helm, status: str, **given: t.Any) -> None:
    """Leave a release as a helm does that is killed."""
    if status != "pending-install":
        helm.run()
    helm.put(RELEASE, helm.makes["istiod"])
    helm.record(RELEASE, helm.makes["istiod"], status=status, **given)


def announce(helm: Helm, *, began: str = LONG_AGO, revision: int | None = None) -> None:
    """Note that the last revision of the release was begun by a helm of ours."""
    number = helm.records[RELEASE][-1]["revision"] if revision is None else revision
    data = {f"helm.{RELEASE}.json": json.dumps({"revision": number, "began": began, "seconds": 61})}
    kept = [obj for obj in b.of_kind(helm.api.objects, "ConfigMap") if obj["metadata"]["name"] == NOTES]
    for obj in kept:
        helm.api.objects.remove(obj)
    helm.api.objects.append({"kind": "ConfigMap", "metadata": b.meta(NOTES, b.SYSTEM), "data": data})


@pytest.mark.parametrize("status", PENDING)
def test_s9_a_release_that_a_killed_helm_of_this_collection_left_is_finished(helm: Helm, status: str) -> None:
    leave(helm, status)
    announce(helm)
    planned = helm.run(check_mode=True)
    assert [c for c in planned["changes"] if c["kind"] == "Release"] == [
        {
            "kind": "Release", "namespace": b.SYSTEM, "name": RELEASE, "change": "update", "fields": ["status"],
            "field_count": 1,
        }
    ]  # fmt: skip
    assert planned["diff"]["after"]["objects"][f"Release {b.SYSTEM}/{RELEASE}"] == {"status": "deployed"}
    assert helm.run()["changed"]
    assert [row["status"] for row in helm.records[RELEASE]][-1] == "deployed"
    assert helm.run()["changed"] is False
    assert notes(helm) == {}


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("noted", [None, 7], ids=["nothing is known of it", "we were at another revision"])
@pytest.mark.parametrize("status", [*PENDING, "uninstalling"])
def test_a_release_that_another_client_left_is_refused_and_named(
    helm: Helm, status: str, noted: int | None, check_mode: bool
) -> None:
    leave(helm, status)
    if noted:
        announce(helm, revision=noted)
    before = copy.deepcopy(helm.records)
    result = helm.run(check_mode=check_mode)
    assert result["failure"]["release"] == {"name": RELEASE, "status": status, "since": LONG_AGO}
    assert f"Release {RELEASE} on cluster {helm.api.url} is {status} since {LONG_AGO}" in result["msg"]
    assert "istio_end_pending_releases" in result["msg"]
    assert helm.records == before


@pytest.mark.parametrize("status", PENDING)
def test_the_user_can_end_a_pending_release_by_its_name(helm: Helm, status: str) -> None:
    leave(helm, status)
    assert helm.run(end_pending_releases=["another"])["failed"]
    assert helm.run(end_pending_releases=[RELEASE])["changed"]
    assert [row["status"] for row in helm.records[RELEASE]][-1] == "deployed"


def test_a_clock_that_is_behind_ends_nothing_and_does_not_wait_for_ever(helm: Helm) -> None:
    leave(helm, "pending-upgrade", updated=LATER)
    assert helm.run()["failure"]["release"]["since"] == LATER


def test_a_release_that_another_client_works_on_is_not_removed(helm: Helm) -> None:
    leave(helm, "pending-upgrade")
    before = copy.deepcopy(helm.records)
    assert "is pending-upgrade since" in helm.run(state="absent")["msg"]
    assert helm.records == before


def notes(helm: Helm) -> b.Json:
    """The notes about helms of this collection."""
    found = [obj for obj in b.of_kind(helm.api.objects, "ConfigMap") if obj["metadata"]["name"] == NOTES]
    return found[0]["data"] if found else {}


def test_a_run_that_is_killed_in_helm_leaves_a_note(helm: Helm) -> None:
    upgrade = helm.upgrade

    def killed(name: str, arguments: list[str]) -> tuple[int, str, str]:
        if name != RELEASE:
            return upgrade(name, arguments)
        helm.record(name, [], status="pending-install")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        return 1, "", "killed"

    helm.upgrade = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        helm.run()
    helm.upgrade = upgrade  # type: ignore[method-assign]
    (noted,) = map(json.loads, notes(helm).values())
    assert (noted["revision"], noted["seconds"]) == (1, 61)
    said: list[str] = []

    def progress(line: str) -> None:
        if line.startswith("waiting"):
            said.append(line)
            announce(helm)  # time goes by

    assert helm.run(progress=progress)["changed"]
    (line,) = said
    assert line.startswith(f"waiting for release {RELEASE}: it is pending-install since")


def test_a_helm_that_failed_leaves_no_note(helm: Helm) -> None:
    helm.upgrade = lambda *dummy: (1, "", "Error: no")  # type: ignore[method-assign]
    assert helm.run()["failed"]
    assert notes(helm) == {}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"revision": 1}', '{"revision": 1, "began": 7, "seconds": "x"}'])
def test_a_note_that_cannot_be_read_proves_nothing(helm: Helm, text: str) -> None:
    leave(helm, "pending-install")
    announce(helm)
    for obj in b.of_kind(helm.api.objects, "ConfigMap"):
        if obj["metadata"]["name"] == NOTES:
            obj["data"] = {f"helm.{RELEASE}.json": text}
    assert helm.run()["failure"]["release"]["name"] == RELEASE


def test_a_release_that_another_client_works_on_is_waited_for(helm: Helm) -> None:
    helm.run()
    helm.record(RELEASE, helm.makes["istiod"], status="pending-upgrade", updated=LATER)
    said: list[str] = []

    def progress(line: str) -> None:
        said.append(line)
        if line.startswith("waiting for release"):
            helm.records[RELEASE][-1]["status"] = "deployed"

    assert helm.run(progress=progress)["changed"] is False
    assert [line for line in said if line.startswith("waiting")] == [
        f"waiting for release {RELEASE}: it is pending-upgrade since 00:00:00"
    ]


def test_a_pending_state_without_a_secret_is_reported(helm: Helm) -> None:
    helm.record(RELEASE, helm.makes["istiod"], status="pending-install")
    announce(helm)
    helm.sweep = lambda: None  # type: ignore[method-assign]
    helm.api.objects = [obj for obj in helm.api.objects if obj["kind"] != "Secret"]
    assert f"but its record is not in Secret sh.helm.release.v1.{RELEASE}.v1" in helm.run()["msg"]


def test_a_failed_release_is_upgraded_again(helm: Helm) -> None:
    helm.run()
    helm.record(RELEASE, helm.makes["istiod"], status="failed")
    assert helm.run()["actions"] == ["install revision 1-31-0 (1.31.0): update 1 objects"]
    assert helm.run()["changed"] is False


def test_a_killed_removal_is_ended_before_an_installation(helm: Helm) -> None:
    helm.record(RELEASE, [], status="uninstalling")
    announce(helm)
    assert helm.run()["changed"]
    assert helm.log == ["upgrade istio-base", f"uninstall {RELEASE}", f"upgrade {RELEASE}"]
