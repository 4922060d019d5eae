# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels that a policy refuses (R07) or sets back (R06), or that another client sets back (R09)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from field.controllers import put_back
from field.meshes import MERGE, SHOP, label, proxies, web
from field.playbooks import canary, changed, play
from field.policies import NAMESPACES, apply_configuration, dry_run_is_refused, mutating, validating
from integration.objects import INJECTION, REV, labels, until
from integration.support import NEW_REVISION, NEW_VERSION, VERSION, Desk, Play
from integration.workloads import namespace
from lab import Cluster

Json = dict[str, Any]
ALPHA, PATH = "alpha", f"/api/v1/namespaces/{SHOP}"
GIT, OWNER = "argocd-controller", "argocd-controller (Argo CD)"
BEFORE, AFTER = {INJECTION: "enabled"}, {REV: NEW_REVISION}
OLD_LABELS = {INJECTION: "enabled", REV: None}


@pytest.fixture
def two(unrevisioned: Cluster) -> Cluster:
    """NONREV with a second namespace in the same wave."""
    unrevisioned.apply([namespace(ALPHA, **BEFORE), web(place=ALPHA)])
    unrevisioned.wait_ready()
    return unrevisioned


def chosen(cluster: Cluster, name: str) -> dict[str, str]:
    """The labels of a namespace that select a revision."""
    return {key: value for key, value in labels(cluster)[name].items() if key in (REV, INJECTION)}


def versions(cluster: Cluster, name: str) -> set[str]:
    """The versions of the proxies of a namespace."""
    return {image.rpartition(":")[2] for image in proxies(cluster, name).values()}


def codes(run: Play, cluster: Cluster, severity: str = "error") -> dict[str, str]:
    """Code -> object of the findings of the last check."""
    findings = run.of(cluster, "istio_precheck")[-1]["findings"]
    return {row["code"]: row["object"] for row in findings if row["severity"] == severity}


def sets_injection_back(cluster: Cluster) -> AbstractContextManager[None]:
    """R06: a policy sets the label in the same request."""
    labelled = f'Object{{metadata: Object.metadata{{labels: {{"{INJECTION}": "enabled"}}}}}}'

    def in_force() -> bool:
        patch = {"metadata": {"labels": {INJECTION: None}}}
        answer = cluster.request("PATCH", PATH, patch, {"dryRun": "All"}, content_type=MERGE)
        return INJECTION in answer["metadata"]["labels"]

    only = {"only": f"object.metadata.name == '{SHOP}'"}
    policy = apply_configuration(labelled)
    return mutating(cluster, "label-it", policy, rule=NAMESPACES, conditions=only, in_force=in_force)


def keeps_injection(cluster: Cluster) -> AbstractContextManager[None]:
    """R07: a policy refuses to take the label away."""
    expression = (
        f"object.metadata.name != '{SHOP}' || (has(object.metadata.labels) && '{INJECTION}' in object.metadata.labels)"
    )

    def in_force() -> bool:
        patch = {"metadata": {"labels": {INJECTION: None}}}
        return dry_run_is_refused(cluster, "PATCH", PATH, patch, content_type=MERGE)

    return validating(cluster, "stay-in-the-mesh", expression, rule=NAMESPACES, in_force=in_force)


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        pytest.param(sets_injection_back, "the API server answered that it has", id="r06"),
        pytest.param(keeps_injection, "refused by policy stay-in-the-mesh", id="r07"),
    ],
)
def test_a_policy_on_labels_stops_only_its_namespace(
    desk: Desk, two: Cluster, policy: Callable[[Cluster], AbstractContextManager[None]], words: str
) -> None:
    with policy(two):
        run = canary(desk, two)
        assert (run.returncode, codes(run, two)) == (2, {"MU117": f"namespace {SHOP}"})
        assert words in run.output
        assert (chosen(two, ALPHA), chosen(two, SHOP), changed(run, two)) == (BEFORE, BEFORE, 0)
        for again in (False, True):
            run = canary(desk, two, istio_allow=["MU117"])
            assert run.returncode == 2, run.output[-3000:]
            assert "Namespaces on cluster" in run.failure(two)
            assert words in run.failure(two)
            assert (chosen(two, ALPHA), chosen(two, SHOP)) == (AFTER, BEFORE)
            assert (versions(two, ALPHA), versions(two, SHOP)) == ({NEW_VERSION}, {VERSION})
            if again:
                assert run.of(two, "rollout_restart")[-1]["changed"] is False
        verified = play(desk, two, "verify")
        assert (verified.returncode, codes(verified, two)["MU135"]) == (2, f"namespace {SHOP}")
    canary(desk, two).require_success()
    assert (chosen(two, SHOP), versions(two, SHOP)) == (AFTER, {NEW_VERSION})
    play(desk, two, "verify").require_success()


@pytest.mark.parametrize(
    ("patch", "differs"),
    [
        pytest.param({INJECTION: "enabled"}, lambda found: INJECTION not in found, id="r09a"),
        pytest.param(OLD_LABELS, lambda found: REV in found or INJECTION not in found, id="r09b"),
    ],
)
def test_labels_that_git_sets_back_stop_only_their_namespace(
    desk: Desk, two: Cluster, patch: Json, differs: Callable[[Json], bool]
) -> None:
    owned = {"metadata": {"labels": {INJECTION: "enabled"}}, "apiVersion": "v1", "kind": "Namespace"}
    query = {"fieldManager": GIT, "force": "true"}
    two.request("PATCH", PATH, owned, query, content_type="application/apply-patch+yaml")
    prechecked = play(desk, two, "precheck").require_success()
    assert codes(prechecked, two, "warning")["MU115"] == f"owner {OWNER}"
    [change] = prechecked.of(two, "istio_precheck")[-1]["git_changes"]
    assert (change["name"], change["labels_before"], change["labels_after"]) == (SHOP, BEFORE, AFTER)

    body = {"metadata": {"labels": patch}}
    with put_back(two, PATH, lambda obj: differs(obj["metadata"]["labels"]), body, manager=GIT, delay=1.0):
        run = canary(desk, two)
        assert run.returncode == 2, run.output[-3000:]
        assert f"{OWNER} has" in run.failure(two)
        assert (chosen(two, ALPHA), versions(two, ALPHA)) == (AFTER, {NEW_VERSION})
        again = canary(desk, two)
        assert f"{OWNER} has set it back" in again.output
        assert chosen(two, ALPHA) == AFTER
        # With nothing to restart, the second run may end before Git acts; then only the next check can see it.
        until(lambda: chosen(two, SHOP) != AFTER, "Git does not set the labels back")
        verified = play(desk, two, "verify")
        assert verified.returncode == 2
        assert f"namespace {SHOP}" in {codes(verified, two).get("MU116"), codes(verified, two).get("MU135")}
    canary(desk, two).require_success()
    assert (chosen(two, SHOP), versions(two, SHOP)) == (AFTER, {NEW_VERSION})


def test_r09c_labels_that_git_sets_back_after_the_run_are_an_error(desk: Desk, unrevisioned: Cluster) -> None:
    canary(desk, unrevisioned).require_success()
    body = {"metadata": {"labels": OLD_LABELS}}
    unrevisioned.request("PATCH", PATH, body, {"fieldManager": GIT}, content_type=MERGE)
    verified = play(desk, unrevisioned, "verify")
    assert (verified.returncode, codes(verified, unrevisioned)["MU116"]) == (2, f"namespace {SHOP}")
    assert f"{OWNER} has set it back" in verified.output
    again = canary(desk, unrevisioned).require_success()
    assert changed(again, unrevisioned) > 0
    assert (chosen(unrevisioned, SHOP), versions(unrevisioned, SHOP)) == (AFTER, {NEW_VERSION})
    assert changed(canary(desk, unrevisioned).require_success(), unrevisioned) == 0


def test_a_system_namespace_with_a_label_is_left_out_and_named(desk: Desk, unrevisioned: Cluster) -> None:
    label(unrevisioned, "kube-system", BEFORE)
    try:
        run = canary(desk, unrevisioned).require_success()
        assert "Namespace kube-system is not moved: Istio never injects into a system namespace." in run.output
        assert (chosen(unrevisioned, "kube-system"), chosen(unrevisioned, SHOP)) == (BEFORE, AFTER)
        assert run.report()["clusters"][0]["state"] == "done"
        assert changed(canary(desk, unrevisioned).require_success(), unrevisioned) == 0
        play(desk, unrevisioned, "verify").require_success()
    finally:
        label(unrevisioned, "kube-system", {INJECTION: None})
