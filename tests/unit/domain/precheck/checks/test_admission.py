# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of admission: what the API server answered to dry runs."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import read_refusal
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer, Prediction
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.question_keys import (
    QuestionKey,
    workload_key,
)
from unit.support import builders as b
from unit.support.checking import HEALTHY, fired, of

PLAIN = b.proxy(b.OLD_VERSION)
MIRROR = f"mirror.test/istio/proxyv2:{b.OLD_VERSION}"
EXPECTED = Prediction(b.OLD, PLAIN)
#: A mesh whose pods run images of a mirror.
MIRRORED = [*HEALTHY[: -len(b.deployed())], *b.deployed(image=MIRROR)]
DENIED = "pods \"web-\" is forbidden: ValidatingAdmissionPolicy 'strict' with binding 'all' denied request: no limits"
FULL = 'pods "web-" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=9, limited: pods=9'


def answered(**over: t.Any) -> dict[QuestionKey, Answer]:
    """The answer to the question about Deployment shop/web."""
    [workload] = [found for found in b.snapshot_of(HEALTHY).workloads.values() if found.name == "web"]
    return {workload_key(workload): Answer(EXPECTED, **over)}


FIRES = [
    pytest.param(
        "MU100",
        "Deployment shop/web",
        HEALTHY,
        {"answers": answered(refusal=read_refusal(422, DENIED))},
        id="MU100 R03: a policy refuses its pods",
    ),
    pytest.param(
        "MU101",
        "namespace shop",
        MIRRORED,
        {"answers": answered(revision=b.OLD, image=MIRROR)},
        id="MU101 R04: a mirror rewrites images",
    ),
    pytest.param(
        "MU101",
        "namespace shop",
        HEALTHY,
        {"answers": answered(revision=b.OLD, image=f"{PLAIN}@sha256:{'a' * 64}")},
        id="MU101 R05a: a policy adds the digest",
    ),
    pytest.param("MU102", "namespace shop", MIRRORED, {}, id="MU102: nothing was asked"),
    pytest.param("MU103", f"revision {b.NEW}", HEALTHY, {"proof_doubts": {b.NEW: "refused"}}, id="MU103 S3: a doubt"),
]


@pytest.mark.parametrize(("code", "place", "objects", "over"), FIRES)
def test_a_check_fires(code: str, place: str, objects: list[b.Json], over: b.Json) -> None:
    assert fired(objects, **over)[code] == place


def test_a_mirror_is_no_reason_to_restart() -> None:
    """R04: what admission yields now is not stale."""
    found = fired(MIRRORED, answers=answered(revision=b.OLD, image=MIRROR))
    assert set(found) == {"MU101"}


def test_a_quota_without_room_refuses_no_restart() -> None:
    assert "MU100" not in fired(HEALTHY, answers=answered(refusal=read_refusal(403, FULL)))


def test_the_message_names_the_policy() -> None:
    [finding] = of("MU100", HEALTHY, answers=answered(refusal=read_refusal(422, DENIED)))
    assert finding.message.startswith("Its new pods are refused by an admission policy strict: ")
