# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Control planes that another tool installs: waited for, proven, never written."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ProofError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import HELM, OPERATOR, Manager
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.external import (
    await_revision,
    report_removable,
    require_not_operator_managed,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext, TaskResult
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi
from unit.support.running import run_of, task

pytestmark = pytest.mark.usefixtures("quick")
MESH = [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(shop=b.OLD)]
#: A control plane that runs in another cluster: a Service without selector, and the injector that calls it.
REMOTE = [b.istiod_service(b.NEW, remote=True), b.injector(b.NEW)]
SAIL = Manager(OPERATOR, "IstioRevision 1-31-0 of the Sail Operator")


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster with both revisions in order."""
    with FakeApi(*MESH, *b.plane(b.NEW)) as found:
        yield found


def await_external(run: TaskContext, snapshot: Snapshot, source: str) -> TaskResult:
    """Wait for the revision with the options of a run."""
    return await_revision(run, InstallOptions.from_params(run.params), snapshot, source)


def run_for(api: FakeApi, **options: t.Any) -> TaskContext:
    """A run for revision 1-31-0."""
    return run_of(api, CORE, **{"revision": b.NEW, "version": b.NEW_VERSION, "timeout": 1, **options})


@pytest.mark.parametrize("check_mode", [False, True])
def test_an_installed_revision_is_proven_and_nothing_is_written(api: FakeApi, check_mode: bool) -> None:
    found = await_external(run_for(api, check_mode=check_mode), b.snapshot_of(api.objects), b.OLD)
    assert (found.actions, found.values["source_revision"]) == ([], b.OLD)
    assert api.writes() == []


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    ("objects", "message"),
    [
        ([], "it is not installed"),
        (b.plane(b.NEW, "1.30.9"), "has the image tag 1.30.9, not 1.31.0"),
        (b.plane(b.NEW, ready=0), "is not rolled out"),
    ],
)
def test_a_missing_revision_is_reported_with_the_next_step(
    objects: list[b.Json], message: str, check_mode: bool
) -> None:
    with FakeApi(*MESH, *objects) as api, pytest.raises(ProofError, match=message) as failed:
        await_external(run_for(api, check_mode=check_mode), b.snapshot_of(api.objects), b.OLD)
    assert "another tool installs it: have it install revision 1-31-0 with Istio 1.31.0" in failed.value.message
    assert api.writes() == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_busy_api_server_is_waited_for(api: FakeApi, check_mode: bool) -> None:
    api.script("POST", f"/api/v1/namespaces/{b.SYSTEM}/pods", *[failure(503, "not now")] * (50 if check_mode else 6))
    run = run_for(api, check_mode=check_mode, timeout=30)
    if check_mode:
        with pytest.raises(ProofError, match="not now"):
            await_external(run, b.snapshot_of(api.objects), b.OLD)
    else:
        assert await_external(run, b.snapshot_of(api.objects), b.OLD).actions == []


@pytest.mark.parametrize(("version", "proven"), [("1.31.0", True), ("1.31.1", False)])
def test_only_a_pod_shows_the_version_of_a_remote_control_plane(version: str, proven: bool) -> None:
    with FakeApi(*MESH, *REMOTE) as api:
        api.script(
            "POST", f"/api/v1/namespaces/{b.SYSTEM}/pods", Answer(b.pod(revision=b.NEW, image=b.proxy("1.31.0")))
        )
        run = run_for(api, version=version, check_mode=True)
        if proven:
            assert await_external(run, b.snapshot_of(api.objects), b.OLD).actions == []
        else:
            with pytest.raises(ProofError, match=r"gets the image .*1\.31\.0, not one of 1\.31\.1"):
                await_external(run, b.snapshot_of(api.objects), b.OLD)


def test_a_revision_that_nothing_needs_is_reported_and_kept(api: FakeApi) -> None:
    found = report_removable(run_for(api), b.snapshot_of(api.objects), b.OLD)
    assert (found.actions, found.values) == ([], {"revision": b.OLD, "removable": True})
    assert "its installer may remove it" in found.warnings[0]


def test_the_remains_of_a_removed_revision_are_reported_too(api: FakeApi) -> None:
    assert report_removable(run_for(api), b.snapshot_of(api.objects), "1-29-0").values["removable"]


def test_objects_of_an_operator_are_refused_with_the_next_step(api: FakeApi) -> None:
    require_not_operator_managed(run_for(api), Manager(HELM, "istiod"), "It")
    with pytest.raises(
        SafetyError, match="It on cluster .* belongs to IstioRevision 1-31-0 of the Sail Operator"
    ) as refused:
        require_not_operator_managed(run_for(api), SAIL, "It")
    assert "set installer=external" in refused.value.message


@pytest.mark.parametrize("check_mode", [False, True])
def test_the_module_installs_nothing_and_needs_no_installer(api: FakeApi, check_mode: bool) -> None:
    options = {"revision": b.NEW, "version": b.NEW_VERSION, "installer": "external", "istioctl": "/no/such/file"}
    result = task(api, CORE, check_mode=check_mode, **options)
    assert (result["changed"], result["changes"], result["source_revision"]) == (False, [], b.OLD)
    assert api.writes() == []


def test_an_unsupported_upgrade_is_refused_also_with_an_external_installer(api: FakeApi) -> None:
    result = task(api, CORE, revision="1-33-0", version="1.33.0", installer="external")
    assert result["failed"]
    assert "MU001" in result["msg"]


def test_a_revision_of_an_operator_is_not_installed_again(api: FakeApi, tmp_path: Path) -> None:
    (found,) = (
        obj for obj in api.objects if obj["metadata"]["name"] == f"istiod-{b.NEW}" and obj["kind"] == "Deployment"
    )
    owner = {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevision", "name": b.NEW}
    found["metadata"]["ownerReferences"] = [owner]
    result = task(api, CORE, revision=b.NEW, version=b.NEW_VERSION, istioctl=api.istioctl(tmp_path))
    assert result["failure"]["kind"] == "SafetyError"
    assert f"belongs to IstioRevision {b.NEW} of the Sail Operator" in result["msg"]
    assert api.writes() == []
