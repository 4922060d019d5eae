# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits in Istio's own injection templates are found by what the installer of the running version renders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.installer_istioctl import (
    IstioctlInstaller,
)
from unit.support import builders as b
from unit.support.edits import EDITOR, INSTALLED, field
from unit.support.fake_api import FakeApi
from unit.support.fake_helm import Helm

OLD = {"sidecar": "old", "gateway": "old"}
NEW = {"sidecar": "new", "gateway": "new"}
NAME = "sidecarInjectorWebhook.templates.sidecar"


def plane(revision: str, templates: dict[str, str]) -> list[b.Json]:
    """A control plane with injection templates."""
    made = b.plane(revision)
    config = yaml.safe_dump({"policy": "enabled", "templates": templates})
    return [
        b.injector_map(revision, config=config) if obj["kind"] == "ConfigMap" and "config" in obj["data"] else obj
        for obj in made
    ]


def edited(objects: list[b.Json], templates: dict[str, str]) -> list[b.Json]:
    """The objects after kubectl edit of the ConfigMap of the injector."""
    found: list[b.Json] = json.loads(json.dumps(objects))
    [config_map] = [obj for obj in found if obj["kind"] == "ConfigMap" and "config" in obj["data"]]
    config_map["data"]["config"] = yaml.safe_dump({"policy": "enabled", "templates": templates})
    record = {"manager": EDITOR, "fieldsV1": field("f:data", "f:config")}
    config_map["metadata"]["managedFields"] = [{"manager": "istio-operator", "fieldsV1": INSTALLED}, record]
    return found


@pytest.fixture
def helm(tmp_path: Path, quick: None) -> Iterator[Helm]:
    """A cluster before its canary, installed by Helm, whose new version has other templates."""
    with FakeApi(*b.namespaces(shop=b.OLD)) as api:
        found = Helm(api, tmp_path)
        found.record("istiod-1-30-3", plane(b.OLD, OLD))
        found.record("istio-base", [])
        found.makes["istiod"] = plane(b.NEW, NEW)
        api.objects.append(b.validator(b.OLD))
        yield found


@pytest.mark.parametrize(
    ("templates", "lost"),
    [
        pytest.param({**OLD, "sidecar": "mine"}, {NAME: ["mine", "new"]}, id="one of them edited"),
        pytest.param({**OLD, "hold": "x"}, {"sidecarInjectorWebhook.templates.hold": ["x", None]}, id="one added"),
    ],
)
def test_helm_compares_with_its_release(helm: Helm, templates: dict[str, str], lost: b.Json) -> None:
    helm.put("istiod-1-30-3", edited(plane(b.OLD, OLD), templates))
    refused = helm.run()
    assert refused["failure"]["settings"]["cluster_only"] == lost
    assert helm.run(allow_setting_changes=[*lost])["changed"]


def test_a_text_that_another_client_wrote_without_an_edit_of_a_template_is_no_alarm(helm: Helm) -> None:
    helm.put("istiod-1-30-3", edited(plane(b.OLD, OLD), OLD))
    assert helm.run()["settings"]["cluster_only"] == {}


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        pytest.param([b.OLD_VERSION, b.NEW_VERSION], ["istio-sidecar-injector-1-30-3"], id="with the former istioctl"),
        pytest.param([b.NEW_VERSION], None, id="without it"),
    ],
)
def test_istioctl_renders_the_running_version(versions: list[str], expected: list[str] | None, tmp_path: Path) -> None:
    with FakeApi(*plane(b.OLD, OLD)) as api:
        for version in versions:
            path = api.istioctl(tmp_path, version)
        rendered = [obj for obj in plane(b.OLD, OLD) if "config" in obj.get("data", {})]
        api.istioctl_does = lambda dummy: (0, "\n---\n".join(map(json.dumps, rendered)), "")
        ctl = Istioctl(path, b.NEW_VERSION, Connection(host=api.url), b.SYSTEM)
        installer = IstioctlInstaller(ctl, api.client(), str(tmp_path / "istioctl-{version}"))
        mesh = b.mesh_of(api.objects)
        objects = installer.objects_of(mesh, mesh.revisions[b.OLD])
    assert (objects and [obj["metadata"]["name"] for obj in objects]) == expected


def test_an_istioctl_that_does_not_render_is_no_reason_to_stop(tmp_path: Path) -> None:
    with FakeApi(*plane(b.OLD, OLD)) as api:
        ctl = Istioctl(api.istioctl(tmp_path, b.OLD_VERSION), b.OLD_VERSION, Connection(host=api.url), b.SYSTEM)
        mesh = b.mesh_of(api.objects)
        installer = IstioctlInstaller(ctl, api.client(), str(tmp_path / "istioctl-{version}"))
        assert installer.objects_of(mesh, mesh.revisions[b.OLD]) is None
