# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The owners of the default are read, reported and fixed together, by the real istioctl."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import ADMISSION, MERGE, assert_no_orphan, assert_one_default, assert_validated
from integration.objects import INJECTION, REV, changed, injected, objects
from integration.safety import no_write, refusal
from integration.support import NEW_REVISION, NEW_VERSION, VERSION, Desk
from lab import ApiError, Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
UNREVISIONED = "default"
WEBHOOK = f"{ADMISSION}/mutatingwebhookconfigurations/istio-revision-tag-default"
OWN_WEBHOOK = f"{ADMISSION}/mutatingwebhookconfigurations/istio-sidecar-injector"
VALIDATOR = f"{ADMISSION}/validatingwebhookconfigurations/istiod-default-validator"
SERVICE = "/api/v1/namespaces/istio-system/services/istiod-revision-tag-default"
GONE = "1-29-0"
VIRTUAL_SERVICES = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices"


@pytest.fixture(scope="module")
def mesh(desk: Desk) -> Cluster:
    """Istio 1.30.3 without a revision, 1.31.0 as a revision beside it, and a namespace that follows the default."""
    cluster, desk.state = desk.lab.clusters[0], ""
    cluster.reset()
    cluster.install_istio(VERSION)
    cluster.install_istio(NEW_VERSION, NEW_REVISION)
    labels = {INJECTION: "enabled"}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}])
    return cluster


@pytest.fixture
def whole(desk: Desk, mesh: Cluster) -> Iterator[Cluster]:
    """The default leads to the control plane without a revision, and does again afterwards."""
    tag(desk, mesh, UNREVISIONED)
    yield mesh
    tag(desk, mesh, UNREVISIONED)


def tag(desk: Desk, cluster: Cluster, revision: str | None, **options: Any) -> Json:
    """Let the default lead somewhere, or nowhere."""
    state = "present" if revision else "absent"
    return desk.tool(cluster, "istio_tag", name="default", revision=revision, state=state, **options)


def findings(desk: Desk, cluster: Cluster) -> set[str]:
    """Codes that the checks find about the default."""
    result = desk.tool(cluster, "istio_precheck", version=NEW_VERSION, revision=NEW_REVISION, fail_on="never")
    return {one["code"] for one in result["findings"]} & {"MU010", "MU011", "MU012", "MU013", "MU014", "MU015"}


@dataclass(frozen=True)
class State:
    """How the owners come to disagree, what the checks call it, and what the diff shows of them."""

    paths: tuple[str, ...] = ()
    patch: Json | None = None
    commands: tuple[tuple[str, ...], ...] = ()
    codes: tuple[str, ...] = ("MU012",)
    shown: tuple[str | None, ...] = (UNREVISIONED,) * 3

    def make(self, cluster: Cluster) -> None:
        """Bring it about."""
        for version, *arguments in self.commands:
            cluster.istioctl(version, *arguments)
        for path in self.paths:
            if self.patch:
                cluster.request("PATCH", path, self.patch, content_type=MERGE)
            else:
                cluster.request("DELETE", path)


def leads_to(revision: str, service: str) -> Json:
    """A validator of another revision."""
    hook = {"name": "validation.istio.io", "clientConfig": {"service": {"namespace": "istio-system", "name": service}}}
    more = {"failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"]}
    rules = [{"operations": ["CREATE"], "apiGroups": ["networking.istio.io"], "apiVersions": ["*"], "resources": ["*"]}]
    return {"metadata": {"labels": {REV: revision}}, "webhooks": [{**hook, **more, "rules": rules}]}


REMOVED = ("tag", "remove", "default", "-y")
STATES = {
    "the tag was removed by istioctl 1.30, which leaves the validator": State(
        commands=((VERSION, *REMOVED),), codes=("MU010", "MU012", "MU013"), shown=(None, None, UNREVISIONED)
    ),
    "the tag was removed by istioctl 1.31": State(
        commands=((NEW_VERSION, *REMOVED),), codes=("MU010", "MU013"), shown=(None, None, None)
    ),
    "the validator is gone": State((VALIDATOR,), shown=(UNREVISIONED, UNREVISIONED, None)),
    "the Service is gone": State((SERVICE,), shown=(UNREVISIONED, None, UNREVISIONED)),
    "the webhook is gone": State(
        (WEBHOOK,), codes=("MU010", "MU012", "MU013"), shown=(None, UNREVISIONED, UNREVISIONED)
    ),
    "the Service leads elsewhere": State(
        (SERVICE,), {"metadata": {"labels": {REV: NEW_REVISION}}}, shown=(UNREVISIONED, NEW_REVISION, UNREVISIONED)
    ),
    "the validator is of a revision that is gone": State(
        (VALIDATOR,),
        leads_to(GONE, f"istiod-{GONE}"),
        codes=("MU012", "MU015"),
        shown=(UNREVISIONED, UNREVISIONED, GONE),
    ),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_each_state_is_found_shown_and_mended_as_one(desk: Desk, whole: Cluster, state: State) -> None:
    state.make(whole)
    assert findings(desk, whole) == set(state.codes)
    with no_write(whole):
        planned = tag(desk, whole, UNREVISIONED, check=True)
    fixed = tag(desk, whole, UNREVISIONED)
    assert (fixed["actions"], fixed["diff"]) == (planned["actions"], planned["diff"])
    owners = [planned["diff"]["before"][owner] for owner in ("revision", "service", "validator")]
    assert owners == list(state.shown)
    assert_whole(desk, whole, UNREVISIONED, VERSION)


def assert_whole(desk: Desk, cluster: Cluster, revision: str, version: str) -> None:
    """All owners lead to one revision, which injects and validates; nothing more is to do."""
    assert_one_default(cluster, revision)
    assert_no_orphan(cluster)
    assert_validated(cluster)
    found = injected(cluster, "shop")
    assert (found.version, found.annotated) == (version, revision)
    assert findings(desk, cluster) == set()
    with no_write(cluster):
        assert tag(desk, cluster, revision)["changed"] is False


def test_the_default_moves_there_and_back(desk: Desk, whole: Cluster) -> None:
    there = tag(desk, whole, NEW_REVISION)
    assert there["diff"]["before"] == {"tag": "default", **of(UNREVISIONED)}
    assert there["diff"]["after"] == {"tag": "default", **of(NEW_REVISION)}
    assert_whole(desk, whole, NEW_REVISION, NEW_VERSION)
    assert tag(desk, whole, UNREVISIONED)["changed"]
    assert_whole(desk, whole, UNREVISIONED, VERSION)


def of(revision: str) -> Json:
    """Owners that agree."""
    return {**dict.fromkeys(("revision", "service", "validator"), revision), "webhook_without_revision": "parked"}


def test_an_install_that_takes_the_default_back_shows_all_its_owners(desk: Desk, whole: Cluster) -> None:
    assert tag(desk, whole, NEW_REVISION)["changed"]
    given: Json = {"revision": UNREVISIONED, "version": VERSION, "strategy": "in_place", "allow_default_change": True}
    planned = desk.tool(whole, "istio_revision", check=True, **given)
    before = objects(whole)
    result = desk.tool(whole, "istio_revision", **given)
    assert not result.get("failed"), result
    shown = {(one["kind"], one["namespace"], one["name"]) for one in planned["changes"]}
    assert {name for dummy, dummy, name in shown} >= {path.rpartition("/")[2] for path in (WEBHOOK, VALIDATOR, SERVICE)}
    assert shown == set(changed(before, objects(whole)))
    assert_whole(desk, whole, UNREVISIONED, VERSION)


def test_an_active_webhook_beside_the_tag_is_parked_again(desk: Desk, whole: Cluster) -> None:
    assert tag(desk, whole, NEW_REVISION)["changed"]
    own = whole.request("GET", OWN_WEBHOOK)
    of_tag = {hook["name"]: hook for hook in whole.request("GET", WEBHOOK)["webhooks"]}
    for hook in own["webhooks"]:
        # as an upgrade of the Helm release leaves it
        hook.update({key: of_tag[hook["name"]][key] for key in ("namespaceSelector", "objectSelector")})
    whole.request("PUT", OWN_WEBHOOK, own)
    assert findings(desk, whole) == {"MU012"}
    fixed = tag(desk, whole, NEW_REVISION)
    assert [fixed["diff"][side]["webhook_without_revision"] for side in ("before", "after")] == ["active", "parked"]
    assert_whole(desk, whole, NEW_REVISION, NEW_VERSION)


def test_an_orphan_default_is_taken_over(desk: Desk, whole: Cluster) -> None:
    """Domain 4: left by the uninstall of the revision that tag set had made the default."""
    whole.install_istio("1.31.1", "short")
    for arguments in (REMOVED, ("tag", "set", "default", "--revision", "short", "-y")):
        whole.istioctl(NEW_VERSION, *arguments)
    whole.istioctl(NEW_VERSION, "uninstall", "-y", "--revision", "short")
    assert findings(desk, whole) == {"MU011", "MU015"}
    with pytest.raises(ApiError, match="not found"):
        injected(whole, "shop")
    assert tag(desk, whole, UNREVISIONED)["changed"]
    assert_whole(desk, whole, UNREVISIONED, VERSION)


def test_the_default_that_parks_a_control_plane_is_not_removed(desk: Desk, whole: Cluster) -> None:
    path = "/api/v1/namespaces/shop"
    whole.request("PATCH", path, {"metadata": {"labels": {INJECTION: None}}}, content_type=MERGE)
    try:
        with no_write(whole):
            result = tag(desk, whole, None)
    finally:
        whole.request("PATCH", path, {"metadata": {"labels": {INJECTION: "enabled"}}}, content_type=MERGE)
    assert "its webhook is deactivated as long as the tag exists" in refusal(result, "SafetyError")


@pytest.fixture(scope="module")
def bare(desk: Desk) -> Cluster:
    """A cluster without Istio."""
    cluster, desk.state = desk.lab.clusters[1], ""
    cluster.reset()
    return cluster


@pytest.mark.parametrize("version", [VERSION, NEW_VERSION])
def test_a_default_that_is_removed_leaves_nothing(desk: Desk, bare: Cluster, version: str) -> None:
    cluster, revision = bare, version.replace(".", "-")
    cluster.install_istio(version, revision)
    tag(desk, cluster, revision)
    result = tag(desk, cluster, None)
    assert result["diff"]["after"] == {"tag": "default", "revision": None, "service": None, "validator": None}
    assert findings(desk, cluster) == set()
    left = [*cluster.items(f"{ADMISSION}/validatingwebhookconfigurations"), *cluster.items("/api/v1/services")]
    assert not [
        one for one in left if "default" in one["metadata"]["name"] and one["metadata"].get("labels", {}).get(REV)
    ]
    assert tag(desk, cluster, None)["changed"] is False
