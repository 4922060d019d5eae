# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A newer istiod serves before the injector configuration changes, so that no istiod reads a newer template."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ProofError
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.in_place_swap import (
    AHEAD,
    ahead,
    needed,
    roll,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.manifest_diff import (
    Change,
    Installation,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE
from unit.support import builders as b
from unit.support.fake_api import FakeApi, failure
from unit.support.running import run_of

IMAGE = {"spec.template.spec.containers.[discovery].image": ("old", "new")}
OTHER = {"spec.template.spec.containers.[discovery].env.[A].value": ("b", "c")}


def change(kind: str = "Deployment", name: str = "istiod-1-30-3", fields: t.Any = None) -> Change:
    """A change of an object in the Istio namespace."""
    return Change(kind, b.SYSTEM, name, "update", fields or IMAGE)


@pytest.mark.parametrize(
    ("objects", "found", "expected"),
    [
        pytest.param(b.plane(b.OLD), [change()], True, id="a newer image"),
        pytest.param(b.plane(b.OLD, "1.31.1"), [change()], False, id="downwards the configuration has to go first"),
        pytest.param(b.plane(b.OLD, "acme-7"), [change()], True, id="an image that names no version"),
        pytest.param(b.plane(b.OLD), [change(fields=OTHER)], False, id="only settings change"),
        pytest.param(b.plane(b.OLD), [change(name="other")], False, id="another Deployment"),
        pytest.param(b.plane(b.OLD), [], False, id="nothing changes"),
        pytest.param(b.plane(b.NEW), [change()], False, id="a revision that is not there yet"),
        pytest.param([b.injector(b.OLD)], [change()], False, id="no istiod runs"),
    ],
)
def test_needed(objects: list[b.Json], found: list[Change], expected: bool) -> None:
    assert needed(b.mesh_of(objects), found, b.OLD, Version(1, 31, 0)) is expected


def test_the_injectors_configuration_is_not_among_what_goes_first() -> None:
    rendered = b.plane(b.OLD, b.NEW_VERSION)
    changes = [
        Change(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"], "update") for obj in rendered
    ]
    assert [obj["kind"] for obj in ahead(rendered, changes)] == ["Deployment"]
    assert not {"ConfigMap", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} & set(AHEAD)


def test_what_the_new_istiod_needs_comes_before_it() -> None:
    kinds = ["Deployment", "ClusterRole", "CustomResourceDefinition"]
    rendered = [{"kind": kind, "metadata": {"name": "x"}} for kind in kinds]
    assert [obj["kind"] for obj in ahead(rendered, [Change(kind, "", "x", "update") for kind in kinds])] == kinds[::-1]


def rendered_istiod(tag: str) -> b.Json:
    """The Deployment as istioctl renders it."""
    found = b.istiod(b.OLD, tag)
    return {key: found[key] for key in ("kind", "metadata", "spec")}


def installation(tag: str) -> Installation:
    """An installation by somebody who adds an annotation."""

    def dress(obj: b.Json, dummy: b.Json) -> b.Json:
        return {**obj, "metadata": {**obj["metadata"], "annotations": {"by": "somebody"}}}

    return Installation([rendered_istiod(tag)], [change()], None, "somebody", dress, lambda dummy: None)


def test_it_is_applied_as_the_installer_would() -> None:
    with FakeApi(*b.plane(b.OLD)) as api:
        run = run_of(api, CORE, revision=b.OLD, version=b.NEW_VERSION, strategy="in_place")
        roll(run, installation(b.NEW_VERSION))
        (seen,) = [seen for seen in api.seen if seen.method == "PATCH"]
        assert (seen.query["fieldManager"], "dryRun" in seen.query) == ("somebody", False)
        assert api.get("Deployment", "istiod-1-30-3")["metadata"]["annotations"] == {"by": "somebody"}


@pytest.mark.usefixtures("quick")
def test_what_cannot_be_read_for_a_moment_is_no_trouble_of_the_new_istiod() -> None:
    with FakeApi(*b.plane(b.OLD)) as api:
        api.script("GET", f"/apis/apps/v1/namespaces/{b.SYSTEM}/deployments", failure(500), failure(500))
        run = run_of(api, CORE, revision=b.OLD, version=b.NEW_VERSION, strategy="in_place", timeout=20)
        roll(run, installation(b.NEW_VERSION))


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
def test_an_istiod_that_does_not_come_up_leaves_the_old_one_with_its_configuration() -> None:
    objects = [*b.plane(b.OLD, updated=0), broken_pod()]
    with FakeApi(*objects) as api:
        api.on_patch = lambda dummy: None
        run = run_of(api, CORE, revision=b.OLD, version=b.NEW_VERSION, strategy="in_place", timeout=1)
        with pytest.raises(ProofError, match=r"istiod-1-30-3 is not rolled out; pod istiod-1-30-3-x.*ImagePullBackOff"):
            roll(run, installation("nope"))
        assert b.mesh_of(api.objects).revisions[b.OLD].config == b.mesh_of(objects).revisions[b.OLD].config


@pytest.mark.usefixtures("quick")
def test_an_old_pod_on_its_way_out_still_answers() -> None:
    pod = broken_pod()
    pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    pod["spec"]["nodeName"] = "n9"
    with FakeApi(*b.plane(b.OLD), pod) as api:
        run = run_of(api, CORE, revision=b.OLD, version=b.NEW_VERSION, strategy="in_place", timeout=1)
        with pytest.raises(ProofError, match="pod istiod-1-30-3-x on node n9 is not gone yet") as failed:
            roll(run, installation(b.NEW_VERSION))
        # the new one is up, and the old one may be dead
        assert "is up, but the old istiod is not gone" in failed.value.message
        assert "did not come up" not in failed.value.message
        assert "serves on" not in failed.value.message
