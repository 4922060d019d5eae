# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Creating, moving and removing revision tags (S3, S4; domain 4 and 9)."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECT_LABEL as INJECT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import TAG_LABEL as TAG
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import JOURNAL, PREVIOUS_REVISION
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_tag import CORE, check
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

SPACES = b.namespaces(shop="prod", orders=b.OLD)
ENABLED = b.namespace("on", {INJECTION: "enabled"})


class Tags:
    """A cluster with a fake istioctl that sets and removes tags as the real one does."""

    def __init__(self, api: FakeApi, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.commands: list[list[str]] = []
        self.lies = False
        self.leaves: set[str] = set()
        self.services = True
        api.istioctl_does = self.does

    def does(self, arguments: list[str]) -> tuple[int, str, str]:
        """Carry out one command; domain 9: exit code 0 says little."""
        self.commands.append(arguments)
        verb, name = arguments[1:3]
        if not self.lies:
            left = self.leaves
            self.api.objects = [
                obj for obj in self.api.objects if not self.belongs(obj, name) or obj["metadata"]["name"] in left
            ]
            made = b.revision_tag(name, arguments[arguments.index("--revision") + 1]) if verb == "set" else []
            self.api.objects += [obj for obj in made if self.services or obj["kind"] != "Service"]
        return 0, f'Revision tag "{name}" created', ""

    @staticmethod
    def belongs(obj: b.Json, name: str) -> bool:
        """Whether an object is part of a tag."""
        of_tag = obj["metadata"].get("labels", {}).get(TAG) == name
        return of_tag or (name == "default" and obj["metadata"]["name"] == "istiod-default-validator")

    def run(self, name: str, revision: str | None, **options: t.Any) -> b.Json:
        """The result of a task."""
        for version in (b.OLD_VERSION, b.NEW_VERSION):
            self.api.istioctl(self.folder, version)
        state = "present" if revision else "absent"
        template = str(self.folder / "istioctl-{version}")
        return task(self.api, CORE, name=name, revision=revision, state=state, istioctl=template, **options)

    @property
    def now(self) -> dict[str, str]:
        """Tags as they are."""
        return b.mesh_of(self.api.objects).tags


@pytest.fixture
def tags(tmp_path: Path) -> Iterator[Tags]:
    """The middle of a canary."""
    with FakeApi(*b.two_planes(), *SPACES) as api:
        yield Tags(api, tmp_path)


@pytest.mark.parametrize("option", ["name", "revision"])
@pytest.mark.parametrize("value", ["Prod", "1.31.0", "-a", "a-", "a" * 64, "a b"])
def test_invalid_names_are_refused(option: str, value: str) -> None:
    with pytest.raises(ParameterError, match=f"Parameter {option}: .* is not a valid DNS label"):
        check({"name": "prod", "revision": b.NEW, option: value})


def test_a_tag_moves(tags: Tags) -> None:
    result = tags.run("prod", b.NEW)
    assert (result["changed"], result["namespaces"], tags.now["prod"]) == (True, ["shop"], b.NEW)
    assert result["diff"] == {
        "before": {"tag": "prod", "revision": b.OLD, "service": b.OLD},
        "after": {"tag": "prod", "revision": b.NEW, "service": b.NEW},
    }
    assert tags.commands[0][:7] == ["tag", "set", "prod", "--revision", b.NEW, "--overwrite", "--skip-confirmation"]
    assert tags.run("prod", b.NEW)["changed"] is False
    assert len(tags.commands) == 1


def test_domain_4_the_default_moves_with_its_validator_and_service(tags: Tags) -> None:
    result = tags.run("default", b.NEW)
    quartet = dict.fromkeys(("revision", "validator", "service"), b.NEW)
    assert result["diff"]["after"] == {"tag": "default", **quartet}
    assert result["diff"]["before"] == {"tag": "default", **dict.fromkeys(quartet, b.OLD)}
    assert tags.run("default", b.OLD)["changed"]


def test_check_mode_runs_no_istioctl(tags: Tags) -> None:
    result = tags.run("prod", b.NEW, check_mode=True)
    assert (result["changed"], tags.commands, tags.now["prod"]) == (True, [], b.OLD)


def test_s3_a_tag_moves_only_to_a_revision_that_is_proven(tags: Tags) -> None:
    tags.api.get("Deployment", f"istiod-{b.NEW}")["status"]["observedGeneration"] = 0
    result = tags.run("prod", b.NEW)
    assert "is not proven to take workloads" in result["msg"]
    assert (result["changed"], tags.commands) == (False, [])


def test_domain_10_the_object_is_checked_not_the_exit_code(tags: Tags) -> None:
    tags.lies = True
    result = tags.run("prod", b.NEW)
    assert (
        "istioctl reported success, but tag prod does not completely point at 1-31-0: its webhook leads"
        in result["msg"]
    )
    assert (result["failure"]["kind"], result["changed"]) == ("IstioctlError", True)


def test_a_failing_istioctl_is_reported(tags: Tags) -> None:
    tags.api.istioctl_does = lambda dummy: (1, "", "Error: no access")
    assert tags.run("prod", b.NEW)["msg"].endswith(
        f"istioctl 1.31.0 tag set prod on cluster {tags.api.url} failed: Error: no access"
    )


def test_a_tag_is_removed(tags: Tags) -> None:
    tags.api.get("Namespace", "shop")["metadata"]["labels"] = {REV: b.OLD}
    assert tags.run("prod", None)["changed"]
    assert "prod" not in tags.now
    assert tags.commands[0][:4] == ["tag", "remove", "prod", "--skip-confirmation"]
    assert tags.run("prod", None)["changed"] is False


def test_domain_3_an_orphan_tag_can_be_removed(tags: Tags) -> None:
    tags.api.objects += b.revision_tag("lost", "1-29-0")
    assert tags.run("lost", None)["changed"]
    assert "lost" not in tags.now


def test_a_planned_tag_in_check_mode_follows_the_plan() -> None:
    with FakeApi(*b.plane(b.OLD), *b.revision_tag("prod", b.OLD), *SPACES) as api:
        planned = {"revision": b.NEW, "version": b.NEW_VERSION}
        result = task(api, CORE, check_mode=True, name="prod", revision=b.NEW, planned=planned)
        assert result["actions"] == ["move tag prod: 1-30-3 -> 1-31-0 (namespaces shop)"]


def remembering(name: str, revision: str, previous: str) -> list[b.Json]:
    """A tag that was moved."""
    found = b.revision_tag(name, revision)
    found[0]["metadata"]["annotations"] = {PREVIOUS_REVISION: previous}
    return found


def test_before_a_tag_moves_its_journal_is_written(tags: Tags) -> None:
    tags.lies = True
    tags.run("prod", b.NEW)
    annotations = tags.api.get("MutatingWebhookConfiguration", "istio-revision-tag-prod")["metadata"]["annotations"]
    changes = json.loads(annotations[JOURNAL])
    assert [(change["before"], change["after"]) for change in changes] == [({"revision": b.OLD}, {"revision": b.NEW})]


def test_a_tag_is_restored_and_its_journal_is_emptied(tags: Tags) -> None:
    tags.api.objects = [obj for obj in tags.api.objects if not tags.belongs(obj, "prod")]
    tags.api.objects += remembering("prod", b.NEW, b.OLD)
    for version in (b.OLD_VERSION, b.NEW_VERSION):
        tags.api.istioctl(tags.folder, version)
    options = {"name": "prod", "state": "restored", "istioctl": str(tags.folder / "istioctl-{version}")}
    assert task(tags.api, CORE, check_mode=True, **options)["actions"] == [
        "move tag prod: 1-31-0 -> 1-30-3 (namespaces shop)"
    ]
    assert task(tags.api, CORE, **options)["changed"]
    assert tags.now["prod"] == b.OLD
    own = b.mesh_of(tags.api.objects).injector_of_tag("prod")
    assert own is not None
    assert (own.journal.changes, own.journal.raw) == ((), {JOURNAL: None, PREVIOUS_REVISION: None})
    assert task(tags.api, CORE, **options)["changed"] is False


@pytest.mark.parametrize("options", [{"revision": b.NEW}, {"state": "absent"}])
def test_a_tag_of_an_operator_is_not_written(tags: Tags, options: b.Json) -> None:
    owner = {"apiVersion": "sailoperator.io/v1", "kind": "IstioRevisionTag", "name": "spare"}
    tags.api.objects += b.revision_tag("spare", b.OLD)
    tags.api.get("MutatingWebhookConfiguration", "istio-revision-tag-spare")["metadata"]["ownerReferences"] = [owner]
    result = task(tags.api, CORE, name="spare", **options)
    assert "belongs to IstioRevisionTag spare of the Sail Operator" in result["msg"]
    assert tags.api.writes() == []
    unmoved = task(tags.api, CORE, name="spare", revision=b.OLD)
    assert unmoved["changed"] is False


def test_a_move_names_the_workloads_that_follow_by_labels_of_pods(tags: Tags) -> None:
    labels_of_pods = {"prod": {REV: "prod"}, "off": {REV: "prod", INJECT: "false"}, "other": {REV: b.OLD}}
    tags.api.objects += [b.namespace("plain"), b.namespace("asks", {REV: b.OLD})]
    for name, labels in labels_of_pods.items():
        tags.api.objects += b.deployed(name, "plain", pod_labels=labels)
    tags.api.objects += [*b.deployed("idle", "plain", pods=0, pod_labels={REV: "prod"})]
    tags.api.objects += [*b.deployed("ignored", "asks", pod_labels={REV: "prod"})]
    result = tags.run("prod", b.NEW, check_mode=True)
    names = "workloads Deployment plain/idle, Deployment plain/prod"
    assert result["actions"] == [f"move tag prod: 1-30-3 -> 1-31-0 (namespaces shop; {names})"]
    assert [row["name"] for row in result["workloads"]] == ["idle", "prod"]


def test_domain_4_a_validator_that_istioctl_leaves_is_removed_with_the_default(tags: Tags) -> None:
    tags.leaves = {"istiod-default-validator", "istiod-revision-tag-default"}
    assert tags.run("default", None)["changed"]
    assert not [obj for obj in tags.api.objects if "default" in obj["metadata"]["name"] and obj["kind"] != "Namespace"]
    assert tags.run("default", None)["changed"] is False


def test_what_an_interrupted_removal_left_is_removed(tags: Tags) -> None:
    tags.api.objects = [*b.plane(b.OLD), *b.namespaces(), b.istiod_service(b.OLD, "prod")]
    assert tags.run("prod", None)["actions"] == ["remove what is left of tag prod (service 1-30-3)"]
    assert tags.run("prod", None)["changed"] is False


def test_a_default_validator_without_a_tag_is_not_an_owner_of_the_tag(tags: Tags) -> None:
    """The base chart of Helm makes one."""
    tags.api.objects = [*b.plane(b.OLD), *b.namespaces(), b.validator(b.OLD)]
    assert tags.run("default", None)["changed"] is False


def test_domain_4_a_default_tag_that_deactivates_a_control_plane_is_kept(tags: Tags) -> None:
    tags.api.objects = [*b.plane("default", parked=True), *b.revision_tag("default", "default"), *b.namespaces()]
    assert "its webhook is deactivated as long as the tag exists" in tags.run("default", None)["msg"]
    assert tags.commands == []


def test_a_move_to_a_version_without_tag_services_deletes_the_service(tags: Tags) -> None:
    tags.api.objects += b.plane("1-27-9", "1.27.9")
    tags.api.istioctl(tags.folder, "1.27.9")
    tags.leaves, tags.services = {"istiod-revision-tag-prod"}, False
    result = tags.run("prod", "1-27-9")
    assert result["diff"]["after"] == {"tag": "prod", "revision": "1-27-9", "service": None}
    assert b.mesh_of(tags.api.objects).tag_services == {"default": b.OLD}


def test_a_removed_revision_is_not_written_to_the_journal(tags: Tags) -> None:
    tags.api.objects += [*b.revision_tag("lost", "1-29-0")]
    assert tags.run("lost", b.NEW)["changed"]
    patches = [seen.body for seen in tags.api.writes() if seen.method == "PATCH"]
    assert [patch for patch in patches if "annotations" in patch["metadata"]] == []
