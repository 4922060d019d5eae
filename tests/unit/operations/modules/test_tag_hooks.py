# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tag moves with all its webhooks: injection by default is kept, and no webhook stays on the former istiod."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import BY_DEFAULT_HOOK, TAG_LABEL
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_tag import CORE
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

FLAG = "--auto-inject-namespaces"
WEBHOOK = "istio-revision-tag-default"


class Tags:
    """A cluster whose fake istioctl applies the webhooks that it renders, and merges those of other clients by name."""

    def __init__(self, api: FakeApi, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.commands: list[list[str]] = []
        self.knows_flag = True
        api.istioctl_does = self.does

    def does(self, arguments: list[str]) -> tuple[int, str, str]:
        """Carry out ``tag set``."""
        self.commands.append(arguments)
        name, revision = arguments[2], arguments[arguments.index("--revision") + 1]
        made = b.injector(revision, tag=name, auto=FLAG in arguments and self.knows_flag)
        former = next(obj for obj in self.api.objects if obj["metadata"]["name"] == made["metadata"]["name"])
        made["metadata"]["resourceVersion"] = "7"
        rendered = {hook["name"] for hook in made["webhooks"]}
        left = [hook for hook in former["webhooks"] if hook.get("foreign")]
        made["webhooks"] += [hook for hook in left if hook["name"] not in rendered]
        others = [obj for obj in self.api.objects if obj["metadata"].get("labels", {}).get(TAG_LABEL) != name]
        others = [obj for obj in others if obj["kind"] != "ValidatingWebhookConfiguration"]
        self.api.objects = [*others, made, *b.revision_tag(name, revision)[1:]]
        return 0, "", ""

    def only_note(self, arguments: list[str]) -> tuple[int, str, str]:
        """Change nothing."""
        self.commands.append(arguments)
        return 0, "", ""

    def run(self, revision: str = b.NEW, **options: t.Any) -> b.Json:
        """The result of moving tag default."""
        self.api.istioctl(self.folder, b.NEW_VERSION)
        template = str(self.folder / "istioctl-{version}")
        version = b.NEW_VERSION
        return task(self.api, CORE, name="default", revision=revision, istioctl=template, version=version, **options)

    def hooks(self) -> dict[str, str]:
        """Webhook of tag default -> the Service that it calls."""
        webhooks = self.api.get("MutatingWebhookConfiguration", WEBHOOK)["webhooks"]
        return {hook["name"]: hook["clientConfig"]["service"]["name"] for hook in webhooks}


def cluster(*, auto: bool) -> list[b.Json]:
    """Two control planes; tag default points at the older one."""
    tag = [b.injector(b.OLD, tag="default", auto=auto), *b.revision_tag("default", b.OLD)[1:]]
    return [*b.plane(b.OLD), *b.plane(b.NEW), *tag, *b.namespaces(shop=None)]


@pytest.fixture(params=[True, False], ids=["by default", "by label"])
def tags(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tags]:
    """A cluster with and without injection by default."""
    with FakeApi(*cluster(auto=request.param)) as api:
        yield Tags(api, tmp_path)


def test_the_default_keeps_injection_by_default(tags: Tags) -> None:
    before = set(tags.hooks())
    assert tags.run()["changed"]
    assert (FLAG in tags.commands[0]) is (BY_DEFAULT_HOOK in before)
    assert tags.hooks() == dict.fromkeys(before, f"istiod-{b.NEW}")
    assert tags.run()["changed"] is False


def test_a_first_default_tag_takes_over_injection_by_default_of_the_control_plane_without_a_revision(
    tmp_path: Path,
) -> None:
    planes = [obj for obj in b.plane("default") if obj["kind"] != "MutatingWebhookConfiguration"]
    with FakeApi(*planes, b.injector("default", auto=True), *b.plane(b.NEW), *b.namespaces(shop=None)) as api:
        tags = Tags(api, tmp_path)
        api.istioctl_does = tags.only_note
        tags.run()
        assert FLAG in tags.commands[0]


def test_an_istioctl_that_loses_injection_by_default_is_an_error(tmp_path: Path) -> None:
    with FakeApi(*cluster(auto=True)) as api:
        tags = Tags(api, tmp_path)
        tags.knows_flag = False
        assert (
            f"tag default lost {BY_DEFAULT_HOOK}: pods that it injected now start without a proxy" in tags.run()["msg"]
        )


def test_a_webhook_of_another_client_moves_with_the_tag(tmp_path: Path) -> None:
    with FakeApi(*cluster(auto=False)) as api:
        tags = Tags(api, tmp_path)
        by_default = b.injector(b.OLD, tag="default", auto=True)["webhooks"][-1]
        own = {**by_default, "name": "own.sidecar-injector.istio.io", "foreign": True}
        api.get("MutatingWebhookConfiguration", WEBHOOK)["webhooks"].append(own)
        assert tags.run()["changed"]
        assert set(tags.hooks().values()) == {f"istiod-{b.NEW}"}
        assert "own.sidecar-injector.istio.io" in tags.hooks()


def test_a_webhook_that_stayed_on_the_former_istiod_is_repaired(tmp_path: Path) -> None:
    """R10c: an earlier ``tag set`` without the flag left it."""
    with FakeApi(*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.namespaces(shop=None)) as api:
        tags = Tags(api, tmp_path)
        live = api.get("MutatingWebhookConfiguration", WEBHOOK)
        live["metadata"]["resourceVersion"] = "7"
        live["webhooks"].append(b.injector(b.OLD, tag="default", auto=True)["webhooks"][-1])
        expected = f"its webhook {BY_DEFAULT_HOOK} calls Service istio-system/istiod-{b.OLD}"
        assert tags.run(check_mode=True)["actions"] == [f"fix tag default -> {b.NEW}: {expected}"]
        assert tags.run()["changed"]
        assert set(tags.hooks().values()) == {f"istiod-{b.NEW}"}
        assert tags.run()["changed"] is False
