# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh whose control planes an operator installs: everything but that, and no write to what the operator keeps.

The test plays the operator: it installs with istioctl and leaves the owner references of the Sail Operator.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from integration.meshes import ADMISSION, MERGE, MESH, assert_no_orphan, assert_validated, drop_unrestartable
from integration.objects import injected, labels, pods
from integration.safety import no_write, refusal
from integration.story import Reading
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from lab import ApiError, Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
GROUP = "sailoperator.io"
KINDS = {"IstioRevision": "istiorevisions", "IstioRevisionTag": "istiorevisiontags"}
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
EXTERNAL: Json = {"istio_installer": "external"}


class Operator:
    """Installs control planes and moves its tag, and owns what it made."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        for kind, plural in KINDS.items():
            names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
            schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
            version = {"name": "v1", "served": True, "storage": True, "schema": schema}
            body = {
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "CustomResourceDefinition",
                "metadata": {"name": f"{plural}.{GROUP}"},
                "spec": {"group": GROUP, "scope": "Cluster", "names": names, "versions": [version]},
            }
            cluster.request("POST", CRDS, body)

    def _own(self, kind: str, name: str, *paths: str) -> None:
        owner = {"apiVersion": f"{GROUP}/v1", "kind": kind}
        uid = self._uid({**owner, "metadata": {"name": name}})
        patch = {"metadata": {"ownerReferences": [{**owner, "name": name, "uid": uid, "controller": True}]}}
        for path in paths:
            self.cluster.request("PATCH", path, patch, content_type=MERGE)

    def _uid(self, body: Json) -> str:
        """Make an object of a kind that the API server may have learnt only now."""
        place = f"/apis/{GROUP}/v1/{KINDS[body['kind']]}"
        deadline = time.monotonic() + 30
        while True:
            try:
                self.cluster.request("POST", place, body)
            except ApiError as error:
                if error.status == 409:
                    return str(self.cluster.request("GET", f"{place}/{body['metadata']['name']}")["metadata"]["uid"])
                if error.status != 404 or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def install(self, version: str, revision: str) -> None:
        """A control plane that an IstioRevision owns."""
        self.cluster.install_istio(version, revision)
        deployment = f"/apis/apps/v1/namespaces/istio-system/deployments/istiod-{revision}"
        webhook = f"{ADMISSION}/mutatingwebhookconfigurations/istio-sidecar-injector-{revision}"
        self._own("IstioRevision", revision, deployment, webhook)

    def point_default(self, version: str, revision: str) -> None:
        """The tag default, which an IstioRevisionTag owns."""
        self.cluster.istioctl(version, "tag", "set", "default", "--revision", revision, "--overwrite", "-y")
        self._own(
            "IstioRevisionTag", "default", f"{ADMISSION}/mutatingwebhookconfigurations/istio-revision-tag-default"
        )

    def leave(self) -> None:
        """Take the kinds away; what they owned goes with them."""
        for plural in KINDS.values():
            self.cluster.delete(f"{CRDS}/{plural}.{GROUP}")


@dataclass(frozen=True)
class Step:
    """A run, what it wrote, and the mesh after it."""

    play: Play
    writes: list[Json]
    after: Reading

    @property
    def written(self) -> set[tuple[str, str]]:
        """(resource, name) of every object that was written."""
        return {(one["objectRef"]["resource"], one["objectRef"].get("name", "")) for one in self.writes}


def step(desk: Desk, cluster: Cluster, *flags: str, **variables: Any) -> Step:
    """Run the playbook canary against what the operator installs."""
    mark = cluster.audit_mark()
    play = desk.play([cluster], *flags, **EXTERNAL, **variables)
    return Step(play, cluster.writes_since(mark), Reading.of(cluster))


@dataclass(frozen=True)
class Story:
    """The operator is late, then comes; the same again; finalized too early, and after the operator moved its tag."""

    late: Step
    upgraded: Play
    again: Step
    early: Step
    final: Step


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """The first cluster of the lab."""
    return desk.lab.clusters[0]


@pytest.fixture(scope="module")
def operator(desk: Desk, cluster: Cluster) -> Iterator[Operator]:
    """Istio 1.30.3 by the operator, and the population."""
    desk.state = ""
    cluster.reset()
    found = Operator(cluster)
    found.install(VERSION, REVISION)
    found.point_default(VERSION, REVISION)
    cluster.seed()
    cluster.wait_ready()
    drop_unrestartable(cluster)
    yield found
    found.leave()


@pytest.fixture(scope="module")
def story(desk: Desk, cluster: Cluster, operator: Operator) -> Story:
    """The events, in order."""
    late = step(desk, cluster, istio_timeout=2)
    running = desk.start([cluster], **EXTERNAL, istio_timeout=120)
    running.until_it_says(f"waiting until another tool has installed revision {NEW_REVISION}")
    operator.install(NEW_VERSION, NEW_REVISION)
    upgraded = running.end()
    again = step(desk, cluster)
    early = step(desk, cluster, istio_finalize=True)
    operator.point_default(NEW_VERSION, NEW_REVISION)
    return Story(late, upgraded, again, early, step(desk, cluster, istio_finalize=True))


def test_a_control_plane_that_does_not_come_is_waited_for_and_said(story: Story, cluster: Cluster) -> None:
    assert story.late.play.returncode != 0
    said = story.late.play.failure(cluster)
    assert f"Revision {NEW_REVISION} on cluster {cluster.name} was not proven within 2 s: it is not installed" in said
    assert f"have it install revision {NEW_REVISION} with Istio {NEW_VERSION}" in said
    assert story.late.writes == []


def test_workloads_follow_as_soon_as_it_is_there(story: Story, cluster: Cluster) -> None:
    story.upgraded.require_success()
    running = [pod for key, pod in story.again.after.pods.items() if key[0] in MESH and pod.image and not pod.done]
    assert {pod.version for pod in running} == {NEW_VERSION}
    story.again.play.require_success()
    assert story.again.play.recap[cluster.name]["changed"] == 0
    assert story.again.writes == []


def test_a_tag_of_the_operator_is_not_moved_and_keeps_the_old_revision(story: Story, cluster: Cluster) -> None:
    assert story.early.play.returncode != 0
    said = story.early.play.failure(cluster)
    assert f"tag default points at revision {REVISION}" in said
    assert "IstioRevisionTag default of the Sail Operator" in said
    assert story.early.writes == []


def test_in_the_end_the_old_revision_may_go_but_the_operator_removes_it(story: Story, cluster: Cluster) -> None:
    story.final.play.require_success()
    result = story.final.play.of(cluster, "istio_revision")[-1]
    assert (result["changed"], result["revision"], result["removable"]) == (False, REVISION, True)
    assert story.final.play.recap[cluster.name]["changed"] == 0
    assert ("Deployment", "istio-system", f"istiod-{REVISION}") in story.final.after.objects
    assert story.final.writes == []
    assert injected(cluster, "shop").annotated == NEW_REVISION
    assert {labels(cluster)[name].get("istio.io/rev") for name in MESH} == {NEW_REVISION, "prod"}
    assert_validated(cluster)
    assert_no_orphan(cluster)


@pytest.mark.parametrize(
    ("module", "options", "advice"),
    [
        ("istio_revision", {"revision": NEW_REVISION, "version": NEW_VERSION}, "set installer=external"),
        ("istio_revision", {"revision": REVISION, "state": "absent"}, "set installer=external"),
        ("istio_tag", {"name": "default", "revision": REVISION}, "move it there"),
        ("istio_tag", {"name": "default", "state": "absent"}, "move it there"),
    ],
)
def test_what_the_operator_keeps_is_never_written(
    desk: Desk, cluster: Cluster, story: Story, module: str, options: Json, advice: str
) -> None:
    assert story.final
    running = pods(cluster)
    with no_write(cluster):
        message = refusal(desk.tool(cluster, module, **options), "SafetyError")
    assert "of the Sail Operator, which reverts the changes of other clients" in message
    assert advice in message
    assert pods(cluster) == running
