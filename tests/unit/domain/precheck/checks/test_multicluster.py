# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of a mesh of several clusters: their messages, and when they are silent."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_precheck import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.precheck_inputs import (
    PENDING_RELEASES,
    REMOTE_SECRETS,
)
from unit.support import builders as b
from unit.support.checking import HEALTHY, UPGRADE, of
from unit.support.fake_api import FakeApi
from unit.support.running import task

KEY, VALUE = REMOTE_SECRETS.split("=")
CLUSTER = "networking.istio.io/cluster"
PRIVATE = "apiVersion: v1, token: unspeakable"
REMOTE = [b.istiod_service(b.NEW, remote=True), b.injector(b.NEW)]


def remote_secret(name: str, cluster: str | None) -> b.Json:
    """A Secret as `istioctl create-remote-secret` makes it, applied by kubectl, which keeps a copy in an annotation."""
    notes = {"kubectl.kubernetes.io/last-applied-configuration": PRIVATE, **({CLUSTER: cluster} if cluster else {})}
    metadata = b.meta(f"istio-remote-secret-{name}", b.SYSTEM, {KEY: VALUE}, notes)
    return {"kind": "Secret", "metadata": metadata, "data": {name: PRIVATE}}


def plane(revision: str, merged: b.Json) -> list[b.Json]:
    """A control plane with the values that it was rendered from."""
    found = b.plane(revision)
    found[-1]["data"]["merged-values"] = json.dumps(merged)
    return found


def named(cluster: object = "", mesh: object = "", network: object = "", trust_domain: object = "") -> b.Json:
    """Values with the identity of a control plane."""
    shared = {"meshID": mesh, "network": network, "multiCluster": {"clusterName": cluster}}
    return {"global": shared, "meshConfig": {"trustDomain": trust_domain}}


FIRES = [
    pytest.param(
        "MU060", "namespace istio-system", [*HEALTHY, remote_secret("a", "paris-2")], {}, id="MU060: a remote secret"
    ),
    pytest.param(
        "MU061",
        "revision 1-31-0",
        [*plane(b.OLD, named("paris-1")), *plane(b.NEW, named("paris")), *b.namespaces()],
        {},
        id="MU061: another name of the cluster",
    ),
    pytest.param("MU062", "revision 1-31-0", [*HEALTHY, *REMOTE], {}, id="MU062: istiod runs outside the cluster"),
    pytest.param(
        "MU063",
        "namespace istio-two",
        [*HEALTHY, *b.in_mesh("istio-two", b.plane("two"))],
        {},
        id="MU063: another mesh",
    ),
    pytest.param(
        "MU145",
        "revision 1-31-0",
        [*HEALTHY, *b.in_mesh("istio-two", b.plane(b.NEW))],
        {},
        id="MU145: another mesh has a revision of that name",
    ),
]
FINALIZES = dataclasses.replace(UPGRADE, finalize=True)
UNREVISIONED = b.in_mesh("istio-two", [*b.plane("default", parked=True), *b.revision_tag("default", "default")])


@pytest.mark.parametrize(
    ("others", "upgrade", "objects"),
    [
        pytest.param(UNREVISIONED, FINALIZES, ["tag default"], id="the default of both meshes"),
        pytest.param(UNREVISIONED, UPGRADE, [], id="the default does not move"),
        pytest.param(
            b.in_mesh("istio-two", b.plane("prod")), UPGRADE, ["tag prod"], id="a tag with the name of a revision"
        ),
        pytest.param(b.in_mesh("istio-two", b.plane("two")), FINALIZES, [], id="other names"),
        pytest.param(
            b.in_mesh("istio-two", b.plane(b.OLD)), FINALIZES, [], id="the source, which is only removed by its objects"
        ),
    ],
)
def test_mu145_names_what_the_run_would_move(others: list[b.Json], upgrade: Upgrade, objects: list[str]) -> None:
    tags = [*b.plane(b.OLD), *b.revision_tag("prod", b.OLD), *b.revision_tag("default", b.OLD)]
    rows = of("MU145", [*tags, *b.namespaces(), *others], upgrade)
    assert [row.object for row in rows] == objects
    assert all("the mesh of namespace istio-two" in row.message for row in rows)


def test_mu145_says_what_to_do_about_the_default() -> None:
    [row] = of("MU145", [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(), *UNREVISIONED], FINALIZES)
    assert "Only one mesh can own the default" in row.message
    assert "istio_tag name=default state=absent" in row.message


def test_mu060_names_the_clusters_once() -> None:
    secrets = [remote_secret("x", "paris-3"), remote_secret("paris-2", None), remote_secret("y", "paris-3")]
    (row,) = of("MU060", [*HEALTHY, *secrets])
    assert (row.severity, row.message) == (
        "info",
        "Through remote Secrets, every istiod here also reads these clusters: paris-2, paris-3.",
    )


def test_mu060_counts_clusters_that_it_does_not_name() -> None:
    (row,) = of("MU060", [*HEALTHY, *(remote_secret(f"c{at}", None) for at in range(10))])
    assert row.message.endswith(": c0, c1, c2, c3, c4, c5, c6, c7, and 2 more.")


def test_s13_only_the_metadata_of_a_remote_secret_is_read() -> None:
    with FakeApi(*HEALTHY, remote_secret("paris-2", "paris-2")) as api:
        result = task(api, CORE, version=b.NEW_VERSION, revision=b.NEW)
        asked = [seen for seen in api.seen if "secrets" in seen.path]
    for seen in asked:
        assert seen.headers["Accept"].startswith("application/json;as=PartialObjectMetadataList")
    assert {seen.query["labelSelector"] for seen in asked} == {REMOTE_SECRETS, PENDING_RELEASES}
    assert "unspeakable" not in json.dumps(result)
    assert "paris-2" in json.dumps(result)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (named("a"), named("b"), "cluster name 'b' instead of 'a'"),
        (named("a"), named(), "cluster name 'Kubernetes' instead of 'a'"),
        (named(network="n1"), named(), "network '' instead of 'n1'"),
        (
            named(mesh="m", trust_domain="one"),
            named(mesh="n", trust_domain="two"),
            "mesh id 'n' instead of 'm', trust domain 'two' instead of 'one'",
        ),
        (named(), named("Kubernetes", "cluster.local", "", "cluster.local"), None),
        (named(), {"global": None, "meshConfig": ["odd"]}, None),
        (named("a"), {}, None),
    ],
)
def test_mu061_names_differences_after_defaults_are_applied(old: b.Json, new: b.Json, message: str | None) -> None:
    objects = [*plane(b.OLD, old), *plane(b.NEW, new), *b.namespaces()]
    for upgrade in (UPGRADE, Upgrade(stage=AFTER, revision=b.NEW)):
        rows = [(row.object, row.message) for row in of("MU061", objects, upgrade)]
        expected = ("revision 1-31-0", f"Compared with revision 1-30-3, it has {message}.")
        assert rows == ([expected] if message else [])


def test_mu062_is_silent_for_a_control_plane_that_runs_here() -> None:
    assert of("MU062", HEALTHY) == []
