# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nothing that a cluster says becomes an option of a command or leads a path elsewhere."""

from __future__ import annotations

import ast
import copy
import json
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.helm import Helm
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl
from ansible_collections.meshops.istio.plugins.module_utils.common import safe_names
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import (
    ClusterError,
    HelmError,
    InstallerError,
    IstioctlError,
    SafetyError,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import object_path
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.helm_releases import release_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.manifest import parse_manifest
from unit.paths import PLUGINS
from unit.support import builders as b
from unit.support.fake_api import FakeApi

CONNECTION = Connection(kubeconfig="/k", context="prod")
RELEASE = "meta.helm.sh/release-name"
BAD_NAMES = (
    "--output-dir=/tmp/x",
    "--post-renderer=bash",
    "-f",
    "",
    "UPPER",
    "a/b",
    "../x",
    "a b",
    "a\n",
    "x" * 54,
    "é",
)


@pytest.mark.parametrize("name", ["istiod", "istiod-1-31-0", "a.b", "0", "x" * 53])
def test_names_that_helm_takes(name: str) -> None:
    assert safe_names.is_release_name(name)


@pytest.mark.parametrize("name", BAD_NAMES)
@pytest.mark.parametrize("at", ["Deployment", "MutatingWebhookConfiguration"])
def test_f16_a_release_that_helm_would_not_take_is_refused_with_the_object(name: str, at: str) -> None:
    objects = copy.deepcopy([obj for obj in b.plane(b.NEW) if obj["kind"] != "Deployment" or at == "Deployment"])
    marked = next(obj for obj in objects if obj["kind"] == at)
    marked["metadata"]["annotations"] = {RELEASE: name}
    with pytest.raises(SafetyError) as refused:
        release_of(b.mesh_of(objects), b.NEW)
    where = f"istio-system/istiod-{b.NEW}" if at == "Deployment" else marked["metadata"]["name"]
    assert f"annotation {RELEASE} of {at} {where} is" in refused.value.message
    assert "\n" not in refused.value.message


def script(folder: Path, text: str) -> str:
    """An executable."""
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("value", ["--post-renderer=bash", "-f", "-", "a\n--x", "a\0b"])
def test_f16_a_value_that_would_be_an_option_is_not_given_to_a_tool(tmp_path: Path, value: str) -> None:
    tool = script(tmp_path, f"touch {tmp_path}/ran")
    helm, istioctl = Helm(tool, 4, CONNECTION, "ns"), Istioctl(tool, "1.31.0", CONNECTION, "ns")
    for error, run in ((HelmError, helm.run), (HelmError, helm.render), (IstioctlError, istioctl.run)):
        with pytest.raises(error, match="was not run"):
            run("upgrade", "name", value)
    assert not (tmp_path / "ran").exists()


def test_f16_releases_whose_names_helm_would_refuse_are_none(tmp_path: Path) -> None:
    row = {"chart": "base-1.30.3", "revision": "1", "status": "deployed", "updated": "2026-11-23T20:05:08Z"}
    rows = json.dumps([{**row, "name": name} for name in ("istio-base", "--post-renderer=x")])
    assert set(Helm(script(tmp_path, f"echo '{rows}'"), 4, CONNECTION, "ns").releases()) == {"istio-base"}


@pytest.mark.parametrize("answer", ["", "{", "[" * 100_000], ids=["nothing", "cut off", "deep"])
def test_an_answer_of_helm_that_cannot_be_read_is_a_sentence(tmp_path: Path, answer: str) -> None:
    (tmp_path / "answer").write_text(answer)
    with pytest.raises(HelmError, match="an answer that cannot be read"):
        Helm(script(tmp_path, f"cat {tmp_path}/answer"), 4, CONNECTION, "ns").releases()


def test_every_command_begins_with_words_of_ours() -> None:
    """The first argument is the command, and stands in the code; flags begin with a flag."""
    found = []
    for file in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            whose = ast.unparse(node.func.value).rpartition(".")[2]
            if node.func.attr in ("run", "render") and whose in ("helm", "ctl", "istioctl"):
                found.append(whose)
                first = node.args[0]
                # the commands of istioctl_analysis are the keys of a table there
                assert isinstance(first, ast.Constant) or (file.name == "istioctl_analysis.py"), ast.unparse(node)
                assert not any(isinstance(arg, ast.Starred) for arg in node.args), ast.unparse(node)
    assert len(found) > 10


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("istiod", "istiod"),
        ("system:x", "system:x"),
        ("a/../b", "a%2F..%2Fb"),
        ("..", "%2E%2E"),
        ("a?x=y#", "a%3Fx%3Dy%23"),
    ],
)
def test_a_name_is_one_part_of_a_path(name: str, part: str) -> None:
    assert safe_names.segment(name) == part
    assert object_path("ConfigMap", "ns", name) == f"/api/v1/namespaces/ns/configmaps/{part}"


@pytest.mark.parametrize(
    "path",
    ["/api/v1/namespaces/a/../kube-system", "/api/v1/..", "/api//v1", "/api/v1?x=y", "/a\n", "/a b", "a", "/a/."],
)
def test_f16_no_path_leads_elsewhere(path: str) -> None:
    with FakeApi() as api:
        with pytest.raises(ClusterError, match="not a valid object name"):
            api.client().get(path)
        assert not api.seen


@pytest.mark.parametrize(
    "text", ["- a", "7", "{kind: A}", "{kind: A, metadata: {name: [x]}}", "a: [", "{kind: A, metadata: x}"]
)
def test_a_manifest_that_is_none_is_a_sentence(text: str) -> None:
    with pytest.raises(InstallerError, match="manifest cannot be read"):
        parse_manifest(text, with_crds=True)
