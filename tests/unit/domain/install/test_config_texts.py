# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings in the texts of ConfigMaps that another client wrote, and edits of Istio's own injection templates."""

from __future__ import annotations

import typing as t

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.install.cluster_settings import ClusterSetting
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.config_texts import (
    find_text_settings,
    read_templates,
)
from unit.support import builders as b
from unit.support.edits import EDITOR, field, webhook, written


def text(key: str, value: t.Any) -> b.Json:
    return {"kind": "ConfigMap", "data": {key: yaml.safe_dump(value)}}


MODE = {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}}
OTEL = {"extensionProviders": [{"name": "otel"}]}


@pytest.mark.parametrize(
    ("key", "live", "after", "values", "lost"),
    [
        pytest.param("mesh", MODE, {}, {}, ["meshConfig.outboundTrafficPolicy"], id="only in the text"),
        pytest.param("mesh", MODE, MODE, {}, [], id="rendered from the values of the user"),
        pytest.param("mesh", MODE, {}, {"meshConfig": MODE}, [], id="a stored value: settings_diff names it"),
        pytest.param("mesh", OTEL, {}, {}, ["meshConfig.extensionProviders"], id="a provider"),
        pytest.param("mesh", {}, {"new": True}, {}, [], id="a new default"),
        pytest.param(
            "mesh", {}, {"a": True}, {"meshConfig": {"a": True}}, ["meshConfig.a"], id="removed from the text by hand"
        ),
        pytest.param(
            "config", {"templates": {"hold": "x", "sidecar": "old"}}, {"templates": {"sidecar": "new"}}, {},
            ["sidecarInjectorWebhook.templates.hold"], id="R21: a template; Istio's own differ by version",
        ),
        pytest.param(
            "config", {"policy": "disabled"}, {"policy": "enabled"}, {}, ["global.proxy.autoInject"], id="another name"
        ),
        pytest.param(
            "values", {"global": {"tag": "a", "proxy": {"logLevel": "debug"}}},
            {"global": {"tag": "b", "proxy": {"logLevel": "warning"}}}, {"global": {"proxy": {"logLevel": "warning"}}},
            ["global.proxy.logLevel"], id="a value in the injector only",
        ),
    ],
)  # fmt: skip
def test_settings_in_texts(key: str, live: b.Json, after: b.Json, values: b.Json, lost: list[str]) -> None:
    edited = written(text(key, live), EDITOR, field("f:data", f"f:{key}"))
    found = texts(edited, text(key, after), values, {"sidecar": "old"})
    assert [setting.name for setting in found] == lost
    unedited = written(text(key, live), "istio-operator", field("f:data", f"f:{key}"))
    assert texts(unedited, text(key, after), values, None) == []


TEMPLATE = "sidecarInjectorWebhook.templates.sidecar"


@pytest.mark.parametrize(
    ("live", "rendered", "after", "lost"),
    [
        pytest.param("mine", "old", "new", [TEMPLATE], id="edited"),
        pytest.param("old", "old", "new", [], id="only the version changes it"),
        pytest.param("old", "old", None, [], id="the new version does not have it any more"),
        pytest.param("mine", "old", "mine", [], id="the new version has the edit"),
        pytest.param("old", None, "new", [TEMPLATE], id="nothing to compare with: the client that wrote it may have"),
    ],
)
def test_edits_in_templates_of_istio(live: str, rendered: str | None, after: str | None, lost: list[str]) -> None:
    edited = written(text("config", {"templates": {"sidecar": live}}), EDITOR, field("f:data", "f:config"))
    then = text("config", {"templates": {"sidecar": after} if after else {}})
    found = texts(edited, then, {}, {"sidecar": rendered} if rendered else None)
    assert [setting.name for setting in found] == lost
    same_version = find_text_settings(edited, then, {}, yaml.safe_load, rendered_templates=None)
    assert [setting.name for setting in same_version] == ([TEMPLATE] if live != after else [])


def test_templates_are_rendered_only_where_another_client_wrote_the_text() -> None:
    def fail() -> t.NoReturn:
        raise AssertionError("rendered")

    one, other = text("config", {"templates": {"sidecar": "a"}}), text("config", {"templates": {"sidecar": "b"}})
    unedited = written(one, "istio-operator", field("f:data", "f:config"))
    assert [*find_text_settings(unedited, other, {}, yaml.safe_load, rendered_templates=fail)] == []


def test_the_templates_of_a_rendered_injector() -> None:
    name = "istio-sidecar-injector-a"
    rendered = {**text("config", {"templates": {"sidecar": "a"}}), "metadata": {"name": name}}
    others = [{**webhook(), "metadata": {"name": name}}, {**rendered, "metadata": {"name": "istio-a"}}]
    assert read_templates([*others, rendered], name, yaml.safe_load) == {"sidecar": "a"}
    assert read_templates(others, name, yaml.safe_load) is None


def texts(live: b.Json, after: b.Json, values: b.Json, rendered: b.Json | None) -> list[ClusterSetting]:
    """The settings of a text that get lost by an upgrade."""
    return [*find_text_settings(live, after, values, yaml.safe_load, rendered_templates=lambda: rendered)]
