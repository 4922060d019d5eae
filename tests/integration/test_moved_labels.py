# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of namespaces that a policy refuses or another client puts back, on a real API server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from field.policies import NAMESPACES, apply_configuration, dry_run_is_refused, mutating, validating
from integration.meshes import MERGE
from integration.objects import INJECTION, REV, labels, until
from integration.support import REVISION, VERSION, Desk
from integration.workloads import namespace
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
GOOD, BAD = "mine", "guarded"
RUN = {"strategy": "canary", "version": VERSION, "revision": REVISION}
GIT = "argocd-controller"
SETS_LABEL = f'Object{{metadata: Object.metadata{{labels: {{"{INJECTION}": "disabled"}}}}}}'
IS_BAD = {"only": f"object.metadata.name == '{BAD}'"}


@pytest.fixture
def two(calm: Cluster, desk: Desk) -> Iterator[Cluster]:
    """Two namespaces outside the mesh, without a lock after the test."""
    calm.apply([namespace(GOOD), namespace(BAD)])
    yield calm
    for name in (GOOD, BAD):
        calm.delete(f"/api/v1/namespaces/{name}")
    desk.tool(calm, "istio_run_record", state="stopped", run=RUN, controller=os.getpid())
    until(lambda: not {GOOD, BAD} & set(labels(calm)), "the namespaces do not go")


def move(desk: Desk, cluster: Cluster, **options: Any) -> Json:
    """Move both namespaces into the mesh."""
    given = {"namespaces": [GOOD, BAD], "revision": REVISION, "enroll": True, "run": RUN, **options}
    return desk.tool(cluster, "namespace_revision", controller=os.getpid(), **given)


def set_label(cluster: Cluster, name: str, manager: str, **changes: str | None) -> None:
    """Write labels of a namespace as another client."""
    patch = {"metadata": {"labels": changes}}
    query = {"fieldManager": manager}
    cluster.request("PATCH", f"/api/v1/namespaces/{name}", patch, query, content_type=MERGE)


def test_a_policy_that_refuses_one_namespace_holds_no_other(two: Cluster, desk: Desk) -> None:
    """R07: all patches are asked before the first write, also in check mode."""
    path, patch = f"/api/v1/namespaces/{BAD}", {"metadata": {"labels": {REV: REVISION}}}
    with validating(
        two,
        "keep-out",
        f"object.metadata.name != '{BAD}' || !has(object.metadata.labels) || !('{REV}' in object.metadata.labels)",
        rule=NAMESPACES,
        in_force=lambda: dry_run_is_refused(two, "PATCH", path, patch, content_type=MERGE),
    ):
        planned = move(desk, two, check=True)
        assert (planned["failed"], planned["moved"], planned["requests"]["writes"]) == (True, [GOOD], 0)
        result = move(desk, two)
    assert (result["failed"], result["moved"]) == (True, [GOOD])
    assert "refused by policy keep-out" in result["not_moved"][0]["message"]
    assert (labels(two)[GOOD].get(REV), labels(two)[BAD].get(REV)) == (REVISION, None)


def test_a_policy_that_changes_the_labels_in_the_same_request_is_seen(two: Cluster, desk: Desk) -> None:
    """R06: the API server accepts the patch, and answers with other labels."""
    with mutating(
        two,
        "label-it",
        apply_configuration(SETS_LABEL),
        rule=NAMESPACES,
        conditions=IS_BAD,
        in_force=lambda: INJECTION in dry_run(two, BAD),
    ):
        result = move(desk, two)
    assert (result["failed"], result["moved"]) == (True, [GOOD])
    assert f"the API server answered that it has {INJECTION}=disabled" in result["not_moved"][0]["message"]
    assert (labels(two)[BAD].get(REV), labels(two)[BAD].get(INJECTION)) == (None, None)


def dry_run(cluster: Cluster, name: str) -> Json:
    """Return the labels of a namespace after a patch that is only asked."""
    patch = {"metadata": {"annotations": {"asked": "yes"}}}
    path = f"/api/v1/namespaces/{name}"
    answer = cluster.request("PATCH", path, patch, {"dryRun": "All"}, content_type=MERGE)
    return dict(answer["metadata"]["labels"])


def test_the_client_that_sets_a_label_back_is_named(two: Cluster, desk: Desk) -> None:
    """R09: by the restart of the same run, and by MU116 of a later check."""
    assert move(desk, two)["moved"] == [GOOD, BAD]
    set_label(two, BAD, GIT, **{INJECTION: "disabled"})
    set_label(two, GOOD, GIT, **{REV: None})
    restart: Json = {"namespaces": [GOOD, BAD], "restore_labels": True, "run": RUN}
    failure = desk.tool(two, "rollout_restart", controller=os.getpid(), **restart)["failure"]
    assert failure["caused_by"] == "namespaces"
    assert f"and {GIT} (Argo CD) has set it back" in failure["failed_namespaces"][BAD]
    assert "and another client has set it back" in failure["failed_namespaces"][GOOD]
    after = desk.tool(two, "istio_precheck", stage="after", revision=REVISION, fail_on="error")
    found = {row["object"]: row for row in after["findings"] if row["code"] == "MU116"}
    assert set(found) == {f"namespace {GOOD}", f"namespace {BAD}"}
    assert {row["severity"] for row in found.values()} == {"error"}
