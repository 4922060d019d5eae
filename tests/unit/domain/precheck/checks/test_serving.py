# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of whether istiod answers and can scale."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.istiod_capacity import read_quota
from unit.support import builders as b
from unit.support.certificates import bundle
from unit.support.checking import DEFAULT, HEALTHY, HUNGRY, IN_PLACE, UPGRADE, fired

FULL = b.autoscaler(current=5, ScalingLimited=("True", "TooManyReplicas"))
NO_METRICS = ("False", "FailedGetResourceMetric")
PODS = b.quota({"pods": "3"}, {"pods": "2"})

FIRES = [
    pytest.param(
        "MU019",
        "webhook istio-revision-tag-old",
        [*HEALTHY, b.injector(tag="old", ca="")],
        {},
        id="MU019 domain 2: istiod has not written its certificate",
    ),
    pytest.param(
        "MU045", f"HorizontalPodAutoscaler istio-system/istiod-{b.OLD}", [*HEALTHY, FULL], {}, id="MU045: full"
    ),
    pytest.param("MU046", "ResourceQuota istio-system/limits", [*HUNGRY, PODS], {}, id="MU046 domain 14: no quota"),
    pytest.param(
        "MU047",
        "webhook istio-sidecar-injector-1-30-3",
        [*HEALTHY, b.endpoint_slice(ready=0, unready=1)],
        {},
        id="MU047 domain 3: a Service without endpoints",
    ),
]


def findings_of(objects: list[b.Json], code: str, upgrade: Upgrade = UPGRADE, **over: t.Any) -> list[tuple[str, str]]:
    """Severity and message of what one check finds."""
    return [
        (row.severity, row.message) for row in run_checks(b.snapshot_of(objects, **over), upgrade) if row.code == code
    ]


@pytest.mark.parametrize(
    ("objects", "fires"),
    [
        pytest.param([*HEALTHY, b.endpoint_slice(ready=1, unready=2)], False, id="one of several is ready"),
        pytest.param([*HEALTHY, b.endpoint_slice(ready=0), b.endpoint_slice()], False, id="slices of two families"),
        pytest.param([*HEALTHY, b.endpoint_slice(b.NEW)], True, id="none of this Service"),
        pytest.param(
            [b.istiod_service(remote=True), b.injector(), *b.namespaces()], False, id="a control plane elsewhere"
        ),
        pytest.param([b.injector(), *b.namespaces()], False, id="no Service: MU011"),
        pytest.param([b.istiod_service("default"), b.injector("default", parked=True)], False, id="a parked webhook"),
    ],
)
def test_mu047_is_about_services_of_this_cluster(objects: list[b.Json], fires: bool) -> None:
    assert ("MU047" in fired(objects)) is fires


def test_mu047_a_target_that_is_half_installed_does_not_stop_the_next_run() -> None:
    half = [*b.plane(b.OLD), *b.plane(b.NEW, ready=0), *DEFAULT, *b.namespaces()]
    text = "It calls Service istio-system/istiod-1-31-0, which has no ready endpoint."
    assert findings_of(half, "MU047") == [("warning", text)]
    assert findings_of(half, "MU047", dataclasses.replace(UPGRADE, stage=AFTER)) == [("error", text)]


@pytest.mark.parametrize(
    ("autoscaler", "message"),
    [
        (FULL, "It is at its maximum of 5 replicas, and would scale up further."),
        (b.autoscaler(current=5), None),
        (b.autoscaler(current=1, ScalingActive=NO_METRICS), None),
        (
            b.autoscaler(current=3, ScalingActive=NO_METRICS),
            "It cannot scale (FailedGetResourceMetric): 1-30-3 runs 3 replicas, but a control plane with the same "
            "settings "
            "would stay at 1.",
        ),
        (b.autoscaler(b.NEW, current=5, ScalingLimited=("True", "TooManyReplicas")), None),
        (b.autoscaler(current=1, ScalingLimited=("True", "TooFewReplicas")), None),
    ],
)
def test_mu045_is_about_the_autoscaler_of_the_source(autoscaler: b.Json, message: str | None) -> None:
    assert findings_of([*HEALTHY, autoscaler], "MU045") == ([("warning", message)] if message else [])


@pytest.mark.parametrize(
    ("quota", "lacking"),
    [
        (b.quota({"pods": "4"}, {"pods": "2"}), ""),
        (PODS, "pods (2 of 3 are taken)"),
        (b.quota({"count/pods": "3"}, {"count/pods": "2"}), "count/pods (2 of 3 are taken)"),
        (b.quota({"requests.cpu": "2"}, {"requests.cpu": "1"}), ""),
        (b.quota({"requests.cpu": "2"}, {"requests.cpu": "1100m"}), "requests.cpu (1100m of 2 are taken)"),
        (b.quota({"memory": "7Gi"}, {"memory": "4Gi"}), "memory (4Gi of 7Gi are taken)"),
        (b.quota({"limits.cpu": "1"}, {"limits.cpu": "1"}), ""),
        (b.quota({"services": "1"}, {"services": "1"}), ""),
        (b.quota({"pods": "3"}, {"pods": "2"}, scopes=["NotTerminating"]), "pods (2 of 3 are taken)"),
        (b.quota({"pods": "3"}, {"pods": "2"}, scopes=["BestEffort"]), ""),
        (b.quota({"pods": "0"}, {}, scopeSelector={"matchExpressions": [{"scopeName": "PriorityClass"}]}), ""),
    ],
)
def test_mu046_names_the_exceeded_resources(quota: b.Json, lacking: str) -> None:
    text = f"It does not allow 2 more pods like those of 1-30-3: {lacking}."
    assert findings_of([*HUNGRY, quota], "MU046") == ([("warning", text)] if lacking else [])


def test_mu046_limits_count_if_istiod_has_some() -> None:
    objects = [*HUNGRY, b.quota({"limits.memory": "5Gi"}, {"limits.memory": "4Gi"})]
    istiod = objects[0] | {"spec": {**objects[0]["spec"]}}
    container = {**istiod["spec"]["template"]["spec"]["containers"][0], "resources": {"limits": {"memory": "2Gi"}}}
    istiod["spec"]["template"] = {"metadata": {}, "spec": {"containers": [container]}}
    assert "limits.memory (4Gi of 5Gi are taken)" in findings_of([istiod, *objects[1:]], "MU046")[0][1]


@pytest.mark.parametrize("upgrade", [IN_PLACE, dataclasses.replace(UPGRADE, source=None)])
def test_mu046_is_silent_without_a_second_control_plane(upgrade: Upgrade) -> None:
    assert findings_of([*HUNGRY, PODS], "MU046", upgrade) == []
    assert findings_of([*HUNGRY, *b.plane(b.NEW), PODS], "MU046") == []


def test_a_quota_without_a_status_yet_has_the_limits_of_its_spec() -> None:
    fresh = b.quota({"pods": "3"}, {})
    del fresh["status"]
    assert read_quota(fresh).hard == {"pods": "3"}


TODAY = dataclasses.replace(UPGRADE, today=datetime.date(2026, 11, 23))


@pytest.mark.parametrize(
    ("ends", "today", "message"),
    [
        (["2026-11-22"], TODAY, "The certificates of its caBundle expired on 2026-11-22."),
        (["2026-11-23"], TODAY, None),
        (["2020-01-01", "2036-01-01"], TODAY, None),
        (["2020-01-01"], UPGRADE, None),
    ],
)
def test_mu019_a_bundle_is_valid_as_long_as_one_certificate_is(
    ends: list[str], today: Upgrade, message: str | None
) -> None:
    ca = bundle(*map(datetime.date.fromisoformat, ends))
    assert findings_of([*HEALTHY, b.injector(tag="old", ca=ca)], "MU019", today) == (
        [("error", message)] if message else []
    )


@pytest.mark.parametrize("parked", [True, False])
def test_mu019_a_target_without_a_certificate_yet_does_not_stop_the_run(parked: bool) -> None:
    half = [*b.plane(b.OLD), b.istiod(b.NEW, ready=0), b.istiod_service(b.NEW), *DEFAULT, *b.namespaces()]
    found = findings_of([*half, b.injector(b.NEW, ca="", parked=parked)], "MU019")
    assert [severity for severity, dummy in found] == ([] if parked else ["warning"])
