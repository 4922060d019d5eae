# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A newer istiod serves before the injector configuration changes, so that no istiod reads a newer template."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ProofError
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.in_place_swap import replace_istiod
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import Installation
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.running import run_of

IMAGE = {"spec.template.spec.containers.[discovery].image": ("old", "new")}


def rendered_istiod(tag: str) -> b.Json:
    """The Deployment as istioctl renders it."""
    deployment = b.istiod(b.OLD, tag)
    return {key: deployment[key] for key in ("kind", "metadata", "spec")}


def installation(tag: str) -> Installation:
    """An installation by an installer that adds an annotation."""

    def adapt(obj: b.Json, dummy: b.Json) -> b.Json:
        return {**obj, "metadata": {**obj["metadata"], "annotations": {"by": "x"}}}

    return Installation(
        [rendered_istiod(tag)],
        [ObjectChange("Deployment", b.SYSTEM, "istiod-1-30-3", "update", IMAGE)],
        None,
        "installer-x",
        adapt,
        lambda dummy: None,
    )


def test_it_is_applied_as_the_installer_would() -> None:
    with FakeApi(*b.plane(b.OLD)) as api:
        run = run_of(api, CORE, revision=b.OLD, version=b.NEW_VERSION, strategy="in_place")
        replace_istiod(run, InstallOptions.from_params(run.params), installation(b.NEW_VERSION))
        (seen,) = [seen for seen in api.seen if seen.method == "PATCH"]
        assert (seen.query["fieldManager"], "dryRun" in seen.query) == ("installer-x", False)
        assert api.get("Deployment", "istiod-1-30-3")["metadata"]["annotations"] == {"by": "x"}


@pytest.mark.usefixtures("quick")
def test_a_read_that_fails_for_a_moment_is_not_a_failure_of_the_new_istiod() -> None:
    with FakeApi(*b.plane(b.OLD)) as api:
        api.script("GET", f"/apis/apps/v1/namespaces/{b.SYSTEM}/deployments", failure(500), failure(500))
        run = run_of(api, CORE, revision=b.OLD, version=b.NEW_VERSION, strategy="in_place", timeout=20)
        replace_istiod(run, InstallOptions.from_params(run.params), installation(b.NEW_VERSION))


def broken_pod() -> b.Json:
    """A pod of istiod whose image cannot be pulled."""
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off"}
    return {
        "kind": "Pod",
        "metadata": b.meta("istiod-1-30-3-x", b.SYSTEM, {"app": "istiod", "istio.io/rev": b.OLD}),
        "spec": {"containers": [{"name": "discovery", "image": "x"}]},
        "status": {"containerStatuses": [{"name": "discovery", "state": {"waiting": waiting}}]},
    }


@pytest.mark.usefixtures("quick")
def test_an_istiod_that_does_not_come_up_leaves_the_previous_one_with_its_configuration() -> None:
    objects = [*b.plane(b.OLD, updated=0), broken_pod()]
    with FakeApi(*objects) as api:
        api.on_patch = lambda dummy: None
        run = run_of(api, CORE, revision=b.OLD, version=b.NEW_VERSION, strategy="in_place", timeout=1)
        with pytest.raises(ProofError, match=r"istiod-1-30-3 is not rolled out; pod istiod-1-30-3-x.*ImagePullBackOff"):
            replace_istiod(run, InstallOptions.from_params(run.params), installation("nope"))
        assert b.mesh_of(api.objects).revisions[b.OLD].config == b.mesh_of(objects).revisions[b.OLD].config


@pytest.mark.usefixtures("quick")
def test_a_terminating_pod_of_the_previous_istiod_still_answers() -> None:
    pod = broken_pod()
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    pod["spec"]["nodeName"] = "n9"
    with FakeApi(*b.plane(b.OLD), pod) as api:
        run = run_of(api, CORE, revision=b.OLD, version=b.NEW_VERSION, strategy="in_place", timeout=1)
        with pytest.raises(ProofError, match="pod istiod-1-30-3-x on node n9 is not gone yet") as failed:
            replace_istiod(run, InstallOptions.from_params(run.params), installation(b.NEW_VERSION))
        # The new istiod is up, and the previous one may be dead.
        assert "is up, but the previous istiod is not gone" in failed.value.message
        assert "did not come up" not in failed.value.message
        assert "is still serving" not in failed.value.message
