# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The questions that every module asks a snapshot."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.data_plane import tight_budgets
from unit.support import builders as b

PINNED = {"containers": [{"name": "istio-proxy", "image": b.proxy("1.30.2")}]}


def cluster(*objects: b.Json, shop: str = b.NEW) -> list[b.Json]:
    """The middle of a canary, with namespace shop on a revision or tag."""
    return [*b.two_planes(), *b.namespaces(shop=shop), *objects]


def test_stale_workloads_come_with_their_stale_pods() -> None:
    found = b.snapshot_of(cluster(*b.deployed(pods=2), *b.deployed("new", revision=b.NEW))).stale_workloads()
    assert {key: [pod.name for pod in pods] for key, pods in found.items()} == {
        ("shop", "Deployment", "web"): ["web-abc-0", "web-abc-1"]
    }


@pytest.mark.parametrize(("names", "found"), [(None, True), (["shop"], True), (["other"], False), ([], False)])
def test_stale_workloads_of_some_namespaces(names: list[str] | None, found: bool) -> None:
    assert bool(b.snapshot_of(cluster(*b.deployed())).stale_workloads(names)) is found


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_domain_14_finished_pods_block_nothing(phase: str) -> None:
    assert b.snapshot_of(cluster(b.workload(), b.pod(owner=("Deployment", "web"), phase=phase))).proxy_statuses == []


def test_deleted_pods_and_pods_of_unread_namespaces_have_no_status() -> None:
    going = b.pod("going")
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert b.snapshot_of(cluster(going, b.pod("new", "made-meanwhile"))).proxy_statuses == []


def test_s6_pods_that_no_rollout_fixes_are_listed_with_the_remedy() -> None:
    objects = cluster(
        b.pod("bare", owner=None),
        b.pod("once-1", owner=("Job", "once")),
        b.pod("nightly-1-x", owner=("Job", "nightly-1")),
        b.owned("Job", "nightly-1", ("CronJob", "nightly")),
        b.pod("db-0", owner=("Database", "db")),
        b.pod("db-1", owner=("Database", "db")),
        b.workload("DaemonSet", "agent", updateStrategy={"type": "OnDelete"}),
        b.pod("agent-1", owner=("DaemonSet", "agent")),
        *b.deployed(),
    )
    found = b.snapshot_of(objects).unrestartable()
    assert [(row.kind, row.name, row.pods, row.cause.code) for row in found] == [
        ("CronJob", "nightly", 1, "cron_job"),
        ("DaemonSet", "agent", 1, "on_delete"),
        ("Database", "db", 2, "custom_owner"),
        ("Job", "once", 1, "job"),
        ("Pod", "bare", 1, "bare_pod"),
    ]
    assert set(found[0].as_dict()) == {"namespace", "kind", "name", "pods", "code", "reason", "remedy"}


def test_current_pods_are_unrestartable_only_with_everything() -> None:
    snapshot = b.snapshot_of(
        cluster(b.pod("bare", owner=None, revision=b.NEW), b.pod("none", revision=None, owner=None), shop=b.NEW)
    )
    assert [row.name for row in snapshot.unrestartable()] == ["none"]
    assert [row.name for row in snapshot.unrestartable(everything=True)] == ["bare", "none"]
    assert snapshot.unrestartable(["other"], everything=True) == []


def test_domain_6_pinned_images_are_skipped_and_reported() -> None:
    by_template = b.deployed(containers=PINNED["containers"], image=b.proxy("1.30.2"))
    pin = {"sidecar.istio.io/proxyImage": "own:2"}
    by_annotation = b.pod("mine", annotations=pin, image="own:1", owner=None)
    snapshot = b.snapshot_of(cluster(*by_template, by_annotation, shop=b.OLD))
    assert snapshot.stale_workloads() == {}
    assert {row.name: row.cause.code for row in snapshot.unrestartable()} == {
        "web": "pinned_image",
        "mine": "pinned_image",
    }


def test_a_pinned_gateway_on_the_wrong_revision_is_still_restarted() -> None:
    snapshot = b.snapshot_of(cluster(*b.deployed(containers=PINNED["containers"])))
    assert list(snapshot.stale_workloads()) == [("shop", "Deployment", "web")]


def test_proxies_are_counted_by_revision_and_version() -> None:
    objects = cluster(
        *b.deployed(pods=2),
        b.pod("odd", image="h/proxyv2@sha256:ab"),
        b.pod("new", revision=b.NEW),
        b.pod("none", revision=None),
    )
    assert b.snapshot_of(objects).count_proxies() == {b.OLD: {"1.30.3": 2, "unknown": 1}, b.NEW: {"1.31.0": 1}}


def test_namespaces_select_a_revision_by_revision_tag_and_injection() -> None:
    objects = [
        *b.two_planes(),
        *b.namespaces(direct=b.OLD, tagged="prod", moved=b.NEW, dangling="gone"),
        b.namespace("enabled", {INJECTION: "enabled"}),
        b.namespace("off", {INJECTION: "disabled", REV: b.OLD}),
    ]
    assert b.snapshot_of(objects).namespaces_selecting(b.OLD) == {
        "direct": b.OLD,
        "tagged": "prod",
        "enabled": "default",
    }


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({INJECTION: "enabled", REV: b.NEW}, "default"),
        ({INJECTION: "disabled", REV: b.NEW}, None),
        ({REV: "prod"}, "prod"),
        ({}, None),
    ],
)
def test_domain_3_the_revision_label_of_a_namespace(labels: dict[str, str], expected: str | None) -> None:
    snapshot = b.snapshot_of([*b.two_planes(), b.namespace("shop", labels)])
    assert snapshot.namespaces["shop"].revision_label == expected


def test_s5_budgets_count_pods_by_selector_and_namespace() -> None:
    objects = cluster(
        *b.deployed(pods=2, strategy={"type": "Recreate"}),
        b.budget("mine", {"matchLabels": {"app": "web"}}, 1),
        b.budget("roomy", {"matchLabels": {"app": "web"}}, 2),
        b.budget("all", {}, 0),
        b.budget("other", {"matchLabels": {"app": "cart"}}, 0),
        b.budget("elsewhere", {}, 0, "default"),
    )
    assert sorted((str(w), budget.name) for w, budget in tight_budgets(b.snapshot_of(objects))) == [
        ("Deployment shop/web", "all"),
        ("Deployment shop/web", "mine"),
    ]


def test_a_workload_without_proxy_has_no_tight_budget() -> None:
    objects = cluster(*b.deployed(revision=None, strategy={"type": "Recreate"}), b.budget("all", {}, 0))
    assert tight_budgets(b.snapshot_of(objects)) == []


def test_the_injection_of_a_namespace_depends_on_labels_of_the_pod() -> None:
    snapshot = b.snapshot_of([*b.two_planes(), *b.namespaces(plain=None)])
    assert snapshot.injection_of("plain").revision is None
    assert snapshot.injection_of("plain", {REV: "prod"}).revision == b.OLD
