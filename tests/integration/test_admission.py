# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies that change or refuse pods, on one cluster: MU100, MU101, MU102, and how much is asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from field.policies import dry_run_is_refused, mutating, rewrite_proxy_image, validating
from integration.objects import injected, pods, until
from integration.safety import no_write
from integration.support import NEW_REVISION, NEW_VERSION, Desk
from integration.workloads import APP
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
SHOP = "shop"
PODS = f"/api/v1/namespaces/{SHOP}/pods"
BARE: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "bare-"}, "spec": {"containers": [APP]}}
MIRROR = rewrite_proxy_image('c.image.replace("lab.invalid", "mirror.test")')


def precheck(desk: Desk, cluster: Cluster, **options: Any) -> Json:
    """The result of a precheck, which writes nothing."""
    given = {"version": NEW_VERSION, "revision": NEW_REVISION, "fail_on": "never", **options}
    with no_write(cluster):
        result = desk.tool(cluster, "istio_precheck", **given)
    assert "failed" not in result, result
    return result


def found(result: Json, *codes: str) -> dict[str, set[str]]:
    """Code to the objects in namespace shop that some findings are about."""
    rows: dict[str, set[str]] = {code: set() for code in codes}
    for row in result["findings"]:
        if row["code"] in rows and SHOP in row["object"]:
            rows[row["code"]].add(row["object"])
    return rows


@pytest.fixture
def mirrored(calm: Cluster) -> Iterator[Cluster]:
    """A mesh in which a policy rewrites the images of proxies, since after its pods were created."""
    with mutating(calm, "mirror", MIRROR, in_force=lambda: "mirror.test" in injected(calm, SHOP).image):
        yield calm


@contextlib.contextmanager
def refusing(cluster: Cluster, name: str, expression: str) -> Iterator[None]:
    """A policy on the pods of namespace shop, until it is no longer in force."""

    def refused() -> bool:
        return dry_run_is_refused(cluster, "POST", PODS, BARE)

    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SHOP}}}
    with validating(cluster, name, expression, where=where, in_force=refused):
        yield
    until(lambda: not refused(), f"policy {name} is still in force")


def test_a_mirror_is_named_once_and_asked_for_once_per_template(desk: Desk, calm: Cluster, mirrored: Cluster) -> None:
    result = precheck(desk, mirrored)
    assert found(result, "MU100", "MU101") == {"MU100": set(), "MU101": {f"namespace {SHOP}"}}
    workloads = {key[1].rsplit("-", 2)[0] for key, pod in pods(mirrored).items() if pod.image}
    # One dry run for each template of the mesh, and one for the pod of the proof.
    assert result["requests"]["dry_runs"] <= len(workloads) + 1


def test_a_policy_that_refuses_a_workload_is_found_before_a_restart(desk: Desk, calm: Cluster) -> None:
    with refusing(calm, "limits", "object.spec.containers.all(c, has(c.resources) && has(c.resources.limits))"):
        assert found(precheck(desk, calm), "MU100")["MU100"]
        before = set(pods(calm, [SHOP]))
        result = desk.tool(calm, "rollout_restart", namespaces=[SHOP], scope="all")
        assert result["failed"]
        assert "Refused: an admission policy limits: " in result["msg"]
        assert set(pods(calm, [SHOP])) == before


def test_who_may_not_create_pods_learns_that_images_were_not_judged(desk: Desk, calm: Cluster) -> None:
    """MU102: the image of a proxy is not the one that Istio injects, and this user cannot ask."""
    name = sorted(key[1] for key, pod in pods(calm, [SHOP]).items() if pod.image)[0]
    path = f"{PODS}/{name}"
    spec = calm.request("GET", path)["spec"]
    image = next(c["image"] for c in spec["initContainers"] if c["name"] == "istio-proxy")

    def run_image(name: str) -> None:
        """The image of a running container can be changed without a restart of the pod."""
        patch = {"spec": {"initContainers": [{"name": "istio-proxy", "image": name}]}}
        calm.request("PATCH", path, patch, content_type="application/strategic-merge-patch+json")

    run_image(image.replace("lab.invalid", "mirror.test"))
    try:
        with refusing(calm, "nothing", "false"):
            assert found(precheck(desk, calm), "MU102") == {"MU102": {f"namespace {SHOP}"}}
    finally:
        run_image(image)
