# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which pods the API server is asked about: none where only Istio's webhooks act (issue 15, kind 1)."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.actors import (
    Admission,
    policy_actors,
    webhook_actors,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.answers import Answer
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.questions import open_questions
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from unit.support import builders as b

RULE: b.Json = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
HOOK: b.Json = {"metadata": {"name": "k"}, "webhooks": [{"name": "mutate.kyverno.svc", "rules": [RULE]}]}
POLICY: b.Json = {"metadata": {"name": "p"}, "spec": {"matchConstraints": {"resourceRules": [RULE]}}}
BINDING: b.Json = {"metadata": {"name": "p"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}
NOTHING = Admission()
MUTATOR = Admission(tuple(webhook_actors(HOOK, mutates=True)))
VALIDATOR = Admission(tuple(policy_actors([POLICY], [BINDING], mutates=False)))
MIRROR = f"mirror.test/proxyv2:{b.OLD_VERSION}"
PLANES = [*b.two_planes(), *b.namespaces(shop=b.OLD)]


def asked(objects: list[b.Json], admission: Admission = NOTHING, *, everything: bool = False) -> list[str]:
    """The names and namespaces of the pods that are asked for."""
    snapshot = dataclasses.replace(b.snapshot_of([*PLANES, *objects]), admission=admission)
    return [
        f"{key[0]}/{question.body['metadata']['generateName']}"
        for key, question in open_questions(snapshot, everything=everything).items()
    ]


def conditional() -> list[b.Json]:
    """The injectors, with conditions in CEL."""
    planes = b.two_planes()
    for obj in planes:
        for hook in obj.get("webhooks", ()):
            hook["matchConditions"] = [{"name": "no-batch", "expression": "true"}]
    return [*planes, *b.namespaces(shop=b.OLD)]


@pytest.mark.parametrize(
    ("objects", "admission", "everything", "expected"),
    [
        pytest.param(b.deployed(), NOTHING, True, [], id="only Istio: no request"),
        pytest.param(b.deployed(), MUTATOR, False, [], id="as Istio injects it: no request for a summary"),
        pytest.param(b.deployed(), MUTATOR, True, ["shop/web-"], id="a webhook may change it"),
        pytest.param(b.deployed(), VALIDATOR, True, ["shop/web-"], id="a policy may refuse it"),
        pytest.param(b.deployed(image=MIRROR), NOTHING, False, ["shop/web-"], id="R04: not Istio's name"),
        pytest.param(b.deployed(image=b.proxy("1.30.2")), NOTHING, False, [], id="another version explains it"),
        pytest.param(b.deployed(revision=None), NOTHING, False, [], id="not restarted since its namespace joined"),
        pytest.param(b.deployed(revision=None), MUTATOR, False, ["shop/web-"], id="a policy may keep it out"),
        pytest.param(
            b.deployed(annotations={"inject.istio.io/templates": "sidecar, hold"}),
            NOTHING,
            True,
            ["shop/web-"],
            id="R21",
        ),
        pytest.param(
            b.deployed(annotations={"inject.istio.io/templates": "sidecar, gateway"}),
            NOTHING,
            True,
            [],
            id="own templates",
        ),
        pytest.param(
            [b.pod("bare", image=MIRROR, owner=None)], NOTHING, False, ["shop/meshops-istio-proof-"], id="bare"
        ),
        pytest.param(
            [b.pod(f"job-{at}", image=MIRROR, owner=("Job", "j")) for at in range(3)],
            NOTHING,
            False,
            ["shop/meshops-istio-proof-"],
            id="pods alike: once",
        ),
    ],
)
def test_questions(objects: list[b.Json], admission: Admission, everything: bool, expected: list[str]) -> None:
    assert asked(objects, admission, everything=everything) == expected


def test_pods_that_conditions_leave_out_are_asked_for() -> None:
    objects = [*conditional(), *b.deployed(revision=None)]
    assert len(open_questions(b.snapshot_of(objects), everything=False)) == 1


def test_pod_security_is_a_reason_to_ask() -> None:
    enforced = b.namespace("shop", {"istio.io/rev": b.OLD, "pod-security.kubernetes.io/enforce": "baseline"})
    snapshot = b.snapshot_of([*b.two_planes(), enforced, *b.deployed()])
    assert len(open_questions(snapshot, everything=True)) == 1


def with_answer(snapshot: Snapshot, image: str) -> Snapshot:
    """The snapshot with the same answer to all its questions."""
    answers = {
        key: Answer(question.prediction, b.OLD, image)
        for key, question in open_questions(snapshot, everything=True).items()
    }
    return dataclasses.replace(snapshot, answers=answers)


def test_nothing_is_asked_twice_and_the_answer_decides() -> None:
    snapshot = with_answer(
        b.snapshot_of([*PLANES, *b.deployed(image=f"{b.HUB}/proxyv2@sha256:{'a' * 64}")]), "elsewhere:1"
    )
    assert open_questions(snapshot, everything=True) == {}
    assert [status.expected_image for dummy, status in snapshot.proxy_statuses] == ["elsewhere:1"]
    assert len(snapshot.stale_workloads()) == 1


def test_the_pod_is_that_of_the_template_with_an_owner() -> None:
    """R03: policies look at labels, images and owners."""
    snapshot = b.snapshot_of([*PLANES, *b.deployed(image=MIRROR, pod_labels={"team": "a"}, annotations={"note": "x"})])
    questions = list(open_questions(snapshot, everything=False).values())
    assert len(questions) == 1
    meta, spec = questions[0].body["metadata"], questions[0].body["spec"]
    assert meta["labels"] == {"app": "web", "team": "a"}
    assert meta["annotations"] == {"note": "x"}
    assert [(owner["kind"], owner["controller"]) for owner in meta["ownerReferences"]] == [("ReplicaSet", True)]
    assert [container["image"] for container in spec["containers"]] == ["app:1"]


def test_a_stateful_set_brings_the_volumes_of_its_claims() -> None:
    claims = [{"metadata": {"name": "data"}}]
    pod = b.pod("kv-0", image=MIRROR, owner=("StatefulSet", "kv"), labels={"app": "kv"})
    snapshot = b.snapshot_of([*PLANES, b.workload("StatefulSet", "kv", volumeClaimTemplates=claims), pod])
    questions = list(open_questions(snapshot, everything=False).values())
    assert len(questions) == 1
    assert questions[0].body["spec"]["volumes"] == [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-kv-0"}}
    ]
