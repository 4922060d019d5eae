# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Journals of all kinds of objects in a cluster: reported by istio_info, removed with their revision (S16)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL, Change
from ansible_collections.meshops.istio.plugins.module_utils.operations.changes.journal_cleanup import (
    forget_unreachable_states,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_info import CORE as INFO
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE as REVISION
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.journals import B, C, written
from unit.support.running import run_of, task


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """The state after a canary: a namespace, a workload and a tag record its run."""
    prod = b.revision_tag("prod", b.NEW)
    prod[0]["metadata"]["annotations"] = {JOURNAL: written(Change("r1", {"revision": b.OLD}, {"revision": b.NEW}))}
    space = b.namespace("shop", C, {JOURNAL: written(Change("r1", B, C))})
    objects = [*b.plane(b.OLD), *b.plane(b.NEW), *prod, *b.namespaces(), space, b.namespace("tools", {})]
    wiki = b.deployed("wiki", "tools", pod_labels={**C, INJECT: "true"}, revision=b.NEW)
    wiki[0]["metadata"]["annotations"] = {JOURNAL: written(Change("r1", B, C))}
    with FakeApi(*objects, *wiki) as found:
        yield found


def remembering(api: FakeApi) -> list[str]:
    """The objects with a journal."""
    return sorted(
        f"{one['kind']} {one['metadata']['name']}"
        for one in api.objects
        if (one["metadata"].get("annotations") or {}).get(JOURNAL)
    )


def test_what_would_be_undone_is_told_for_every_kind_of_object(api: FakeApi) -> None:
    rows = task(api, INFO, record=True, run_id="r1")["undo"]
    assert (rows["run_id"], rows["recorded_runs"], rows["not_restored"]) == ("r1", {"r1": 3}, [])
    assert [row["name"] for row in rows["namespaces"]] == ["shop"]
    assert [(row["name"], row["before"], row["after"]) for row in rows["tags"]] == [("prod", b.OLD, b.NEW)]
    assert [(row["workload"], row["before"]) for row in rows["workloads"]] == [("Deployment tools/wiki", b.OLD)]
    assert rows["summary"] == "a rollback would undo run r1: 1 namespace, 1 tag, 1 workload"
    strange = task(api, INFO, record=True, run_id="r9")["undo"]
    assert (strange["known"], strange["summary"]) == (
        False,
        "run r9 has not changed this cluster, so there is nothing to undo",
    )


def test_a_retired_revision_is_forgotten_by_every_kind_of_object(api: FakeApi) -> None:
    assert remembering(api) == [
        "Deployment wiki",
        "MutatingWebhookConfiguration istio-revision-tag-prod",
        "Namespace shop",
    ]
    run = run_of(api, REVISION, revision=b.OLD, state="absent")
    snapshot = run.snapshot(pods=True)
    assert forget_unreachable_states(run, snapshot, b.OLD) == []
    assert len(remembering(api)) == 3, "nothing is forgotten while the revision is there"
    gone = b.plane(b.OLD)
    names = {(one["kind"], one["metadata"]["name"]) for one in gone}
    api.objects = [one for one in api.objects if (one["kind"], one["metadata"]["name"]) not in names]
    assert forget_unreachable_states(run, snapshot, b.OLD) == []
    assert remembering(api) == []
