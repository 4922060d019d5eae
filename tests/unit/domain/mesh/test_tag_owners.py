# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The owners of the default, which can disagree (domain 4)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.tag_owners import (
    default_problem,
    expected_targets,
    owner_targets,
    owners_off_target,
)
from unit.support import builders as b

WEBHOOK, SERVICE, VALIDATOR = b.revision_tag("default", b.OLD)
PLANES = [*b.plane(b.OLD), *b.plane(b.NEW)]
UNREVISIONED = b.plane("default", parked=True)


@pytest.mark.parametrize(
    ("objects", "problem", "wrong"),
    [
        pytest.param([*PLANES, WEBHOOK, SERVICE, VALIDATOR], None, [], id="all agree"),
        pytest.param(
            [*PLANES, WEBHOOK, SERVICE], "injector 1-30-3, validator nothing, Service 1-30-3",
            ["its validator is missing"], id="the validator is missing",
        ),
        pytest.param(
            [*PLANES, WEBHOOK, SERVICE, b.validator(b.NEW)], "injector 1-30-3, validator 1-31-0, Service 1-30-3",
            ["its validator leads to 1-31-0"], id="the validator leads elsewhere",
        ),
        pytest.param(
            [*PLANES, WEBHOOK, SERVICE, b.validator("1-29-0")], "injector 1-30-3, validator 1-29-0, Service 1-30-3",
            ["its validator leads to 1-29-0"], id="the validator's revision is gone",
        ),
        pytest.param(
            [*PLANES, WEBHOOK, VALIDATOR], "injector 1-30-3, validator 1-30-3, Service nothing",
            ["its Service is missing"], id="the webhook was left without its Service",
        ),
        pytest.param(
            [*PLANES, WEBHOOK, b.istiod_service(b.NEW, "default"), VALIDATOR],
            "injector 1-30-3, validator 1-30-3, Service 1-31-0",
            ["its Service leads to 1-31-0"], id="the Service leads elsewhere",
        ),
        pytest.param(
            [*PLANES, SERVICE, VALIDATOR], "injector nothing, validator 1-30-3, Service 1-30-3",
            ["its webhook is missing"], id="the webhook is missing",
        ),
        pytest.param(
            [*PLANES, SERVICE], "injector nothing, validator nothing, Service 1-30-3",
            ["its webhook is missing", "its validator is missing"], id="the Service was left by a removal",
        ),
        pytest.param(
            [*PLANES, *UNREVISIONED, WEBHOOK, SERVICE, VALIDATOR], None, [], id="parked behind the tag, as it should be"
        ),
        pytest.param(
            [*PLANES, *b.plane("default"), WEBHOOK, SERVICE, VALIDATOR],
            "injector 1-30-3, validator 1-30-3, Service 1-30-3, webhook istio-sidecar-injector, which is active beside "
            "the tag, default",
            ["the webhook of the control plane without a revision injects beside it"],
            id="a Helm upgrade has made the webhook without a revision active again",
        ),
        pytest.param(
            PLANES, None, ["its webhook is missing", "its Service is missing", "its validator is missing"],
            id="no default at all",
        ),
    ],
)  # fmt: skip
def test_states_of_the_owners(objects: list[b.Json], problem: str | None, wrong: list[str]) -> None:
    mesh = b.mesh_of(objects)
    assert default_problem(mesh) == problem
    assert owners_off_target(mesh, "default", b.OLD) == wrong


@pytest.mark.parametrize(
    ("objects", "problem"),
    [
        pytest.param([*b.plane("default"), b.validator("default")], None, id="Helm: no tag, an active webhook"),
        pytest.param(UNREVISIONED, None, id="parked without a tag and without a validator is MU013"),
        pytest.param(
            [*UNREVISIONED, b.validator("default")],
            "injector nothing, validator default",
            id="parked, with a validator",
        ),
        pytest.param(
            [*b.plane("1-27-9", "1.27.9"), b.injector("1-27-9", tag="default"), b.validator("1-27-9")],
            None,
            id="before Istio 1.28 a tag has no Service",
        ),
        pytest.param(
            [*b.plane("default"), *b.revision_tag("default", "default")], None, id="both inject the same revision"
        ),
    ],
)
def test_states_without_a_revision(objects: list[b.Json], problem: str | None) -> None:
    assert default_problem(b.mesh_of(objects)) == problem


def test_expected_targets_of_a_moved_tag() -> None:
    mesh = b.mesh_of([*PLANES, *b.plane("1-27-9", "1.27.9"), *b.plane("default"), WEBHOOK, SERVICE, VALIDATOR])
    now = dict.fromkeys(("revision", "service", "validator"), b.OLD)
    assert owner_targets(mesh, "default") == {**now, "webhook_without_revision": "active"}
    assert expected_targets(mesh, "default", b.NEW) == {
        **dict.fromkeys(now, b.NEW),
        "webhook_without_revision": "parked",
    }
    assert expected_targets(mesh, "default", "1-27-9")["service"] is None
    assert expected_targets(mesh, "prod", None) == {"revision": None, "service": None}
