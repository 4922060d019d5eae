# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variants, builds of vendors, pre-releases and whole images: cases R14 to R17, and R36."""

from __future__ import annotations

from typing import Any

import pytest

from field.meshes import MERGE, SHOP, base, proxies, web
from field.playbooks import canary, changed, play
from integration.meshes import crd_versions
from integration.objects import REV
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from integration.workloads import namespace
from lab import Cluster

HUB = "lab.invalid/istio"
VARIANT = ["values.global.variant=distroless"]
SOLO = "-solo-fips"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def tags(cluster: Cluster) -> set[str]:
    """Image tags of the proxies in shop."""
    return {image.rpartition(":")[2] for image in proxies(cluster).values()}


def revisions(cluster: Cluster) -> set[str]:
    """Names of the installed control planes."""
    deployments = cluster.items("/apis/apps/v1/namespaces/istio-system/deployments", {"labelSelector": "app=istiod"})
    return {item["metadata"]["labels"][REV] for item in deployments}


def codes(run: Play, cluster: Cluster) -> set[str]:
    """Codes of the findings of a precheck."""
    result = run.of(cluster, "istio_precheck")[0]
    return {finding["code"] for finding in result["findings"]}


@pytest.mark.parametrize("install", [{"tag": "1.31.0-distroless"}, {"sets": VARIANT}], ids=["tag", "variant"])
def test_r14_a_variant_that_is_up_to_date_is_done(desk: Desk, empty: Cluster, install: dict[str, Any]) -> None:
    empty.install_istio(NEW_VERSION, NEW_REVISION, **install)
    empty.apply([namespace(SHOP, **{REV: NEW_REVISION}), web()])
    empty.wait_ready()
    assert tags(empty) == {"1.31.0-distroless"}
    for version in (NEW_VERSION, f"{NEW_VERSION}-distroless"):
        run = play(desk, empty, "status", istio_version=version).require_success()
        assert f"done: {empty.name} (istiod 1.31.0-distroless, proxies 2 x 1.31.0-distroless)" in run.output
    play(desk, empty, "verify").require_success()


def test_r15_a_downgrade_of_a_distroless_mesh_moves_it_back(desk: Desk, empty: Cluster) -> None:
    empty.install_istio(VERSION, REVISION, sets=VARIANT)
    empty.install_istio(NEW_VERSION, NEW_REVISION, sets=VARIANT)
    empty.apply([namespace(SHOP, **{REV: NEW_REVISION}), web()])
    empty.wait_ready()
    empty.istioctl(NEW_VERSION, "tag", "set", "default", "--overwrite", "--revision", NEW_REVISION)
    assert tags(empty) == {"1.31.0-distroless"}
    play(desk, empty, "downgrade", istio_version=VERSION).require_success()
    assert tags(empty) == {"1.30.3-distroless"}
    assert revisions(empty) == {REVISION}
    again = play(desk, empty, "downgrade", istio_version=VERSION).require_success()
    assert changed(again, empty) == 0


def test_r16_the_build_of_a_vendor_is_upgraded_with_its_tag_and_refused_before_without(
    desk: Desk, empty: Cluster
) -> None:
    base(empty, tag=f"{VERSION}{SOLO}")
    for dummy in range(2):
        refused = canary(desk, empty)
        assert refused.returncode != 0
        assert "MU120" in refused.output
        assert "istio_tag" in refused.output
        assert revisions(empty) == {REVISION}
    named = {"istio_tag": f"{NEW_VERSION}{SOLO}"}
    assert "MU120" not in codes(play(desk, empty, "precheck", **named), empty)
    canary(desk, empty, "--check", **named).require_success()
    run = canary(desk, empty, **named).require_success()
    assert tags(empty) == {f"{NEW_VERSION}{SOLO}"}
    assert "2 of 2" in (run.folder / "report.html").read_text(encoding="utf-8")
    assert changed(canary(desk, empty, **named).require_success(), empty) == 0
    again = canary(desk, empty, "--check", istio_skip_up_to_date=False, **named).require_success()
    assert changed(again, empty) == 0, "F22: check mode plans the real tag"
    status = play(desk, empty, "status").require_success()
    assert f"done: {empty.name}" in status.output


@pytest.mark.parametrize("tag", ["asm-1-30", "latest", "1.30.3_fips"])
def test_r16_a_tag_without_a_release_is_told_in_the_precheck(desk: Desk, empty: Cluster, tag: str) -> None:
    annotation = f"values.pilot.podAnnotations.lab\\.meshops\\.dev/version={VERSION}"
    base(empty, tag=tag, sets=[annotation])
    run = play(desk, empty, "precheck")
    assert run.returncode != 0
    found = codes(run, empty)
    assert "MU120" in found
    assert ("MU006" in found) is (tag != "1.30.3_fips")
    assert "MU001" not in found


def test_r17_crds_of_a_release_candidate_are_brought_to_the_release(desk: Desk, based: Cluster) -> None:
    for name in crd_versions(based):
        body = {"metadata": {"labels": {"operator.istio.io/version": f"{NEW_VERSION}-rc.1"}}}
        based.request("PATCH", f"{CRDS}/{name}", body, content_type=MERGE)
    assert "MU031" not in codes(play(desk, based, "precheck").require_success(), based)
    canary(desk, based).require_success()
    assert set(crd_versions(based).values()) == {NEW_VERSION}
    assert changed(canary(desk, based).require_success(), based) == 0


PINS = [f"values.pilot.image={HUB}/pilot:{VERSION}", f"values.global.proxy.image={HUB}/proxyv2:{VERSION}"]


def test_r36_whole_images_in_the_values_are_refused_before_the_installation(desk: Desk, empty: Cluster) -> None:
    base(empty, sets=PINS)
    for flags in (("--check", "--diff"), (), ()):
        refused = canary(desk, empty, *flags)
        assert refused.returncode != 0
        assert "MU121" in refused.output
        assert f"pilot.image={HUB}/pilot:{VERSION} (carried over from revision {REVISION})" in refused.output
        assert revisions(empty) == {REVISION}
    named = {"istio_values": {"pilot": {"image": "pilot"}, "global": {"proxy": {"image": "proxyv2"}}}}
    canary(desk, empty, **named).require_success()
    assert tags(empty) == {NEW_VERSION}
    assert changed(canary(desk, empty, **named).require_success(), empty) == 0


def test_f20_values_of_the_user_that_pin_the_old_version_are_refused_too(desk: Desk, based: Cluster) -> None:
    refused = canary(desk, based, istio_values={"global": {"proxy": {"image": f"{HUB}/proxyv2:{VERSION}"}}})
    assert refused.returncode != 0
    assert "MU121" in refused.output
    assert revisions(based) == {REVISION}
    assert tags(based) == {VERSION}
