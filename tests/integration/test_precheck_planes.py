# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings of istio_precheck about control planes and the hop, and its data against Istio's own charts."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.upgrade_notes import (
    CHANGES,
    COMPATIBLE,
    GONE_VARIABLES,
)
from integration.meshes import ADMISSION, MERGE
from integration.objects import REV, until
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from integration.test_precheck import found
from lab import Cluster
from unit.support.certificates import bundle

Json = dict[str, Any]
pytestmark = pytest.mark.lab
SYSTEM = "istio-system"
OF_SYSTEM = f"/api/v1/namespaces/{SYSTEM}"
NEW_DEFAULTS = {"Istio 1.31, endpoints that are not ready", "Istio 1.31, consumers of configuration"}


def profiles(desk: Desk, version: str) -> dict[int, Json]:
    """Minor to what a chart of a version sets for compatibility with it."""
    files = Path(desk.lab.charts_template.format(version=version), "istiod", "files")
    return {
        int(path.stem.rpartition(".")[2]): yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in files.glob("profile-compatibility-version-1.*.yaml")
    }


def leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted path to value as text."""
    found: dict[str, str] = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        found |= leaves(value, f"{path}.") if isinstance(value, Mapping) else {path: str(value).lower()}
    return found


@pytest.mark.parametrize("version", [VERSION, NEW_VERSION])
def test_changes_are_those_that_the_charts_can_undo(desk: Desk, version: str) -> None:
    target = int(version.split(".")[1])
    found = profiles(desk, version)
    assert sorted(found) == list(COMPATIBLE[target])
    for minor, values in found.items():
        # a flag that is gone stands in some profiles still
        current = {change for change in CHANGES if change.profile and change.since <= target}
        live = {change for change in current if change.until is None or target < change.until}
        # the chart of the CNI has this setting without its own name
        set_here = {re.sub(r"^ambient\.", "cni.ambient.", path): value for path, value in leaves(values).items()}
        gone = {change.setting for change in current - live}
        expected = {change.setting: change.old for change in live if minor < change.since}
        assert {path: value for path, value in set_here.items() if path not in gone} == expected, minor


@pytest.mark.parametrize("version", [VERSION, NEW_VERSION])
def test_istiod_reads_the_variables_that_are_named_and_no_others(desk: Desk, version: str) -> None:
    target = int(version.split(".")[1])
    istiod = Path(desk.lab.istioctl_template.format(version=version)).with_name("pilot-discovery").read_bytes()
    live = {one.setting for one in CHANGES if one.since <= target and (one.until is None or target < one.until)}
    named = {path.removeprefix("pilot.env.") for path in live if path.startswith("pilot.env.")}
    assert {name for name in named if name.encode() not in istiod} == set()
    assert {name for name, since in GONE_VARIABLES.items() if (name.encode() in istiod) == (since <= target)} == set()


def test_a_setting_that_the_target_ignores_is_named(desk: Desk, calm: Cluster) -> None:
    flag = "values.pilot.env.PILOT_SPAWN_UPSTREAM_SPAN_FOR_GATEWAY=false"
    assert "MU034" not in found(desk, calm)
    with remembered(calm, VERSION, REVISION, flag):
        assert found(desk, calm)["MU034"] == {f"revision {REVISION}"}
        assert "MU034" not in found(desk, calm, version="1.30.4", revision="1-30-4")


def test_an_upgrade_names_the_defaults_that_change(desk: Desk, calm: Cluster) -> None:
    assert found(desk, calm)["MU033"] == NEW_DEFAULTS


@contextmanager
def remembered(cluster: Cluster, version: str, revision: str, *sets: str) -> Iterator[None]:
    """Let a revision remember settings, in the words of the istioctl that would have installed it with them."""
    flags = [part for one in sets for part in ("--set", one)]
    rendered = cluster.istioctl(version, "manifest", "generate", "--revision", revision, *flags).stdout
    path = f"{OF_SYSTEM}/configmaps/values-{revision}"
    before = cluster.request("GET", path)["data"]
    maps = [one for one in yaml.safe_load_all(rendered) if one and one["metadata"]["name"] == f"values-{revision}"]
    cluster.request("PATCH", path, {"data": maps[0]["data"]}, content_type=MERGE)
    try:
        yield
    finally:
        cluster.request("PATCH", path, {"data": before}, content_type=MERGE)


def test_compatibility_that_is_carried_over_keeps_the_old_behaviour(desk: Desk, calm: Cluster) -> None:
    assert "MU049" not in found(desk, calm)
    with remembered(calm, VERSION, REVISION, "values.compatibilityVersion=1.29"):
        codes = found(desk, calm)
    assert codes["MU049"] == {f"revision {REVISION}"}
    assert codes["MU033"] == NEW_DEFAULTS - {"Istio 1.31, endpoints that are not ready"}
    assert "MU035" not in codes


def test_compatibility_that_the_target_does_not_know_is_an_error(desk: Desk, gated: Cluster) -> None:
    down = {"version": VERSION, "revision": REVISION, "strategy": "downgrade", "source_revision": NEW_REVISION}
    assert "MU035" not in found(desk, gated, **down)
    with remembered(gated, NEW_VERSION, NEW_REVISION, "compatibilityVersion=1.30"):
        assert found(desk, gated, **down)["MU035"] == {f"revision {NEW_REVISION}"}
    refused = gated.istioctl(VERSION, "manifest", "generate", "--set", "compatibilityVersion=1.30", check=False)
    assert refused.returncode != 0
    assert "unknown compatibility version" in refused.stderr


def test_what_is_out_of_support_is_told(desk: Desk, calm: Cluster) -> None:
    codes = found(desk, calm)
    assert not {"MU032", "MU048"} & set(codes)
    assert found(desk, calm, version="1.29.2", strategy="downgrade")["MU032"] == {"Istio 1.29.2"}
    old: Json = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "istiod-1-29-2", "namespace": SYSTEM, "labels": {"app": "istiod", REV: "1-29-2"}},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "old"}},
            "template": {
                "metadata": {"labels": {"app": "old"}},
                "spec": {"containers": [{"name": "discovery", "image": "lab.invalid/istio/pilot:1.29.2"}]},
            },
        },
    }
    calm.apply([old])
    try:
        assert found(desk, calm, source_revision="1-29-2")["MU048"] == {"revision 1-29-2"}
    finally:
        calm.delete(calm.path(old))


def test_an_injector_whose_service_selects_nothing_is_an_error(desk: Desk, calm: Cluster) -> None:
    path = f"{OF_SYSTEM}/services/istiod-{REVISION}"

    def select(value: str | None) -> None:
        calm.request("PATCH", path, {"spec": {"selector": {"unmatched": value}}}, content_type=MERGE)

    def silent() -> set[str]:
        return found(desk, calm).get("MU047", set())

    names = (f"istio-sidecar-injector-{REVISION}", "istio-revision-tag-default", "istio-revision-tag-prod")
    assert silent() == set()
    select("here")
    try:
        until(silent, "its endpoints stay")
        assert silent() == {f"webhook {name}" for name in names}
    finally:
        select(None)
    until(lambda: not silent(), "its endpoints do not come back")


def test_an_autoscaler_at_its_end_is_named(desk: Desk, calm: Cluster) -> None:
    path = f"/apis/autoscaling/v2/namespaces/{SYSTEM}/horizontalpodautoscalers/istiod-{REVISION}/status"

    def state(current: int | None, *conditions: Json) -> None:
        calm.request(
            "PATCH", path, {"status": {"currentReplicas": current, "conditions": conditions}}, content_type=MERGE
        )

    place = {f"HorizontalPodAutoscaler {SYSTEM}/istiod-{REVISION}"}
    limited = {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}
    blind = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}
    try:
        state(5, limited)
        assert found(desk, calm)["MU045"] == place
        state(3, blind)
        assert found(desk, calm)["MU045"] == place
        state(1, blind)
        assert "MU045" not in found(desk, calm)
    finally:
        state(None)


def test_a_quota_that_is_taken_leaves_no_second_control_plane(desk: Desk, calm: Cluster) -> None:
    quota: Json = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "tight", "namespace": SYSTEM},
        "spec": {"hard": {"pods": "9", "requests.cpu": "900m", "requests.memory": "9Gi"}},
    }
    calm.apply([quota])
    try:
        until(lambda: calm.request("GET", calm.path(quota)).get("status", {}).get("used"), "the quota is not counted")
        assert found(desk, calm)["MU046"] == {f"ResourceQuota {SYSTEM}/tight"}
        calm.apply([{**quota, "spec": {"hard": {"pods": "9", "requests.cpu": "9"}}}])
        until(lambda: "MU046" not in found(desk, calm), "the quota is still tight")
    finally:
        calm.delete(calm.path(quota))


def test_crds_of_another_installer_are_named(desk: Desk, calm: Cluster) -> None:
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gateways.networking.istio.io"

    def give(release: str | None) -> None:
        notes = {"meta.helm.sh/release-name": release}
        calm.request("PATCH", path, {"metadata": {"annotations": notes}}, content_type=MERGE)

    assert found(desk, calm, installer="helm")["MU036"] == {"CRDs"}
    assert not {"MU036", "MU037"} & set(found(desk, calm, installer="istioctl"))
    give("istio-base")
    try:
        assert found(desk, calm, installer="istioctl")["MU037"] == {"CRDs"}
    finally:
        give(None)


def test_istiods_that_stand_apart_need_nodes_of_their_own(desk: Desk, calm: Cluster) -> None:
    path = f"/apis/apps/v1/namespaces/{SYSTEM}/deployments/istiod-{REVISION}"
    (istiod,) = calm.items(f"{OF_SYSTEM}/pods", {"labelSelector": "app=istiod"})
    others = set(calm.node_names()) - {istiod["spec"]["nodeName"]}

    def cordon(shut: bool | None) -> None:
        for name in others:
            calm.request("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": shut}}, content_type=MERGE)

    def give(**spec: Json | None) -> None:
        # a paused Deployment changes no pod
        paused = True if any(spec.values()) else None
        calm.request("PATCH", path, {"spec": {"paused": paused, "template": {"spec": spec}}}, content_type=MERGE)

    row = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "istiod"}}}
    try:
        cordon(True)
        assert "MU040" not in found(desk, calm)
        give(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [row]}})
        assert found(desk, calm)["MU040"] == {f"revision {NEW_REVISION}"}
        cordon(None)
        assert "MU040" not in found(desk, calm)
        give(affinity=None, nodeSelector={"pool": "nowhere"})
        assert found(desk, calm)["MU040"] == {f"revision {NEW_REVISION}"}
    finally:
        cordon(None)
        give(affinity=None, nodeSelector=None)
    calm.wait_ready([SYSTEM])


@pytest.mark.parametrize("ends", [None, datetime.date(2026, 1, 31)])
def test_an_injector_that_the_api_server_does_not_trust_is_an_error(
    desk: Desk, calm: Cluster, ends: datetime.date | None
) -> None:
    """A tag of a revision that is gone: no istiod renews its certificate."""
    tag = calm.request("GET", f"{ADMISSION}/mutatingwebhookconfigurations/istio-revision-tag-prod")
    for hook in tag["webhooks"]:
        hook["namespaceSelector"] = {"matchLabels": {REV: "stale"}}
        hook["clientConfig"] = {
            "service": hook["clientConfig"]["service"],
            **({"caBundle": bundle(ends)} if ends else {}),
        }
    metadata = {"name": "istio-revision-tag-stale", "labels": {REV: "1-29-2", "istio.io/tag": "stale"}}
    stale: Json = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": metadata,
        "webhooks": tag["webhooks"],
    }
    assert "MU019" not in found(desk, calm)
    calm.apply([stale])
    try:
        assert found(desk, calm)["MU019"] == {"webhook istio-revision-tag-stale"}
    finally:
        calm.delete(calm.path(stale))
