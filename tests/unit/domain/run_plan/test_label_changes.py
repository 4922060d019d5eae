# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The labels that an upgrade changes, each with its owner, and the patches for Git."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run_plan.label_changes import (
    LabelPlan,
    plan_label_changes,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.variables.namespace_limits import NamespaceLimits
from unit.support import builders as b

GIT = "argocd-controller"
OWNER = f"{GIT} (Argo CD)"
ON = b.namespace("on", {INJECTION: "enabled"})


def owned(obj: b.Json, *path: str, label: str = REV) -> b.Json:
    """The object with a label that Git wrote; path is that of the labels."""
    fields: b.Json = {f"f:{label}": {}}
    for key in reversed(path or ("metadata", "labels")):
        fields = {f"f:{key}": fields}
    entry = {"manager": GIT, "operation": "Update", "time": "2026-01-01T10:00:00Z", "fieldsV1": fields}
    obj["metadata"]["managedFields"] = [entry]
    return obj


def plan(
    *objects: b.Json, source: str | None = b.OLD, tagged: str = "tag", finalize: bool = True, **limits: t.Any
) -> LabelPlan:
    """The changes of a canary."""
    snapshot = b.snapshot_of([*b.two_planes(), *objects])
    limited = NamespaceLimits.from_mapping(limits)
    return plan_label_changes(snapshot, b.NEW, source, limited, tagged, moves_default=finalize)


def changed(label_plan: LabelPlan) -> dict[str, str]:
    """Object -> its owner."""
    return {str(change.ref): change.owner for change in label_plan.changes}


TAGS = {"tag prod": "", "tag default": ""}


def test_namespaces_tags_and_templates_are_listed_with_their_owners() -> None:
    template = b.deployed("edge", "tools", pod_labels={REV: b.OLD})
    owned(template[0], "spec", "template", "metadata", "labels")
    label_plan = plan(
        *b.namespaces(shop=b.OLD, moved=b.NEW, tools=None),
        owned(b.namespace("on", {INJECTION: "enabled"}), label=INJECTION),
        *template,
    )
    assert changed(label_plan) == {"namespace on": OWNER, "namespace shop": "", "Deployment tools/edge": OWNER, **TAGS}
    assert [move.namespace for move in label_plan.moves] == ["on", "shop"]
    assert {owner: len(changes) for owner, changes in label_plan.owned.items()} == {OWNER: 2}
    assert [str(change) for change in label_plan.changes_in_git(all_namespaces=False)] == [
        f"{INJECTION}=enabled -> {REV}={b.NEW}",
        f"{REV}={b.OLD} -> {REV}={b.NEW}",
    ]
    assert len(label_plan.changes_in_git(all_namespaces=True)) == 3


@pytest.mark.parametrize(
    ("objects", "options", "expected"),
    [
        pytest.param([ON], {}, {"namespace on": "", **TAGS}, id="by the default"),
        pytest.param([ON], {"source": None}, {}, id="no source"),
        pytest.param([ON], {"source": b.NEW}, {}, id="in place"),
        pytest.param([ON], {"exclude": ["on"]}, {"tag default": "", "tag prod": ""}, id="excluded"),
        pytest.param([ON], {"finalize": False}, {"namespace on": "", "tag prod": ""}, id="the default stays"),
        pytest.param([ON], {"namespaces": ["lost"], "finalize": False}, {}, id="limits that the run refuses"),
        pytest.param([b.namespace("follows", {REV: "prod"})], {}, TAGS, id="moved with its tag"),
        pytest.param(
            [b.namespace("follows", {REV: "prod"})],
            {"tagged": "label"},
            {"namespace follows": "", "tag default": ""},
            id="moved without its tag",
        ),
        pytest.param([b.namespace("kube-public", {REV: b.OLD})], {}, TAGS, id="a system namespace"),
        pytest.param(
            [*b.namespaces(shop=b.NEW), *b.deployed(pod_labels={REV: b.OLD})], {}, TAGS, id="its namespace decides"
        ),
        pytest.param(
            [*b.namespaces(tools=None), *b.deployed("edge", "tools", pod_labels={REV: b.NEW})], {}, TAGS, id="moved"
        ),
    ],
)
def test_what_an_upgrade_changes(objects: list[b.Json], options: t.Any, expected: dict[str, str]) -> None:
    system = [] if any(obj["metadata"]["name"] == "kube-system" for obj in objects) else b.namespaces()
    assert changed(plan(*system, *objects, **options)) == expected


def test_a_namespace_that_is_being_deleted_is_not_changed() -> None:
    going = b.namespace("going", {REV: b.OLD})
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert changed(plan(*b.namespaces(), going)) == TAGS


def test_the_patches_can_be_committed() -> None:
    objects = [*b.namespaces(tools=None), ON, *b.deployed("edge", "tools", pod_labels={REV: b.OLD})]
    patches = {change.ref.name: change.as_row()["patch"] for change in plan(*objects).changes}
    assert patches == {
        "on": {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "on", "labels": {INJECTION: None, REV: b.NEW}},
        },
        "edge": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "edge", "namespace": "tools"},
            "spec": {"template": {"metadata": {"labels": {REV: b.NEW}}}},
        },
        "prod": None,
        "default": None,
    }
