# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that are not called as Istio calls them, and pods without a proxy container: R04, R05, R12, R18.

Each mesh is upgraded, a second run changes nothing, and the state is reported as done.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from field.meshes import SHOP, base, proxies, web
from field.playbooks import canary, changed, play
from field.policies import mutating, rewrite_proxy_image
from integration.objects import REV, injected, until
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from integration.workloads import namespace
from lab import Cluster

Json = dict[str, Any]
DIGEST = f"@sha256:{'a' * 64}"
#: Case -> the image that a policy makes of the injected one, in CEL.
REWRITTEN = {
    "R04": 'c.image.replace("lab.invalid", "mirror.test")',
    "R05a": f'c.image + "{DIGEST}"',
    "R05b": f'c.image.split(":")[0] + "{DIGEST}"',
}
#: A digest per version, because it is another image.
NEW_DIGEST = f"@sha256:{'b' * 64}"
PROXY_CONFIG: Json = {
    "apiVersion": "networking.istio.io/v1beta1",
    "kind": "ProxyConfig",
    "metadata": {"name": "fips", "namespace": SHOP},
    "spec": {"image": {"imageType": "fips"}},
}


@contextlib.contextmanager
def rewriting(cluster: Cluster, case: str) -> Iterator[None]:
    """A policy that rewrites the image of injected proxies; pods that exist get it by a restart."""
    image = REWRITTEN[case]
    if case == "R05b":
        image = f'c.image.split(":")[0] + (c.image.endsWith("{NEW_VERSION}") ? "{NEW_DIGEST}" : "{DIGEST}")'
    before = injected(cluster, SHOP).image
    with mutating(
        cluster, "rewrite", rewrite_proxy_image(image), in_force=lambda: injected(cluster, SHOP).image != before
    ):
        restart(cluster)
        yield


def restart(cluster: Cluster) -> None:
    """Replace all pods of namespace shop."""
    gone = set(proxies(cluster))
    for place in gone:
        cluster.delete(f"/api/v1/namespaces/{SHOP}/pods/{place.partition('/')[2]}")
    until(lambda: not gone & set(proxies(cluster)), "the old pods do not go")
    cluster.wait_ready()


def upgrade_twice(desk: Desk, cluster: Cluster) -> None:
    """Run precheck, canary, canary again, and verify, as a user does."""
    codes = {row["code"] for row in findings(desk, cluster)}
    assert not {"MU020", "MU027", "MU100"} & codes
    canary(desk, cluster).require_success()
    assert changed(canary(desk, cluster).require_success(), cluster) == 0
    # The second run skips what is up to date; without that, every stage has to find nothing to do.
    assert changed(canary(desk, cluster, istio_skip_up_to_date=False).require_success(), cluster) == 0
    play(desk, cluster, "verify").require_success()


def findings(desk: Desk, cluster: Cluster) -> list[Json]:
    """The findings of the precheck."""
    options: Json = {"version": NEW_VERSION, "revision": NEW_REVISION, "fail_on": "never"}
    return list(desk.tool(cluster, "istio_precheck", **options)["findings"])


def revisions(desk: Desk, cluster: Cluster) -> dict[str, Json]:
    """Revision to versions to numbers of proxies."""
    return dict(desk.tool(cluster, "istio_info", proxies=True)["proxies"])


@pytest.mark.parametrize("case", REWRITTEN)
def test_images_that_admission_rewrites(desk: Desk, based: Cluster, case: str) -> None:
    with rewriting(based, case):
        assert "MU101" in {row["code"] for row in findings(desk, based)}
        # A digest alone shows no version, but the revision that injected it does.
        assert revisions(desk, based) == {REVISION: {VERSION: 2}}
        status = play(desk, based, "status", istio_version=VERSION).require_success()
        assert f"done: {based.name} (istiod {VERSION}, proxies 2 x {VERSION})" in status.output
        upgrade_twice(desk, based)
        assert revisions(desk, based) == {NEW_REVISION: {NEW_VERSION: 2}}


@pytest.mark.parametrize("case", ["R18", "R18b"])
def test_image_types_of_the_mesh_and_of_a_namespace(desk: Desk, empty: Cluster, case: str) -> None:
    base(empty, sets=["meshConfig.defaultConfig.image.imageType=fips"] if case == "R18" else [])
    if case == "R18b":
        empty.apply([PROXY_CONFIG])
        until(lambda: injected(empty, SHOP).image.endswith("-fips"), "istiod does not know the ProxyConfig")
        restart(empty)
    assert {image.rpartition(":")[2] for image in proxies(empty).values()} == {f"{VERSION}-fips"}
    upgrade_twice(desk, empty)
    assert {image.rpartition(":")[2] for image in proxies(empty).values()} == {f"{NEW_VERSION}-fips"}


def test_r12_proxyless_grpc_is_moved_like_the_others(desk: Desk, empty: Cluster) -> None:
    base(empty, web("grpc", notes={"inject.istio.io/templates": "grpc-simple"}))
    assert set(revisions(desk, empty)) == {REVISION}
    upgrade_twice(desk, empty)
    assert sum(revisions(desk, empty)[NEW_REVISION].values()) == 4
    assert set(revisions(desk, empty)) == {NEW_REVISION}


def test_a_mirror_that_acts_in_one_namespace_only(desk: Desk, based: Cluster) -> None:
    """Brother of R04: two namespaces with different images in one run."""
    based.apply([namespace("plain", **{REV: REVISION}), web("app", "plain")])
    based.wait_ready()
    image = rewrite_proxy_image(REWRITTEN["R04"])
    where = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SHOP}}}
    with mutating(based, "mirror", image, where=where, in_force=lambda: "mirror.test" in injected(based, SHOP).image):
        restart(based)
        upgrade_twice(desk, based)
        assert {image.partition("/")[0] for image in proxies(based, SHOP).values()} == {"mirror.test"}
        assert {image.partition("/")[0] for image in proxies(based, "plain").values()} == {"lab.invalid"}
