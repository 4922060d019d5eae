# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels of namespaces that Git changes: the run shows the changes, waits for a bounded time, and then restarts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from field.controllers import put_back
from field.meshes import SHOP, proxies, web
from field.playbooks import canary, changed, play
from integration.objects import REV, labels
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from integration.workloads import namespace
from lab import Cluster

Json = dict[str, Any]
GIT, EDGE = "kustomize-controller", "edge"
WAIT: dict[str, Any] = {"istio_label_changes": "git"}
JOURNAL = "meshops.istio/journal"


def versions(cluster: Cluster, name: str = SHOP) -> set[str]:
    """The versions of the proxies of a namespace."""
    return {image.rpartition(":")[2] for image in proxies(cluster, name).values()}


def moves_in_git(cluster: Cluster, name: str) -> Any:
    """Git moves a namespace two seconds after the new revision is there, and keeps its labels."""
    new = f"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-sidecar-injector-{NEW_REVISION}"

    def differs(obj: Json) -> bool:
        # Before the revision is installed, this request fails, and the loop tries again.
        return obj["metadata"]["labels"].get(REV) != NEW_REVISION and bool(cluster.request("GET", new))

    patch = {"metadata": {"labels": {REV: NEW_REVISION}}}
    return put_back(cluster, f"/api/v1/namespaces/{name}", differs, patch, manager=GIT, delay=2.0)


def test_the_run_waits_for_git_and_then_restarts(desk: Desk, based: Cluster, tmp_path: Path) -> None:
    planned = canary(desk, based, "--check", istio_git_changes=str(tmp_path / "git"), **WAIT).require_success()
    assert f"wait until Git moves namespace {SHOP}: {REV}={REVISION} -> {REV}={NEW_REVISION}" in planned.output
    [patch] = [part for part in yaml.safe_load_all((tmp_path / "git" / f"{based.name}.yaml").read_text()) if part]
    assert (patch["kind"], patch["metadata"]) == ("Namespace", {"name": SHOP, "labels": {REV: NEW_REVISION}})
    assert (labels(based)[SHOP][REV], versions(based)) == (REVISION, {VERSION})

    running = desk.start([based], istio_skip_up_to_date=True, **WAIT)
    running.until_it_says(f"wait until Git moves namespace {SHOP}")
    with moves_in_git(based, SHOP) as times:
        run = running.end().require_success()
        assert len(times) == 1
        assert run.of(based, "namespace_revision")[0]["waited_for"] == [SHOP]
        assert versions(based) == {NEW_VERSION}
        assert JOURNAL not in based.request("GET", f"/api/v1/namespaces/{SHOP}")["metadata"].get("annotations", {})
        assert run.report()["clusters"][0]["state"] == "done"
        assert changed(canary(desk, based, **WAIT).require_success(), based) == 0
        play(desk, based, "verify").require_success()
        assert len(times) == 1


def test_at_the_bound_the_run_stops_with_the_namespaces_that_have_not_moved(desk: Desk, based: Cluster) -> None:
    based.apply([namespace(EDGE, **{REV: REVISION}), web(place=EDGE)])
    based.wait_ready()
    with moves_in_git(based, EDGE):
        run = canary(desk, based, istio_git_timeout=15, **WAIT)
        assert run.returncode == 2, run.output[-3000:]
        assert f"{SHOP}: Git has not moved it within 15 s: it has {REV}={REVISION}" in run.failure(based)
        assert (labels(based)[SHOP][REV], versions(based)) == (REVISION, {VERSION})
        assert (labels(based)[EDGE][REV], versions(based, EDGE)) == (NEW_REVISION, {NEW_VERSION})
        verified = play(desk, based, "verify")
        assert (verified.returncode, "MU135" in verified.output) == (2, True)
        with moves_in_git(based, SHOP):
            canary(desk, based, **WAIT).require_success()
    assert versions(based) | versions(based, EDGE) == {NEW_VERSION}
    play(desk, based, "verify").require_success()
