# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each check fires on its own fault and stays silent on a healthy cluster."""

from __future__ import annotations

import dataclasses
import importlib
import re
import time
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck import registry
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    AFTER,
    BEFORE,
    SEVERITIES,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import (
    CHECKS,
    CHECKS_BY_CODE,
    run_checks,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.paths import ROOT
from unit.support import builders as b
from unit.support.checking import CRD, DEFAULT, GOAL, HEALTHY, HUNGRY, IN_PLACE, PLANE, fired


def renamed(injector: b.Json, name: str, revision: str) -> b.Json:
    """Somebody's copy of an injector, which calls another revision."""
    injector["metadata"].update(name=name, labels={"istio.io/rev": revision})
    return injector


def unready() -> list[b.Json]:
    """A Deployment with a pod that is not ready."""
    found = b.deployed()
    found[-1]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    return found


@pytest.mark.parametrize("stage", [BEFORE, AFTER])
def test_a_healthy_cluster_has_no_findings(stage: str) -> None:
    assert fired(HEALTHY, dataclasses.replace(GOAL, stage=stage), crd_versions={CRD: "1.30.3"}) == {}


#: Rows of the other themes' files.
THEMES = [
    row
    for path in sorted(Path(__file__).parent.glob("test_checks_*.py"))
    for row in importlib.import_module(f"{__package__}.{path.stem}").FIRES
]


@pytest.mark.parametrize(
    ("code", "place", "objects", "over"),
    [
        *THEMES,
        pytest.param(
            "MU001",
            "revision 1-30-3",
            [*b.plane(b.OLD, "1.28.5"), *DEFAULT, *b.namespaces()],
            {},
            id="MU001 S7: three minors",
        ),
        pytest.param(
            "MU002", "API server", HEALTHY, {"kubernetes_version": "v1.31.9"}, id="MU002 S7: minimum Kubernetes"
        ),
        pytest.param(
            "MU002", "API server", HEALTHY, {"kubernetes_version": "v1.31.9+k3s1"}, id="MU002: a vendor's version"
        ),
        pytest.param("MU003", "namespace istio-system", b.namespaces(), {}, id="MU003: no istiod"),
        pytest.param(
            "MU004",
            "Deployment istiod-1-30-3",
            [*b.plane(b.OLD, generation=2, observed=1), *DEFAULT, *b.namespaces()],
            {},
            id="MU004 S3: an older generation still serves",
        ),
        pytest.param(
            "MU005",
            "revision 1-31-0",
            [*b.plane(b.OLD), *b.plane(b.NEW, "1.30.9"), *DEFAULT, *b.namespaces()],
            {},
            id="MU005: the name carries another version",
        ),
        pytest.param(
            "MU006",
            "revision 1-30-3",
            [*b.plane(b.OLD, "acme-7"), *DEFAULT, *b.namespaces()],
            {},
            id="MU006 domain 6: an unknown version is a state",
        ),
        pytest.param(
            "MU007",
            "Deployment istiod-1-30-3",
            [*b.plane(b.OLD, "9.9.9", updated=0), *DEFAULT, *b.namespaces()],
            {},
            id="MU007: the old istiod injects the image of one that does not come up",
        ),
        pytest.param(
            "MU008",
            "Deployment istiod-1-30-3",
            HEALTHY,
            {"goal": IN_PLACE},
            id="MU008: one replica, in place",
        ),
        pytest.param(
            "MU024",
            "Deployment shop/web",
            [
                *b.plane(b.OLD),
                *b.plane(b.NEW),
                *DEFAULT,
                *b.namespaces(shop=b.OLD),
                *b.deployed(image=b.proxy("1.30.2")),
            ],
            {"goal": dataclasses.replace(GOAL, stage=AFTER)},
            id="MU024: stale, but not by this upgrade",
        ),
        pytest.param(
            "MU010", "namespace lost", [*HEALTHY, *b.namespaces(lost="gone")], {}, id="MU010 domain 3: dangling label"
        ),
        pytest.param(
            "MU010",
            "namespace on",
            [*b.plane(b.OLD), *b.namespaces(), b.namespace("on", {INJECTION: "enabled"})],
            {},
            id="MU010 domain 4: enabled without a default",
        ),
        pytest.param(
            "MU011",
            "webhook istio-revision-tag-prod",
            [*HEALTHY, b.injector(b.NEW, tag="prod")],
            {},
            id="MU011 domain 3: orphan webhook",
        ),
        pytest.param(
            "MU015",
            "validator istiod-default-validator",
            [*b.plane(b.OLD), *DEFAULT[:2], b.validator(b.NEW, "Fail"), *b.namespaces()],
            {},
            id="MU015 domain 4: the validator's control plane is gone",
        ),
        pytest.param(
            "MU012",
            "tag default",
            [*b.plane(b.OLD), b.injector(b.OLD, tag="default"), b.validator("default"), *b.namespaces()],
            {},
            id="MU012 domain 4: the validator disagrees",
        ),
        pytest.param(
            "MU012",
            "tag default",
            [*PLANE, b.injector(b.OLD, tag="default"), b.validator(b.OLD), b.istiod_service(b.NEW, "default")],
            {},
            id="MU012 domain 4: the Service disagrees",
        ),
        pytest.param(
            "MU013",
            "webhook istio-sidecar-injector",
            [*b.plane("default", parked=True), *b.namespaces()],
            {},
            id="MU013 domain 4: never-match without a default tag",
        ),
        pytest.param(
            "MU014",
            "namespace shop",
            [b.istiod(), b.injector(), *b.namespaces(shop=b.OLD), b.pod()],
            {},
            id="MU014 domain 3: pods are rejected",
        ),
        pytest.param(
            "MU020",
            "Deployment shop/web",
            [*PLANE, *DEFAULT, *b.deployed(image=b.proxy("1.30.2"))],
            {},
            id="MU020 domain 6: stale by image",
        ),
        pytest.param(
            "MU021", "Pod shop/bare", [*HEALTHY, b.pod("bare", owner=None)], {}, id="MU021 S6: cannot be restarted"
        ),
        pytest.param(
            "MU022",
            "pod plain/web-1",
            [*HEALTHY, *b.namespaces(plain=None), b.pod(in_namespace="plain", owner=None)],
            {},
            id="MU022: would lose its proxy",
        ),
        pytest.param(
            "MU023",
            "Deployment shop/big",
            [*HEALTHY, *b.deployed("big", pods=4), b.budget("b", {"matchLabels": {"app": "big"}}, 0)],
            {},
            id="MU023 S5: no room in a budget",
        ),
        pytest.param(
            "MU030",
            "revision 1-30-3",
            [*HEALTHY, b.pod("ahead", owner=None, image=b.proxy("1.31.0"))],
            {},
            id="MU030 S7: a proxy newer than its control plane",
        ),
        pytest.param(
            "MU016",
            "namespace shop",
            [*HEALTHY, renamed(b.injector(b.OLD), "other", "1-29-0")],
            {},
            id="MU016: two injectors match",
        ),
        pytest.param(
            "MU017",
            "namespace both",
            [*HEALTHY, b.namespace("both", {INJECTION: "enabled", "istio.io/rev": b.OLD})],
            {},
            id="MU017 domain 3: several labels",
        ),
        pytest.param(
            "MU025", "Deployment shop/web", [*PLANE, *DEFAULT, *unready()], {}, id="MU025 domain 14: not ready before"
        ),
        pytest.param(
            "MU026",
            "Deployment shop/one",
            [*HEALTHY, *b.deployed("one", strategy={"type": "Recreate"})],
            {},
            id="MU026 domain 14: Recreate",
        ),
        pytest.param(
            "MU038",
            "EnvoyFilter shop/tweak",
            [*HEALTHY, b.envoy_filter(anchor="envoy.filters.http.router")],
            {},
            id="MU038: a name inside Envoy",
        ),
        pytest.param(
            "MU043", "EnvoyFilters in namespace shop", [*HEALTHY, b.envoy_filter()], {}, id="MU043: extensions"
        ),
        pytest.param(
            "MU044",
            "EnvoyFilter shop/tweak",
            [*HEALTHY, b.envoy_filter("tweak", "shop", r"^1\.30.*", r"^1\.2[0-9].*")],
            {},
            id="MU044: a patch for the old proxies only",
        ),
        pytest.param(
            "MU009",
            "permissions to move namespaces",
            HEALTHY,
            {"denied": (Permission("patch", "", "namespaces", "move namespaces"),)},
            id="MU009: permissions missing",
        ),
        pytest.param(
            "MU039",
            "Pod shop/odd",
            [*HEALTHY, b.pod("odd", annotations={"istio.io/rev": "", "sidecar.istio.io/status": "[" * 150_000})],
            {},
            id="MU039 F18: what nobody can read",
        ),
        pytest.param("MU040", f"revision {b.NEW}", [*HUNGRY, b.node(memory="1Gi")], {}, id="MU040 domain 14: no room"),
        pytest.param(
            "MU041",
            "node old",
            [*HEALTHY, b.node("old", kubelet="v1.32.9"), b.node()],
            {},
            id="MU041 domain 6: one old node",
        ),
        pytest.param(
            "MU042", "DaemonSet shop/ztunnel", [*HEALTHY, b.workload("DaemonSet", "ztunnel")], {}, id="MU042: ambient"
        ),
        pytest.param(
            "MU090", "check MU041", HEALTHY, {"unread": {"nodes": "forbidden"}}, id="MU090: not allowed to look"
        ),
        pytest.param("MU031", "CRDs", HEALTHY, {"crd_versions": {CRD: "1.31.1"}}, id="MU031 S10: newer CRDs"),
    ],
)
def test_a_check_fires(code: str, place: str, objects: list[b.Json], over: b.Json) -> None:
    assert fired(objects, **over).get(code) == place


def test_every_check_is_tested_above() -> None:
    """A new row of the table needs a new row here."""
    marker = test_a_check_fires.pytestmark[0]  # type: ignore[attr-defined]
    of_clusters = {check.code for check in CHECKS if check.find is not registry.find_nothing}
    assert {row.values[0] for row in marker.args[1]} == of_clusters


def test_every_check_has_a_state_of_a_real_cluster() -> None:
    """What a check finds in made-up objects may be there on no cluster."""
    tests = (ROOT / "tests" / "integration").rglob("test_*.py")
    named = set(re.findall(r"MU\d{3}", "".join(path.read_text(encoding="utf-8") for path in tests)))
    assert set(CHECKS_BY_CODE) - named == {registry.CHECK_FAILED.code}


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param(b.plane(b.OLD, ready=0, updated=0), id="no istiod is left that could inject"),
        pytest.param([b.istiod(b.OLD, "1.31.0", updated=0), *b.plane(b.OLD)[1:]], id="the old image is injected still"),
        pytest.param(b.plane(b.OLD), id="all is well"),
    ],
)
def test_mu007_is_only_about_the_trap(objects: list[b.Json]) -> None:
    assert "MU007" not in fired([*objects, *DEFAULT, *b.namespaces()])


@pytest.mark.parametrize(("goal", "severity"), [(GOAL, "error"), (IN_PLACE, "warning")])
def test_what_a_run_in_place_mends_does_not_stop_it(goal: Upgrade, severity: str) -> None:
    broken = [*b.plane(b.OLD, "9.9.9", updated=0), *DEFAULT, *b.namespaces()]
    found = {row.code: row.severity for row in run_checks(b.snapshot_of(broken), goal)}
    assert (found["MU004"], found["MU007"]) == (severity, severity)


def test_a_target_that_an_earlier_run_left_half_installed_does_not_stop_the_next_one() -> None:
    half = [*b.plane(b.OLD), *b.plane(b.NEW, ready=0), *DEFAULT, *b.namespaces()]
    found = {row.code: row.severity for row in run_checks(b.snapshot_of(half), GOAL)}
    assert found["MU004"] == "warning"


@pytest.mark.parametrize("stage", [BEFORE, AFTER])
def test_what_a_killed_removal_left_does_not_stop_the_next_run(stage: str) -> None:
    goal = dataclasses.replace(GOAL, stage=stage, source=b.OLD)
    own = b.validator(b.OLD, "Fail")
    own["metadata"]["name"] = "istio-validator-1-30-3-istio-system"
    objects = [
        *b.plane(b.NEW),
        b.injector(b.OLD),
        b.injector(b.OLD, tag="prod"),
        own,
        b.validator(b.OLD, "Fail"),
        *b.namespaces(),
    ]
    rows = {
        row.object: row.severity for row in run_checks(b.snapshot_of(objects), goal) if row.code in ("MU011", "MU015")
    }
    assert rows == {
        "webhook istio-sidecar-injector-1-30-3": "warning",
        "webhook istio-revision-tag-prod": "error",
        "validator istio-validator-1-30-3-istio-system": "warning",
        "validator istiod-default-validator": "error",
    }


def test_a_broken_neighbour_stops_a_run_in_place() -> None:
    broken = [*b.plane(b.OLD), *b.plane(b.NEW, ready=0), *DEFAULT, *b.namespaces()]
    found = {row.code: row.severity for row in run_checks(b.snapshot_of(broken), IN_PLACE)}
    assert found["MU004"] == "error"


def test_the_image_of_an_istiod_that_did_not_come_up_proves_no_hop() -> None:
    broken = b.plane(b.OLD, "9.9.9", updated=0)
    broken[0]["metadata"]["labels"]["operator.istio.io/version"] = "1.30.3"
    assert "MU001" not in fired([*broken, *DEFAULT], IN_PLACE)
    broken[0]["metadata"]["labels"]["operator.istio.io/version"] = "1.29.0"
    assert fired([*broken, *DEFAULT], IN_PLACE)["MU001"] == "revision 1-30-3"


def two_istiods(*more: b.Json) -> list[b.Json]:
    """Two replicas of an istiod whose pods can be told."""
    plane = b.plane(b.OLD, replicas=2)
    istiod = b.workload("Deployment", "istiod-1-30-3", b.SYSTEM)
    plane[0]["spec"] = {**istiod["spec"], **plane[0]["spec"], "selector": istiod["spec"]["selector"]}
    plane[0]["spec"]["template"]["metadata"] = {"labels": {"app": "istiod"}}
    return [*plane, *DEFAULT, *b.namespaces(), *more]


def test_mu008_is_silent_with_two_replicas_and_a_budget() -> None:
    budget = b.budget("istiod", {"matchLabels": {"app": "istiod"}}, 1, in_namespace=b.SYSTEM)
    assert "MU008" in fired(two_istiods(), IN_PLACE)
    assert "MU008" not in fired(two_istiods(budget), IN_PLACE)
    assert "MU008" not in fired(two_istiods(), GOAL)


@pytest.mark.parametrize(
    ("strategy", "stage", "severity"),
    [("downgrade", BEFORE, "warning"), ("downgrade", AFTER, "error"), ("in_place", BEFORE, "error")],
)
def test_a_downgrade_in_place_goes_on_where_it_was_killed(strategy: str, stage: str, severity: str) -> None:
    goal = Upgrade(strategy, Version(1, 30, 3), b.OLD, None, stage)
    ahead = [*HEALTHY, b.pod("ahead", owner=None, image=b.proxy("1.31.0"))]
    assert [row.severity for row in run_checks(b.snapshot_of(ahead), goal) if row.code == "MU030"] == [severity]


def test_domain_12_a_patch_level_ahead_is_no_skew() -> None:
    assert "MU030" not in fired([*HEALTHY, b.pod("ahead", owner=None, image=b.proxy("1.30.9"))])


def test_domain_3_never_match_behind_the_default_tag_is_healthy() -> None:
    objects = [
        *b.plane("default", parked=True),
        *b.revision_tag("default", "default"),
        *b.namespaces(),
        b.namespace("on", {INJECTION: "enabled"}),
    ]
    assert fired(objects, Upgrade("canary", Version(1, 31, 0), b.NEW, "default")) == {}


@pytest.mark.parametrize("name", ["MU001", "MU005", "MU023", "MU031"])
def test_checks_of_the_start_are_not_repeated_at_the_end(name: str) -> None:
    assert CHECKS_BY_CODE[name].after is None


def test_a_proxy_that_is_stale_is_a_warning_before_and_an_error_after() -> None:
    objects = [*b.two_planes(), *b.namespaces(shop=b.NEW), *b.deployed()]
    by_stage = {
        stage: {
            found.code: found.severity
            for found in run_checks(b.snapshot_of(objects), dataclasses.replace(GOAL, stage=stage))
        }
        for stage in (BEFORE, AFTER)
    }
    assert (by_stage[BEFORE]["MU020"], by_stage[AFTER]["MU020"]) == ("warning", "error")


def test_s6_before_everything_that_cannot_follow_is_named_after_only_what_did_not() -> None:
    objects = [*HEALTHY, b.pod("bare", owner=None)]
    assert "MU021" in fired(objects)
    assert "MU021" not in fired(objects, dataclasses.replace(GOAL, stage=AFTER))


def test_the_worst_comes_first() -> None:
    objects = [*HEALTHY, *b.namespaces(lost="gone"), b.pod("bare", owner=None), b.pod("old", image=b.proxy("1.30.2"))]
    found = [SEVERITIES.index(row.severity) for row in run_checks(b.snapshot_of(objects), GOAL)]
    assert found == sorted(found)
    assert len(set(found)) > 1


def test_without_a_target_version_hops_are_not_judged() -> None:
    assert fired(HEALTHY, Upgrade(), kubernetes_version="v1.20.0") == {}


def test_every_row_is_complete_and_codes_are_unique() -> None:
    assert len(CHECKS_BY_CODE) == len(CHECKS)
    assert all(check.title and check.why and check.remedy and check.severity in SEVERITIES for check in CHECKS)


def test_a_control_plane_elsewhere_is_one_but_its_version_is_not_known_here() -> None:
    remote = [b.istiod_service(b.OLD, remote=True), b.injector(b.OLD), *DEFAULT, *b.namespaces(shop=b.OLD)]
    found = fired(remote)
    assert "MU003" not in found
    assert found["MU006"] == f"revision {b.OLD}"


@pytest.mark.parametrize(
    ("objects", "goal"),
    [
        pytest.param([*HUNGRY, b.node(memory="4Gi")], GOAL, id="room for both istiods"),
        pytest.param([*HUNGRY, b.node("a", memory="2Gi"), b.node("b", memory="2Gi")], GOAL, id="one on each node"),
        pytest.param([*HUNGRY, b.node(memory="1Gi")], IN_PLACE, id="in place needs none of its own"),
        pytest.param([*HUNGRY, *b.plane(b.NEW), b.node(memory="1Gi")], GOAL, id="it is there already"),
        pytest.param(HUNGRY, GOAL, id="nodes that are none of our business"),
    ],
)
def test_mu040_is_silent_where_there_is_room(objects: list[b.Json], goal: Upgrade) -> None:
    assert "MU040" not in fired(objects, goal)


def test_mu040_counts_what_runs_on_the_nodes() -> None:
    eater = b.pod("eater", owner=None)
    eater["spec"]["nodeName"] = "a"
    eater["spec"]["containers"][0]["resources"] = {"requests": {"memory": "3Gi"}}
    found = {row.code: row.message for row in run_checks(b.snapshot_of([*HUNGRY, eater, b.node(memory="6Gi")]), GOAL)}
    assert (
        "500m CPU and 2048Mi memory for each of 2 pods; the nodes where they may run have room for 1" in found["MU040"]
    )
    eater["status"]["phase"] = "Succeeded"
    assert "MU040" not in fired([*HUNGRY, eater, b.node(memory="6Gi")])


@pytest.mark.parametrize("kubelets", [("v1.36.3", "v1.33.0"), ("v1.32.9", "v1.31.0"), ()])
def test_mu041_is_about_nodes_that_differ(kubelets: tuple[str, ...]) -> None:
    assert "MU041" not in fired([*HEALTHY, *(b.node(f"n{at}", kubelet=text) for at, text in enumerate(kubelets))])


def test_domain_6_an_unknown_kubelet_counts_as_old() -> None:
    assert fired([*HEALTHY, b.node("odd", kubelet="local"), b.node("b")])["MU041"] == "node odd"


def test_mu042_names_waypoints_and_their_namespaces() -> None:
    waypoint = b.pod(
        "waypoint-1", revision=None, owner=None, labels={"gateway.istio.io/managed": "istio.io-mesh-controller"}
    )
    assert fired([*HEALTHY, waypoint])["MU042"] == "namespace shop"
    gateway = b.pod(
        "gw-1", revision=None, owner=None, labels={"gateway.istio.io/managed": "istio.io-gateway-controller"}
    )
    assert "MU042" not in fired([*HEALTHY, gateway])


def test_a_check_that_could_not_be_made_is_not_passed() -> None:
    found = run_checks(b.snapshot_of([*HUNGRY, b.node(memory="1Gi")], unread={"nodes": "Reading nodes failed."}), GOAL)
    assert {(row.code, row.object) for row in found} == {("MU090", "check MU040"), ("MU090", "check MU041")}
    assert "It looks at nodes: Reading nodes failed." in found[0].message


@pytest.mark.parametrize(
    ("field", "stage", "expected"),
    [
        ("nodes", BEFORE, {"MU040": "warning", "MU041": "warning"}),
        ("nodes", AFTER, {}),
        ("extensions", BEFORE, {"MU038": "info", "MU043": "info", "MU044": "warning"}),
        ("remote_clusters", BEFORE, {"MU060": "info"}),
        ("proxies", AFTER, {"MU070": "warning", "MU071": "warning", "MU072": "warning"}),
    ],
)
def test_not_to_know_weighs_no_more_than_to_know(field: str, stage: str, expected: dict[str, str]) -> None:
    goal = dataclasses.replace(GOAL, stage=stage)
    found = run_checks(b.snapshot_of(HEALTHY, unread={field: "It is forbidden."}), goal)
    assert {row.object.removeprefix("check "): row.severity for row in found if row.code == "MU090"} == expected


def test_a_check_that_fails_is_a_finding_and_the_others_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(snapshot: Snapshot, goal: Upgrade) -> CheckResults:
        yield "pod shop/a", "It is found before the check fails."
        raise KeyError("status")

    checks = [dataclasses.replace(CHECKS_BY_CODE["MU010"], find=broken), CHECKS_BY_CODE["MU011"]]
    monkeypatch.setattr(registry, "CHECKS", checks)
    found = run_checks(b.snapshot_of([*HEALTHY, b.injector(b.NEW, tag="prod")]), GOAL)
    assert [(row.code, row.severity, row.object) for row in found] == [
        ("MU011", "error", "webhook istio-revision-tag-prod"),
        ("MU091", "warning", "check MU010"),
    ]
    assert found[1].message.startswith("KeyError: 'status' (in broken, line ")
    assert found[1].docs.endswith("/docs/findings.md#mu091")


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([*b.two_planes(), *b.namespaces(shop=b.OLD, tagged="prod")], id="revisions and their tags"),
        pytest.param(
            [*b.plane("default", parked=True), *b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.namespaces()],
            id="domain 4: a parked install and the default tag",
        ),
        pytest.param([*HEALTHY, renamed(b.injector(b.OLD), "copy", b.OLD)], id="a copy for the same revision"),
    ],
)
def test_mu016_is_about_different_revisions(objects: list[b.Json]) -> None:
    assert "MU016" not in fired(objects)


def test_mu016_domain_4_a_live_install_beside_a_default_that_was_moved() -> None:
    """Helm's selectors stay live until the tag is set."""
    objects = [*b.plane("default"), *b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.namespaces()]
    enabled = b.namespace("on", {INJECTION: "enabled"})
    rows = run_checks(b.snapshot_of([*objects, enabled]), GOAL)
    assert "namespace on" in {row.object for row in rows if row.code == "MU016"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({INJECTION: "enabled", "istio.io/rev": b.NEW}, "its pods get revision 1-30-3"),
        ({INJECTION: "disabled", "istio.io/rev": b.OLD}, "its pods get no sidecar"),
        ({"istio.io/rev": b.OLD, "istio.io/dataplane-mode": "ambient"}, "its pods get revision 1-30-3"),
        ({"istio.io/dataplane-mode": "ambient"}, None),
        ({INJECTION: "enabled"}, None),
    ],
)
def test_mu017_says_which_label_wins(labels: dict[str, str], message: str | None) -> None:
    rows = run_checks(b.snapshot_of([*HEALTHY, b.namespace("both", labels)]), GOAL)
    found = [row.message.partition(": ")[2] for row in rows if row.code == "MU017"]
    assert found == ([f"{message}."] if message else [])


@pytest.mark.parametrize(
    ("workload", "fires"),
    [
        (b.deployed("one"), False),
        (b.deployed("one", strategy={"type": "Recreate"}), True),
        # nothing restarts it
        (b.deployed("one", strategy={"type": "Recreate"}, paused=True), False),
        (b.deployed("two", pods=2, strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}), False),
        (b.deployed("one", strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0}}), True),
        (b.deployed("out", revision=None, in_namespace="default", strategy={"type": "Recreate"}), False),
    ],
)
def test_mu026_is_about_what_carries_proxies_and_has_no_second_pod(workload: list[b.Json], fires: bool) -> None:
    assert ("MU026" in fired([*HEALTHY, *workload])) is fires


@pytest.mark.parametrize(
    "patterns",
    [
        pytest.param([r"^1\.31.*"], id="for the new ones"),
        pytest.param(["1.3"], id="for both"),
        pytest.param([r"^1\.(30|31)\."], id="for both by name"),
        pytest.param(["("], id="no expression"),
        pytest.param([], id="for all"),
        pytest.param([r"^1\.30.*", r"^1\.31.*"], id="one for each"),
        pytest.param([r"^1\.2[0-9].*"], id="what no proxy has had lately"),
    ],
)
def test_mu044_is_silent_where_the_new_proxies_lose_nothing(patterns: list[str]) -> None:
    assert "MU044" not in fired([*HEALTHY, b.envoy_filter("tweak", "shop", *patterns)])


@pytest.mark.parametrize(
    "pattern", ["((.*)*)*" * 9 + "x", "(" * 200 + ")" * 200, "a{4294967295}", "(.*)" * 60 + "x", "["]
)
def test_f18_an_expression_of_a_tenant_takes_no_time(pattern: str) -> None:
    started = time.monotonic()
    assert "MU044" not in fired([*HEALTHY, b.envoy_filter("tweak", "shop", pattern)])
    assert time.monotonic() - started < 1
