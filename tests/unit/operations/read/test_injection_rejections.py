# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an istiod rejects pods: what could not be asked is named, and is not the same as a pod that is admitted."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.transport import TRIES
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import UnauthorizedError
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.injection_proof import PLACES
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.injection_rejections import with_rejections
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.checking import UPGRADE
from unit.support.fake_api import FakeApi

pytestmark = pytest.mark.usefixtures("quick")

#: The injector configuration is newer than the istiod that reads it.
MIXED = [*b.plane(b.OLD), *b.namespaces(shop=b.OLD)]
SPACES = (b.SYSTEM, "default", "shop")
REJECTED = 'admission webhook "rev.object.sidecar-injector.istio.io" denied the request: no field ProxyInitImage.'
POLICY = "pods \"meshops-istio-proof-\" is forbidden: ValidatingAdmissionPolicy 'strict' denied request: no"


def mixed() -> list[b.Json]:
    """A mesh whose istiod was put back after an upgrade in place."""
    objects = [*b.plane(b.OLD, b.NEW_VERSION), *b.namespaces(shop=b.OLD)]
    (istiod,) = b.of_kind(objects, "Deployment")
    istiod["spec"]["template"]["spec"]["containers"][0]["image"] = f"{b.HUB}/pilot:{b.OLD_VERSION}"
    return objects


def asked(answer: Answer | None, objects: list[b.Json]) -> tuple[Snapshot, int]:
    """The snapshot after the question, with the same answer in every namespace, and the number of dry runs."""
    with FakeApi(*objects) as api:
        for space in SPACES if answer else ():
            api.script("POST", f"/api/v1/namespaces/{space}/pods", *[answer] * TRIES)
        snapshot = with_rejections(api.client(), b.snapshot_of(api.objects))
        return snapshot, len([seen for seen in api.seen if seen.method == "POST"])


def test_a_mesh_of_one_version_costs_no_request() -> None:
    assert asked(None, MIXED)[1] == 0


def test_a_pod_that_is_admitted_is_an_answer() -> None:
    snapshot, count = asked(None, mixed())
    inputs = snapshot.precheck_inputs
    assert (inputs.rejections, inputs.lacks("rejections"), count) == ({}, False, 1)


def test_the_words_of_the_injector_are_kept() -> None:
    snapshot, count = asked(failure(400, REJECTED), mixed())
    inputs = snapshot.precheck_inputs
    assert (inputs.rejections, inputs.lacks("rejections"), count) == ({b.OLD: REJECTED.rstrip(".")}, False, 1)


@pytest.mark.parametrize(
    ("answer", "reason", "most"),
    [
        pytest.param(failure(403, "may not create pods"), "may not create pods", 1, id="no right"),
        pytest.param(failure(422, POLICY), "by an admission policy strict", PLACES, id="a policy refuses"),
        pytest.param(failure(503, "overloaded"), "overloaded", TRIES, id="the API server fails"),
    ],
)
def test_what_was_not_asked_is_a_check_that_did_not_run(answer: Answer, reason: str, most: int) -> None:
    snapshot, count = asked(answer, mixed())
    assert snapshot.precheck_inputs.lacks("rejections")
    found = {row.code: row for row in run_checks(snapshot, UPGRADE) if row.object == "check MU132"}
    assert reason in found["MU090"].message
    assert count <= most


def test_a_login_that_is_not_accepted_ends_the_precheck() -> None:
    with pytest.raises(UnauthorizedError):
        asked(failure(401, "Unauthorized"), mixed())
