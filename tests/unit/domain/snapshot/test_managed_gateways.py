# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which revision owns a Gateway, and when its replacement is complete (istio/istio pkg/revisions/tag_watcher.go)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    INJECTION_LABEL,
    REVISION_LABEL,
    Mesh,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.managed_gateways import (
    GATEWAY_NAME,
    ReplacedGateway,
    managing_revision,
)
from unit.support import builders as b

PLANES = [*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag("prod", b.NEW)]
WITH_DEFAULT = b.mesh_of([*PLANES, *b.revision_tag("default", b.OLD)])
WITH_VALIDATOR = b.mesh_of([*PLANES, b.validator(b.NEW)])
WITHOUT = b.mesh_of(PLANES)


@pytest.mark.parametrize(
    ("mesh", "own", "namespace", "revision"),
    [
        pytest.param(WITH_DEFAULT, None, {REVISION_LABEL: b.NEW}, b.NEW, id="its namespace"),
        pytest.param(WITH_DEFAULT, b.OLD, {REVISION_LABEL: b.NEW}, b.OLD, id="its own label first"),
        pytest.param(WITH_DEFAULT, "", {REVISION_LABEL: b.NEW}, b.OLD, id="an empty label of its own is the default"),
        pytest.param(WITH_DEFAULT, None, {REVISION_LABEL: "prod"}, b.NEW, id="a tag"),
        pytest.param(WITH_DEFAULT, None, {REVISION_LABEL: "gone"}, None, id="nobody"),
        pytest.param(WITH_DEFAULT, None, {}, b.OLD, id="the default tag"),
        pytest.param(
            WITH_DEFAULT, None, {INJECTION_LABEL: "enabled", REVISION_LABEL: b.NEW}, b.NEW, id="not istio-injection"
        ),
        pytest.param(WITH_VALIDATOR, None, {}, b.NEW, id="the default validator, without a default tag"),
        pytest.param(WITHOUT, None, {}, None, id="no default"),
    ],
)
def test_the_revision_that_owns_a_gateway(
    mesh: Mesh, own: str | None, namespace: dict[str, str], revision: str | None
) -> None:
    assert managing_revision(mesh, own, namespace) == revision


GATEWAY = ReplacedGateway(ObjectRef("shop", "Deployment", "edge-istio"), "edge", b.OLD, b.NEW, pods=1, ready=True)


def of_gateway(revision: str, name: str = "edge", *, ready: bool = True, gone_at: str = "") -> b.Json:
    """A pod of a managed gateway."""
    return b.pod(f"{name}-1", revision=revision, labels={GATEWAY_NAME: name}, ready=ready, gone_at=gone_at)


@pytest.mark.parametrize(
    ("pods", "complete"),
    [
        ([of_gateway(b.NEW)], True),
        ([of_gateway(b.NEW), of_gateway(b.OLD)], False),
        ([of_gateway(b.NEW), of_gateway(b.OLD, gone_at="2999-01-01T00:00:00Z")], True),
        ([of_gateway(b.NEW, ready=False)], False),
        ([of_gateway(b.NEW, "other")], False),
        ([], False),
    ],
)
def test_a_gateway_is_complete_with_ready_pods_of_its_revision_only(pods: list[b.Json], complete: bool) -> None:
    assert GATEWAY.is_complete(map(read_pod, pods)) is complete


def test_a_gateway_that_was_not_ready_before_need_not_be_ready() -> None:
    broken = ReplacedGateway(GATEWAY.ref, "edge", b.OLD, b.NEW, pods=1, ready=False)
    assert broken.is_complete([read_pod(of_gateway(b.NEW, ready=False))])
