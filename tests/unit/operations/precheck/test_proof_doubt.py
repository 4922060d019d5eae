# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether a dry run will be able to prove the target revision, found out before anything is installed."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.transport import TRIES
from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.actors import POD_SECURITY
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import PrecheckInputs
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.proof_doubt import with_proof_doubt
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.injection_proof import PLACES
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi

pytestmark = pytest.mark.usefixtures("quick")

BASELINE = {POD_SECURITY: "baseline"}
REFUSED = 'pods "meshops-istio-proof-" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities'
#: A namespace that always has a proxy of the old revision.
SHOP = b.namespace("shop", {REV: b.OLD})


def doubt(
    spaces: dict[str, dict[str, str]], *answers: Answer, planes: tuple[b.Json, ...] = tuple(b.plane(b.OLD))
) -> tuple[PrecheckInputs, int]:
    """The inputs with the doubt about 1-31-0, and the number of dry runs."""
    places = [b.namespace(name, labels) for name, labels in spaces.items()]
    with FakeApi(*planes, *places, SHOP) as api:
        for space in spaces if answers else ():
            api.script("POST", f"/api/v1/namespaces/{space}/pods", *answers)
        snapshot = b.snapshot_of(api.objects)
        inputs = with_proof_doubt(api.client(), snapshot, b.NEW, b.NEW_VERSION, b.OLD).precheck_inputs
        return inputs, len([seen for seen in api.seen if seen.method == "POST"])


@pytest.mark.parametrize(
    ("spaces", "asked"),
    [
        pytest.param({b.SYSTEM: {}}, 0, id="nothing acts"),
        pytest.param({b.SYSTEM: BASELINE, "default": {}}, 0, id="R01: another namespace admits all"),
        pytest.param({b.SYSTEM: BASELINE}, 1, id="asked, and admitted"),
        pytest.param({b.SYSTEM: {POD_SECURITY: "privileged"}}, 0, id="a level that admits all"),
    ],
)
def test_no_doubt(spaces: dict[str, dict[str, str]], asked: int) -> None:
    inputs, count = doubt(spaces)
    assert (dict(inputs.proof_doubts), inputs.lacks("proof_doubts"), count) == ({}, False, asked)


def test_who_refuses_everywhere_is_named_with_its_words() -> None:
    inputs, count = doubt({b.SYSTEM: BASELINE, "default": BASELINE}, failure(403, REFUSED))
    assert inputs.proof_doubts[b.NEW] == (
        f"a dry-run pod for it is refused in namespace {b.SYSTEM} and in 1 more namespaces, by Pod Security "
        f"baseline:latest: {REFUSED}"
    )
    assert count == 2


def test_no_more_namespaces_are_asked_than_for_the_proof_itself() -> None:
    inputs, count = doubt({f"app-{at}": BASELINE for at in range(2 * PLACES)}, failure(403, REFUSED))
    assert (b.NEW in inputs.proof_doubts, count) == (True, PLACES)


def test_labels_of_every_namespace_are_a_doubt_without_a_request() -> None:
    inputs, count = doubt({b.SYSTEM: {REV: b.OLD}, "default": {"istio-injection": "disabled"}})
    assert "the labels of every namespace" in inputs.proof_doubts[b.NEW]
    assert count == 0


def test_a_namespace_that_has_the_label_of_the_installed_target_can_be_asked() -> None:
    planes = (*b.plane(b.OLD), *b.plane(b.NEW))
    assert doubt({b.SYSTEM: {REV: b.OLD}, "moved": {REV: b.NEW}}, planes=planes)[0].proof_doubts == {}


def test_a_target_that_gets_no_pods_needs_no_proof() -> None:
    planes = (*b.plane("default", parked=True), *b.plane(b.OLD), *b.revision_tag("default", b.OLD))
    with FakeApi(*planes, SHOP) as api:
        snapshot = b.snapshot_of(api.objects)
        found = with_proof_doubt(api.client(), snapshot, "default", b.NEW_VERSION, b.OLD)
        assert found.precheck_inputs.proof_doubts == {}


@pytest.mark.parametrize("answer", [failure(403, "may not create pods"), failure(503, "overloaded")])
def test_what_could_not_be_asked_is_named(answer: Answer) -> None:
    inputs, dummy = doubt({b.SYSTEM: BASELINE}, *[answer] * TRIES)
    assert inputs.lacks("proof_doubts")
    assert not inputs.proof_doubts
