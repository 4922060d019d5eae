# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tag does not silently lose the settings of its webhooks: they are in the plan, and are lost only by consent."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import PREVIOUS_REVISION
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_tag import CORE
from unit.support import builders as b
from unit.support.edits import EDITOR, INSTALLED, field
from unit.support.fake_api import FakeApi
from unit.support.running import task

WEBHOOK = "istio-revision-tag-prod"
HOOK = "rev.namespace.sidecar-injector.istio.io"
PLACE = f"MutatingWebhookConfiguration {WEBHOOK} webhooks.[{HOOK}]"
KEY = json.dumps({"name": HOOK})


def edited(manager: str = EDITOR, **fields: t.Any) -> b.Json:
    """Tag prod, whose first webhook another client gave some fields."""
    tag = b.injector(b.OLD, tag="prod")
    tag["webhooks"][0].update(fields)
    paths = {f"f:{name}": {} for name in fields}
    record = {"manager": manager, "fieldsV1": field("f:webhooks", f"k:{KEY}", below=paths)}
    tag["metadata"]["managedFields"] = [{"manager": "istio-operator", "fieldsV1": INSTALLED}, record]
    return tag


class Tags:
    """A cluster in the middle of a canary, whose fake istioctl renders and sets tag prod without any setting."""

    def __init__(self, api: FakeApi, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.commands: list[str] = []
        self.rendered_for = ""
        api.istioctl_does = self.does

    def does(self, arguments: list[str]) -> tuple[int, str, str]:
        """Render the tag, or set it."""
        self.commands.append(arguments[1])
        revision = arguments[arguments.index("--revision") + 1]
        made = b.injector(revision, tag="prod")
        for hook in made["webhooks"]:
            hook["reinvocationPolicy"] = "Never"
        if arguments[1] == "generate":
            self.rendered_for = revision
            return 0, "\n---\n".join(json.dumps(obj) for obj in (made, b.istiod_service(revision, "prod"))), ""
        kept = [obj for obj in self.api.objects if obj["metadata"].get("labels", {}).get("istio.io/tag") != "prod"]
        self.api.objects = [*kept, made, b.istiod_service(revision, "prod")]
        return 0, "", ""

    def run(self, **options: t.Any) -> b.Json:
        """The result of a task."""
        for version in (b.OLD_VERSION, b.NEW_VERSION):
            self.api.istioctl(self.folder, version)
        given = {"name": "prod", "istioctl": str(self.folder / "istioctl-{version}"), "revision": b.NEW, **options}
        return task(self.api, CORE, **given)


def cluster(tag: b.Json, *planes: list[b.Json]) -> FakeApi:
    """Control planes, and a namespace that follows tag prod."""
    objects = [obj for plane in planes or (b.plane(b.OLD), b.plane(b.NEW)) for obj in plane]
    return FakeApi(*objects, tag, b.istiod_service(b.OLD, "prod"), *b.namespaces(shop="prod"))


TEAM = [b.need("team", "In", "a")]
RENDERED = [b.need("istio.io/rev", "In", "prod"), b.need("istio-injection", "DoesNotExist")]
LOST = [
    pytest.param({"reinvocationPolicy": "IfNeeded"}, ["IfNeeded", "Never"], id="reinvocationPolicy"),
    pytest.param({"failurePolicy": "Ignore"}, ["Ignore", "Fail"], id="failurePolicy"),
    pytest.param({"namespaceSelector": {"matchExpressions": TEAM}}, [TEAM, RENDERED], id="a selector"),
]


@pytest.mark.parametrize(("fields", "values"), LOST)
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_setting_of_a_tag_is_lost_only_by_consent(
    fields: b.Json, values: list[t.Any], check_mode: bool, tmp_path: Path
) -> None:
    name = f"{PLACE}.{next(iter(fields))}" + (".matchExpressions" if "namespaceSelector" in fields else "")
    with cluster(edited(**fields)) as api:
        tags = Tags(api, tmp_path)
        refused = tags.run(check_mode=check_mode)
        assert refused["failure"]["settings"]["cluster_only"] == {name: values}
        assert f"{name}: " in refused["msg"]
        assert f"(written by {EDITOR})" in refused["msg"]
        assert "istioctl sets a tag without them: name them in allow_setting_changes" in refused["msg"]
        assert (api.writes(), tags.commands) == ([], ["generate"])
        result = tags.run(check_mode=check_mode, allow_setting_changes=[name])
        assert result["lost_settings"] == {name: values}
        assert (result["diff"]["before"][name], result["diff"]["after"][name]) == tuple(values)
        assert ("set" in tags.commands) is not check_mode
        if not check_mode:
            assert tags.run()["changed"] is False


def test_a_value_of_the_chart_is_a_setting_of_its_tag(tmp_path: Path) -> None:
    """Helm wrote it with the tag itself, and istioctl does not know the values of the release."""
    with cluster(edited("helm", reinvocationPolicy="IfNeeded")) as api:
        refused = Tags(api, tmp_path).run()
        assert f'{PLACE}.reinvocationPolicy: "IfNeeded" -> "Never" (written by helm' in refused["msg"]


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param(b.injector(b.OLD, tag="prod"), id="as istioctl sets it"),
        pytest.param(edited("pilot-discovery", clientConfig={"caBundle": "x"}), id="the certificate of istiod"),
        pytest.param(edited("kubectl", timeoutSeconds=10), id="what the API server fills in"),
    ],
)
def test_a_tag_without_settings_is_moved_without_a_question(tag: b.Json, tmp_path: Path) -> None:
    for hook in tag["webhooks"]:
        hook["clientConfig"].setdefault("service", {"namespace": b.SYSTEM, "name": f"istiod-{b.OLD}"})
    with cluster(tag) as api:
        tags = Tags(api, tmp_path)
        result = tags.run()
        assert (result["changed"], result["lost_settings"]) == (True, {})
        assert tags.commands[-1] == "set"


def test_a_revision_that_is_only_planned_is_rendered_by_the_present_one(tmp_path: Path) -> None:
    with cluster(edited(reinvocationPolicy="IfNeeded"), b.plane(b.OLD)) as api:
        tags = Tags(api, tmp_path)
        planned = {"revision": b.NEW, "version": b.NEW_VERSION}
        refused = tags.run(check_mode=True, planned=planned)
        assert f"{PLACE}.reinvocationPolicy" in refused["msg"]
        assert tags.rendered_for == b.OLD


def test_an_undo_only_warns(tmp_path: Path) -> None:
    tag = edited(reinvocationPolicy="IfNeeded")
    tag["metadata"]["annotations"] = {PREVIOUS_REVISION: b.NEW}
    with cluster(tag) as api:
        result = Tags(api, tmp_path).run(state="restored", revision=None)
        assert result["changed"]
        [warning] = result["warnings"]
        assert warning.startswith(f"Moving tag prod back resets a setting: {PLACE}.reinvocationPolicy")
