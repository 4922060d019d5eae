# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The installed mesh: revisions, tags, injectors and the owners of the default (domain 2 and 4)."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.parsing import is_rolled_out, read_injector
from unit.support import builders as b


def test_domain_2_revisions_are_untagged_injectors_and_istiods() -> None:
    mesh = b.mesh_of(b.two_planes())
    assert list(mesh.revisions) == [b.OLD, b.NEW]
    assert mesh.tags == {"prod": b.OLD, "default": b.OLD}
    assert {name: found.version for name, found in mesh.revisions.items()} == {b.OLD: "1.30.3", b.NEW: "1.31.0"}


def test_an_injector_without_istiod_is_still_a_revision() -> None:
    """Domain 9, trap 5: a half-removed revision must stay visible."""
    mesh = b.mesh_of([b.injector(b.OLD)])
    assert mesh.revisions[b.OLD].deployment == ""
    assert mesh.resolve(b.OLD) == b.OLD


def test_a_tag_alone_makes_no_revision() -> None:
    mesh = b.mesh_of(b.revision_tag("prod", b.OLD))
    assert mesh.revisions == {}
    assert mesh.tags == {"prod": b.OLD}


def test_webhooks_of_others_are_not_injectors() -> None:
    assert read_injector({"metadata": {"name": "other"}, "webhooks": [{"name": "x.example.com"}]}) is None


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param(b.two_planes(), b.OLD, id="domain 4: the default tag decides"),
        pytest.param(b.plane("default"), "default", id="domain 4: a live non-revisioned injector (Helm)"),
        pytest.param(b.plane("default", parked=True), None, id="domain 4: never-match without a default tag is ill"),
        pytest.param(
            [*b.plane("default", parked=True), *b.revision_tag("default", "default")],
            "default",
            id="domain 4: never-match behind the default tag is normal",
        ),
        pytest.param(
            [*b.plane("default", parked=True), *b.plane(b.NEW), *b.revision_tag("default", b.NEW)],
            b.NEW,
            id="domain 4: a default tag that was moved off the non-revisioned install",
        ),
        pytest.param(b.plane(b.OLD), None, id="a revision alone is not a default"),
    ],
)
def test_default_revision(objects: list[b.Json], expected: str | None) -> None:
    assert b.mesh_of(objects).default_revision == expected


def test_domain_4_the_owners_of_the_default_are_read_separately() -> None:
    """Each owner of the default is read from its own object, so that disagreement can be seen."""
    objects = [*b.plane(b.OLD), *b.plane(b.NEW), b.injector(b.NEW, tag="default"), b.istiod_service(b.OLD, "default")]
    mesh = b.mesh_of([*objects, b.validator("default")])
    assert (mesh.default_revision, mesh.default_service, mesh.default_validator) == (b.NEW, b.OLD, "default")


def test_before_istio_1_28_tag_default_has_no_service() -> None:
    mesh = b.mesh_of([*b.plane(b.OLD), b.injector(b.OLD, tag="default"), b.validator(b.OLD)])
    assert mesh.default_service is None


def test_a_revision_takes_precedence_over_a_tag_of_the_same_name() -> None:
    """Domain 9: both run on each pod, and the webhook with the later name wins."""
    mesh = b.mesh_of([*b.two_planes(), b.injector(b.OLD, tag=b.NEW)])
    assert mesh.resolve(b.NEW) == b.NEW


@pytest.mark.parametrize(
    ("name", "expected"), [("prod", b.OLD), (b.NEW, b.NEW), ("default", b.OLD), ("missing", None), ("", None)]
)
def test_resolve(name: str, expected: str | None) -> None:
    assert b.mesh_of(b.two_planes()).resolve(name) == expected


def test_domain_3_an_orphan_webhook_calls_a_service_that_is_gone() -> None:
    objects = [*b.plane(b.OLD), *b.revision_tag("prod", b.NEW)]
    assert [found.name for found in b.mesh_of(objects).orphans()] == ["istio-revision-tag-prod"]


def test_a_healthy_mesh_has_no_orphans() -> None:
    assert b.mesh_of(b.two_planes()).orphans() == []


@pytest.mark.parametrize(("ca", "expected"), [("Q0E=", True), ("", False)])
def test_domain_2_ca_bundle_is_empty_until_istiod_is_up(ca: str, expected: bool) -> None:
    found = read_injector(b.injector(ca=ca))
    assert found is not None
    assert found.has_ca_bundle is expected


def test_one_webhook_without_ca_bundle_is_enough_to_reject_pods() -> None:
    raw = b.injector()
    del raw["webhooks"][1]["clientConfig"]["caBundle"]
    found = read_injector(raw)
    assert found is not None
    assert not found.has_ca_bundle


def test_a_url_has_no_service() -> None:
    found = read_injector(b.injector())
    assert found is not None
    hooks = tuple({**hook, "clientConfig": {"url": "https://istiod.example.com/inject"}} for hook in found.webhooks)
    assert dataclasses.replace(found, webhooks=hooks).service is None


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param({}, True, id="S3: newest generation, all updated replicas ready"),
        pytest.param({"replicas": 2, "ready": 1}, False, id="S3: one of two ready"),
        pytest.param({"replicas": 2, "ready": 2}, True, id="two of two ready"),
        pytest.param({"generation": 2, "observed": 1}, False, id="S3: the newest generation is not observed"),
        pytest.param(
            {"replicas": 1, "ready": 1, "updated": 1, "total": 2, "generation": 2},
            False,
            id="S3: after a failed in-place step the OLD istiod is still Ready",
        ),
        pytest.param({"replicas": 2, "updated": 1, "ready": 2}, False, id="S3: an old replica still serves"),
        pytest.param({"replicas": 0}, False, id="S3: scaled to zero takes no workloads"),
    ],
)
def test_rolled_out(state: dict[str, t.Any], expected: bool) -> None:
    assert is_rolled_out(b.istiod(**state)) is expected


def test_a_deployment_without_status_is_not_rolled_out() -> None:
    assert not is_rolled_out({**b.istiod(), "status": {}})


def test_the_injector_config_map_has_the_injection_settings() -> None:
    policy = (
        "policy: disabled\nneverInjectSelector:\n- matchLabels: {a: b}\nalwaysInjectSelector:\n- matchLabels: {c: d}\n"
    )
    objects = [b.istiod(), b.injector(), b.injector_map(config=policy, proxy={"image": "own"}, variant="distroless")]
    config = b.mesh_of(objects).revisions[b.OLD].config
    assert config is not None
    assert (config.hub, config.tag, config.image, config.variant) == (b.HUB, b.OLD_VERSION, "own", "distroless")
    assert (config.policy, config.never, config.always) == (
        "disabled",
        ({"matchLabels": {"a": "b"}},),
        ({"matchLabels": {"c": "d"}},),
    )


def test_an_empty_injector_config_map_falls_back_to_istios_defaults() -> None:
    raw = {**b.injector_map(), "data": {}}
    config = b.mesh_of([b.istiod(), raw]).revisions[b.OLD].config
    assert config is not None
    assert (config.hub, config.image, config.policy) == ("", "proxyv2", "enabled")


def test_domain_2_user_values_are_read_from_the_values_map() -> None:
    mesh = b.mesh_of(b.plane(values={"pilot": {"replicaCount": 2}}))
    assert mesh.revisions[b.OLD].user_values == {"pilot": {"replicaCount": 2}}


def test_domain_2_the_non_revisioned_install_has_no_suffix() -> None:
    found = b.mesh_of(b.plane("default")).revisions["default"]
    assert (found.deployment, found.version) == ("istiod", b.OLD_VERSION)
    assert found.user_values
    assert found.config


def called_by_url() -> b.Json:
    """The injector of a managed control plane."""
    found = b.injector(b.NEW)
    for hook in found["webhooks"]:
        hook["clientConfig"] = {"url": "https://istiod.example.com/inject"}
    return found


@pytest.mark.parametrize(
    ("objects", "runs", "remote"),
    [
        pytest.param(b.plane(b.NEW), True, False, id="here"),
        pytest.param([b.injector(b.NEW), b.istiod_service(b.NEW, remote=True)], True, True, id="a remote cluster"),
        pytest.param([called_by_url()], True, True, id="a managed control plane"),
        pytest.param([b.injector(b.NEW)], False, False, id="an orphan"),
        pytest.param([b.injector(b.NEW), b.istiod_service(b.NEW)], False, False, id="half removed"),
        pytest.param([b.istiod(b.NEW)], True, False, id="no injector yet"),
    ],
)
def test_a_control_plane_is_local_or_remote(objects: list[b.Json], runs: bool, remote: bool) -> None:
    mesh = b.mesh_of(objects)
    assert (mesh.runs(b.NEW), mesh.is_remote(b.NEW)) == (runs, remote)
    assert not mesh.runs("nowhere")
