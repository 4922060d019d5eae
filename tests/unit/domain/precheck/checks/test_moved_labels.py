# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of labels and tags that a run moves: owned, refused or set back by other clients."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import AFTER
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL, TARGET, Change
from unit.support import builders as b
from unit.support.checking import IN_PLACE, UPGRADE, of
from unit.support.journals import written

PLANES = [*b.two_planes(), *b.revision_tag("default", b.OLD)]
MOVED = {JOURNAL: written(Change("r1", {INJECTION: "enabled"}, {REV: b.NEW}))}
GIT = "argocd-controller"
WRITER = f"{GIT} (Argo CD)"


def space(labels: dict[str, str], *entries: b.Json, notes: dict[str, str] | None = None) -> b.Json:
    """A namespace that a run moved, with these labels now, and their writers."""
    found = b.namespace("shop", labels, {**MOVED, **(notes or {})})
    found["metadata"]["managedFields"] = list(entries)
    return found


def wrote(manager: str, time: str, *labels: str, annotation: str = "") -> b.Json:
    """An entry of managedFields."""
    fields: b.Json = {"f:labels": {f"f:{label}": {} for label in labels}}
    if annotation:
        fields["f:annotations"] = {f"f:{annotation}": {}}
    return {"manager": manager, "operation": "Update", "time": time, "fieldsV1": {"f:metadata": fields}}


def moved_tag() -> list[b.Json]:
    """A tag that a run moved and that points at the old revision again."""
    objects = b.revision_tag("prod", b.OLD)
    journal = written(Change("r1", {TARGET: b.OLD}, {TARGET: b.NEW}))
    injector = next(obj for obj in objects if obj["kind"] == "MutatingWebhookConfiguration")
    injector["metadata"]["annotations"] = {JOURNAL: journal}
    return objects


def moved_workload() -> list[b.Json]:
    """A workload whose pods had the label of the new revision."""
    objects = b.deployed(in_namespace="tools", pod_labels={REV: b.OLD})
    objects[0]["metadata"]["annotations"] = {JOURNAL: written(Change("r1", {REV: b.OLD}, {REV: b.NEW}))}
    return [*b.namespaces(tools=None), *objects]


OURS = wrote("meshops.istio", "2026-01-01T10:00:00Z", REV, annotation=JOURNAL)
THEIRS = wrote(GIT, "2026-01-01T10:00:01Z", INJECTION)


def owned_by(name: str, *labels: str, **notes: str) -> b.Json:
    """A namespace whose label Git owns."""
    found = b.namespace(name, {INJECTION: "enabled"}, notes)
    found["metadata"]["managedFields"] = [wrote(GIT, "2026-01-01T10:00:00Z", *(labels or [INJECTION]))]
    return found


OWNED = [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(), owned_by("alpha"), owned_by("beta")]
REFUSED = {"namespace_moves": {"alpha": "Labelling namespace alpha failed: HTTP 422: keep out."}}
FIRES = [
    pytest.param("MU115", f"owner {WRITER}", OWNED, {}, id="MU115 R09: Git owns the label"),
    pytest.param("MU117", "namespace alpha", OWNED, REFUSED, id="MU117 R07: a policy refuses the move"),
    pytest.param("MU116", "namespace shop", [*PLANES, space({INJECTION: "enabled"})], {}, id="MU116: R09 a namespace"),
    pytest.param("MU116", "tag prod", [*PLANES, *moved_tag()], {}, id="MU116: R09 a tag"),
    pytest.param("MU116", "Deployment tools/web", [*PLANES, *moved_workload()], {}, id="MU116: R09 a template"),
]


@pytest.mark.parametrize(
    ("labels", "entries", "notes", "writer"),
    [
        pytest.param({INJECTION: "enabled", REV: b.NEW}, [OURS, THEIRS], {}, WRITER, id="a: beside the new label"),
        pytest.param({INJECTION: "enabled"}, [OURS, THEIRS], {}, WRITER, id="b: instead of the new label"),
        pytest.param({}, [OURS], {}, "another client", id="a removal has no entry"),
        pytest.param(
            {INJECTION: "enabled"},
            [OURS, wrote(GIT, "2025-01-01T10:00:01Z", INJECTION)],
            {},
            "another client",
            id="its newest entry is older than our write",
        ),
        pytest.param(
            {INJECTION: "enabled"},
            [OURS, THEIRS],
            {"argocd.argoproj.io/tracking-id": "shop:/Namespace:/shop"},
            f"{WRITER} (Argo CD application shop owns it)",
            id="a marked owner",
        ),
    ],
)
def test_the_writer_of_a_label_that_was_set_back_is_named(
    labels: dict[str, str], entries: list[b.Json], notes: dict[str, str], writer: str
) -> None:
    upgrade = dataclasses.replace(UPGRADE, stage=AFTER)
    found = of("MU116", [*PLANES, space(labels, *entries, notes=notes)], upgrade)
    assert [(one.severity, one.object) for one in found] == [("error", "namespace shop")]
    assert f"Run r1 moved it to {REV}={b.NEW}, and {writer} has set it back: now it has" in found[0].message
    assert "Git" in found[0].remedy


@pytest.mark.parametrize(
    ("objects", "why"),
    [
        pytest.param([*PLANES, space({REV: b.NEW})], "it has the labels of the run", id="moved"),
        pytest.param(
            [*b.two_planes(), *b.revision_tag("default", b.NEW), space({INJECTION: "enabled"})],
            "the default leads there too",
            id="another label to the same revision",
        ),
        pytest.param([*b.plane(b.OLD), space({REV: b.OLD})], "the target is gone", id="no target"),
    ],
)
def test_what_leads_to_the_target_is_not_set_back(objects: list[b.Json], why: str) -> None:
    assert of("MU116", objects, dataclasses.replace(UPGRADE, stage=AFTER)) == [], why


def test_each_owner_is_one_finding_with_the_changes_to_make() -> None:
    [found] = of("MU115", OWNED)
    assert found.severity == "warning"
    change = f"{INJECTION}=enabled -> {REV}={b.NEW}"
    assert found.message == f"It owns labels that the upgrade changes: namespace alpha, namespace beta: {change}."
    assert of("MU115", OWNED, dataclasses.replace(UPGRADE, stage=AFTER)) == []
    assert of("MU115", OWNED, dataclasses.replace(UPGRADE, waits_for_git=True)) == []
    assert of("MU115", OWNED, IN_PLACE) == []


def test_a_tag_that_git_owns_is_named_also_if_namespaces_wait_for_git() -> None:
    objects = b.revision_tag("prod", b.OLD)
    objects[0]["metadata"]["managedFields"] = [wrote(GIT, "2026-01-01T10:00:00Z", REV)]
    [found] = of("MU115", [*OWNED, *objects], dataclasses.replace(UPGRADE, waits_for_git=True))
    assert f"tag prod: {REV}={b.OLD} -> {REV}={b.NEW}." in found.message


def test_a_refused_move_has_the_words_of_the_policy() -> None:
    [found] = of("MU117", OWNED, **REFUSED)
    assert (found.severity, found.message.count("keep out.")) == ("error", 1)


def test_without_the_right_to_move_namespaces_the_check_did_not_run() -> None:
    unread = {"namespace_moves": "this user may not patch namespaces"}
    [found] = of("MU090", OWNED, unread=unread)
    assert (found.object, found.message.endswith("this user may not patch namespaces")) == ("check MU117", True)
