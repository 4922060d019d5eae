# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The step that a tag needs, its refusals, and the revision that it has to point at (S4; domain 3, 4 and 9)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.namespace_moves import plan_tag_undo
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_followers import (
    labels_select,
    workloads_following_tag,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.tag_plan import (
    plan_tag_step,
    target_revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import PREVIOUS_REVISION
from unit.support import builders as b

SPACES = b.namespaces(shop="prod", orders=b.OLD)
ENABLED = b.namespace("on", {INJECTION: "enabled"})


def planned(objects: list[b.Json], name: str, revision: str | None) -> str | None:
    snapshot = b.snapshot_of(objects)
    return plan_tag_step(snapshot, name, revision, workloads_following_tag(snapshot, name))


@pytest.mark.parametrize(
    ("objects", "name", "revision", "expected"),
    [
        ([], "prod", b.NEW, "move tag prod: 1-30-3 -> 1-31-0 (namespaces shop)"),
        ([], "stable", b.NEW, "create tag stable -> 1-31-0"),
        ([], "prod", b.OLD, None),
        ([], "default", b.OLD, None),
        ([ENABLED], "default", b.NEW, "move tag default: 1-30-3 -> 1-31-0 (namespaces on)"),
        ([], "stable", None, None),
        ([], "default", None, "remove tag default (pointed at 1-30-3)"),
    ],
)
def test_the_step_of_a_tag(objects: list[b.Json], name: str, revision: str | None, expected: str | None) -> None:
    assert planned([*b.two_planes(), *SPACES, *objects], name, revision) == expected


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        pytest.param(b.validator(b.NEW), "its validator leads to 1-31-0", id="domain 4: the validator"),
        pytest.param(b.istiod_service(b.NEW, "default"), "its Service leads to 1-31-0", id="domain 4: the Service"),
    ],
)
def test_owners_of_the_default_that_disagree_are_fixed(owner: b.Json, expected: str) -> None:
    others = [b.injector(b.OLD, tag="default"), b.validator(b.OLD), b.istiod_service(b.OLD, "default")]
    place = owner["metadata"]["name"]
    mixed = [owner if obj["metadata"]["name"] == place else obj for obj in others]
    step = planned([*b.plane(b.OLD), *b.plane(b.NEW), *mixed], "default", b.OLD)
    assert step == f"fix tag default -> 1-30-3: {expected}"


@pytest.mark.parametrize(
    ("objects", "name", "revision", "message"),
    [
        pytest.param(
            [], b.OLD, b.NEW, "the name of a revision: both would inject", id="domain 9: a tag named like a revision"
        ),
        pytest.param(
            [], "prod", "1-32-0", "there is no such revision. Installed are: 1-30-3, 1-31-0", id="a missing revision"
        ),
        pytest.param([], "prod", None, "in use by namespace shop", id="S4: a namespace follows it"),
        pytest.param(
            [ENABLED], "default", None, "in use by namespace on", id="S4: istio-injection follows the default"
        ),
        pytest.param(
            [*b.namespaces(plain=None), b.pod("x", "plain", labels={INJECT: "true"}, owner=None)],
            "default",
            None,
            "in use by Pod plain/x",
            id="S4: a pod label follows the default",
        ),
    ],
)
def test_a_step_that_would_break_something_is_refused(
    objects: list[b.Json], name: str, revision: str | None, message: str
) -> None:
    with pytest.raises(SafetyError, match=message):
        planned([*b.two_planes(), *SPACES, *objects], name, revision)


def remembering(name: str, revision: str, previous: str) -> list[b.Json]:
    """A tag that was moved."""
    found = b.revision_tag(name, revision)
    found[0]["metadata"]["annotations"] = {PREVIOUS_REVISION: previous}
    return found


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        pytest.param("present", b.NEW, id="the revision in the option"),
        pytest.param("absent", None, id="nowhere"),
        pytest.param("restored", b.OLD, id="where it pointed before its last move"),
    ],
)
def test_target_revision(state: str, expected: str | None) -> None:
    mesh = b.mesh_of([*b.plane(b.OLD), *b.plane(b.NEW), *remembering("prod", b.NEW, b.OLD)])
    back = plan_tag_undo(mesh, "prod", None)
    assert target_revision(mesh, "prod", state, b.NEW, back) == expected


@pytest.mark.parametrize(("name", "expected"), [("prod", b.OLD), ("other", None)])
def test_a_tag_without_a_journal_stays(name: str, expected: str | None) -> None:
    mesh = b.mesh_of(b.two_planes())
    back = plan_tag_undo(mesh, name, None)
    assert back is None
    assert target_revision(mesh, name, "restored", None, back) == expected


@pytest.mark.parametrize(
    ("namespace", "pod", "tag"),
    [
        pytest.param({}, {REV: "prod"}, "prod", id="domain 3: the pod's own label"),
        pytest.param({}, {INJECT: "true"}, "default", id="domain 3: the default by inject=true"),
        pytest.param({}, {INJECT: "true", REV: "prod"}, "prod", id="domain 3: a revision label comes first"),
        pytest.param({}, {REV: "prod", INJECT: "false"}, None, id="domain 3: opted out"),
        pytest.param({REV: b.OLD}, {REV: "prod"}, None, id="domain 3: the namespace comes first"),
        pytest.param({INJECTION: "disabled"}, {REV: "prod"}, None, id="domain 3: any istio-injection comes first"),
        pytest.param({}, {}, None, id="no label at all"),
    ],
)
def test_which_tag_the_labels_of_a_pod_select(namespace: dict[str, str], pod: dict[str, str], tag: str | None) -> None:
    assert [name for name in ("prod", "default") if labels_select(name, namespace, pod)] == ([tag] if tag else [])
