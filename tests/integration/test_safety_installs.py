# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An install takes nothing along: no CRD goes back, no default moves, no gateway is pruned."""

from __future__ import annotations

from typing import Any

import pytest

from integration.objects import REV, injected, resource_versions
from integration.safety import no_write, refusal
from integration.support import NEW_REVISION, NEW_VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"


def test_an_install_never_lowers_the_crds_and_never_moves_the_default(desk: Desk, gated: Cluster) -> None:
    crds = resource_versions(gated, CRDS)
    assert len(crds) >= 14
    default = resource_versions(gated, f"{ADMISSION}/mutatingwebhookconfigurations")["istio-revision-tag-default"]
    result = desk.tool(gated, "istio_revision", revision="1-30-2", version="1.30.2")
    assert result["changed"], result
    assert not [one for one in result["changes"] if one["kind"] == "CustomResourceDefinition"]
    assert resource_versions(gated, CRDS) == crds
    injectors = resource_versions(gated, f"{ADMISSION}/mutatingwebhookconfigurations")
    assert injectors["istio-revision-tag-default"] == default
    assert injected(gated, "default", **{REV: "1-30-2"}).version == "1.30.2"
    again = desk.tool(gated, "istio_revision", revision="1-30-2", version="1.30.2")
    assert again["changed"] is False
    assert resource_versions(gated, CRDS) == crds
    assert desk.tool(gated, "istio_revision", revision="1-30-2", state="absent")["changed"]
    assert resource_versions(gated, CRDS) == crds


def test_an_install_keeps_the_gateway_that_the_revision_owns_whatever_the_profile_is(
    desk: Desk, gated: Cluster
) -> None:
    for profile in ("minimal", "default"):
        same = desk.tool(
            gated, "istio_revision", check=True, revision=NEW_REVISION, version=NEW_VERSION, profile=profile
        )
        assert (same.get("failed"), same["changed"]) == (None, False), same


def test_an_install_that_would_prune_is_refused(desk: Desk, gated: Cluster) -> None:
    smaller = {"pilot": {"autoscaleEnabled": False}}
    with no_write(gated):
        result = desk.tool(gated, "istio_revision", revision=NEW_REVISION, version=NEW_VERSION, values=smaller)
    message = refusal(result, "SafetyError")
    assert "This installation would delete objects that the revision was installed with" in message
    assert f"prune HorizontalPodAutoscaler istio-system/istiod-{NEW_REVISION}" in message


def test_a_revision_that_owns_a_shared_gateway_stays(desk: Desk, gated: Cluster) -> None:
    with no_write(gated):
        result = desk.tool(gated, "istio_revision", revision=NEW_REVISION, state="absent")
    refusal(result, "SafetyError")
    found = {(one["code"], one["object"]) for one in result["failure"]["blockers"]}
    assert ("shared_component", "Deployment istio-system/istio-ingressgateway") in found


def test_without_a_default_tag_no_install_takes_the_default_by_the_way(desk: Desk, gated: Cluster) -> None:
    wanted: Json = {"revision": "1-31-1", "version": "1.31.1"}
    assert desk.tool(gated, "istio_tag", name="default", state="absent")["changed"]
    try:
        with no_write(gated):
            refused = desk.tool(gated, "istio_revision", **wanted)
        meant = desk.tool(gated, "istio_revision", check=True, allow_default_change=True, **wanted)
    finally:
        restored = desk.tool(gated, "istio_tag", name="default", revision=NEW_REVISION)
    message = refusal(refused, "SafetyError")
    assert "There is no tag default, so istioctl would make 1-31-1 the default as a side effect" in message
    assert "allow_default_change=true" in message
    assert meant["changed"]
    assert meant["diff"]["after"]["default"] == "1-31-1"
    assert restored["changed"]
