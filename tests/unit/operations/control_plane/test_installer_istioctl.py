# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The labels that istioctl adds, the objects that it prunes, and where it leaves the default (domain 4 and 9)."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import InstallRequest
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    Version,
    require_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer_istioctl import (
    default_revision_after,
    find_default_changes,
    find_prunes,
    with_ownership,
)
from unit.support import builders as b
from unit.support.fake_api import FakeApi

REQUEST = InstallRequest(b.OLD, Version(1, 30, 3), b.SYSTEM, "minimal", {})
OWNED = {
    "operator.istio.io/managed": "Reconcile",
    "operator.istio.io/version": b.OLD_VERSION,
    "operator.istio.io/component": "Pilot",
    "install.operator.istio.io/owning-resource-namespace": b.SYSTEM,
    "install.operator.istio.io/owning-resource": "unknown",
    "istio.io/rev": b.OLD,
}


def config_map(name: str = "cm", **labels: str) -> b.Json:
    """A ConfigMap in the Istio namespace."""
    return {"kind": "ConfigMap", "metadata": b.meta(name, b.SYSTEM, labels, resourceVersion="7"), "data": {}}


def rendered(obj: b.Json) -> b.Json:
    """The same object as istioctl renders it: without what the server and the installer add."""
    return {**obj, "metadata": {"name": obj["metadata"]["name"], "namespace": b.SYSTEM, "labels": {}}}


def test_domain_9_only_the_installer_adds_ownership_labels() -> None:
    found = with_ownership(REQUEST, rendered(config_map()), config_map(**OWNED))
    assert found["metadata"]["labels"] == OWNED


def test_a_rendered_component_label_is_kept() -> None:
    mine = rendered(config_map())
    mine["metadata"]["labels"]["operator.istio.io/component"] = "Base"
    found = with_ownership(REQUEST, mine, config_map(**OWNED))
    assert found["metadata"]["labels"]["operator.istio.io/component"] == "Base"
    assert "istio.io/rev" not in mine["metadata"]["labels"]


def validator(policy: str) -> b.Json:
    """A validator with one webhook."""
    return {
        "kind": "ValidatingWebhookConfiguration",
        "metadata": b.meta("v"),
        "webhooks": [{"name": "w", "failurePolicy": policy}],
    }


def test_domain_2_the_failure_policy_of_istiod_is_not_a_difference() -> None:
    """Ignore in the manifest; istiod sets Fail within a second or two."""
    found = with_ownership(REQUEST, validator("Ignore"), validator("Fail"))
    assert found["webhooks"][0]["failurePolicy"] == "Fail"


@pytest.mark.parametrize(("revision", "parked"), [("default", True), (b.OLD, False)])
def test_domain_4_webhooks_without_a_revision_are_deactivated(revision: str, parked: bool) -> None:
    live = b.injector(revision, parked=parked)
    wanted = dataclasses.replace(REQUEST, revision=revision)
    found = with_ownership(wanted, b.injector(revision), live)
    for hook, there in zip(found["webhooks"], live["webhooks"], strict=True):
        assert (hook["namespaceSelector"], hook["objectSelector"]) == (
            there["namespaceSelector"],
            there["objectSelector"],
        )


def test_s12_objects_that_are_not_rendered_any_more_would_be_pruned() -> None:
    live = [
        config_map("kept", **OWNED),
        config_map("gone", **OWNED),
        config_map("marked", **OWNED, **{"install.operator.istio.io/owning-resource-not-pruned": "true"}),
        config_map("other-revision", **{**OWNED, "istio.io/rev": b.NEW}),
        config_map("by-hand"),
    ]
    with FakeApi(*live) as api:
        found = find_prunes(api.client(), [rendered(config_map("kept"))], REQUEST)
    assert list(map(str, found)) == ["prune ConfigMap istio-system/gone"]


def stamped(version: str | None) -> list[b.Json]:
    """The default tag with the version of its installer."""
    found = b.revision_tag("default", "default")
    for obj in found:
        obj["metadata"]["labels"] |= {"operator.istio.io/version": version} if version else {}
    return found


STAMP = {"metadata.labels.operator.istio.io/version": (b.OLD_VERSION, b.NEW_VERSION)}


@pytest.mark.parametrize(
    ("objects", "version", "expected"),
    [
        pytest.param(stamped(b.OLD_VERSION), "1.31.0", [STAMP] * 3, id="an install stamps all three"),
        pytest.param(stamped(b.NEW_VERSION), "1.31.0", [], id="they have that stamp"),
        pytest.param(stamped(None), "1.31.0", [], id="made by tag set: no stamp"),
        pytest.param([], "1.31.0", [{}] * 3, id="it does not exist yet"),
        pytest.param([], "1.27.0", [{}] * 2, id="before Istio 1.28 there is no Service"),
        pytest.param(
            b.revision_tag("default", b.NEW),
            "1.31.0",
            [{"metadata.labels.istio.io/rev": (b.NEW, "default")}] * 3,
            id="all of them are taken back",
        ),
        pytest.param(
            [*b.revision_tag("default", "default")[:2], b.validator("1-29-0")],
            "1.31.0",
            [{"metadata.labels.istio.io/rev": ("1-29-0", "default")}],
            id="one of them points at another revision",
        ),
    ],
)
def test_s11_the_owners_of_the_default_are_part_of_the_plan(
    objects: list[b.Json], version: str, expected: list[b.Json]
) -> None:
    with FakeApi(*objects) as api:
        wanted = dataclasses.replace(REQUEST, revision="default", version=require_version(version))
        found = find_default_changes(api.client(), wanted)
    assert [dict(one.fields) for one in found] == expected
    assert {one.change for one in found} <= {"create", "update"}


POLICY = "webhooks.[rev.namespace.sidecar-injector.istio.io].reinvocationPolicy"


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param("IfNeeded", [{**STAMP, POLICY: ("IfNeeded", "Never")}, STAMP, STAMP], id="it gets lost"),
        pytest.param("Never", [STAMP] * 3, id="nothing to ask about"),
    ],
)
def test_settings_of_the_default_tag_are_part_of_the_plan(policy: str, expected: list[b.Json]) -> None:
    asked: list[str] = []

    def render() -> b.Json:
        asked.append("rendered")
        after = stamped(b.NEW_VERSION)[0]
        after["webhooks"][0]["reinvocationPolicy"] = "Never"
        after["webhooks"][0]["clientConfig"]["caBundle"] = "other"
        return after

    objects = stamped(b.OLD_VERSION)
    objects[0]["webhooks"][0]["reinvocationPolicy"] = policy
    with FakeApi(*objects) as api:
        wanted = dataclasses.replace(REQUEST, revision="default", version=require_version(b.NEW_VERSION))
        found = find_default_changes(api.client(), wanted, render)
    assert [dict(change.fields) for change in found] == expected
    assert bool(asked) is (policy == "IfNeeded")
    assert bool(found[0].live) is bool(asked)


@pytest.mark.parametrize(
    ("objects", "take", "expected"),
    [
        pytest.param(b.two_planes(), False, b.OLD, id="S11: a default tag stays"),
        pytest.param([], False, b.NEW, id="the first revision becomes the default"),
        pytest.param(b.plane(b.OLD), True, b.NEW, id="S11: taken because it was requested"),
        pytest.param(b.plane(b.NEW), False, b.NEW, id="the same revision again"),
        pytest.param(
            [*b.plane(b.OLD), *b.in_mesh("istio-two", [*b.plane("default"), *b.revision_tag("default", "default")])],
            False,
            None,
            id="R11b: a default tag of another mesh",
        ),
    ],
)
def test_s11_the_default_revision_after_an_installation(
    objects: list[b.Json], take: bool, expected: str | None
) -> None:
    assert default_revision_after(b.mesh_of(objects), b.NEW, take) == expected


@pytest.mark.parametrize(
    ("objects", "take"),
    [
        pytest.param(b.plane("default"), False, id="no tag default yet"),
        pytest.param([*b.plane("default"), *b.revision_tag("default", "default")], False, id="it exists"),
        pytest.param([*b.plane("default"), *b.revision_tag("default", b.NEW)], True, id="S11: taken on purpose"),
    ],
)
def test_s11_an_install_without_a_revision_owns_the_default(objects: list[b.Json], take: bool) -> None:
    assert default_revision_after(b.mesh_of(objects), "default", take) == "default"


def test_s11_an_install_without_a_revision_does_not_move_the_default_back() -> None:
    mesh = b.mesh_of([*b.plane("default"), *b.plane(b.NEW), *b.revision_tag("default", b.NEW)])
    with pytest.raises(
        SafetyError,
        match=r"The tag default points at 1-31-0;.*move it and the validator back.*allow_default_change=true",
    ):
        default_revision_after(mesh, "default", allow_change=False)


def test_s11_the_default_does_not_change_as_a_side_effect() -> None:
    with pytest.raises(SafetyError, match="make 1-31-0 the default as a side effect, although 1-30-3 is installed"):
        default_revision_after(b.mesh_of(b.plane(b.OLD)), b.NEW, allow_change=False)
