# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters from kubeconfig files, folders and globs."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.kubeconfig import (
    Context,
    clusters_from_kubeconfig,
    find_files,
    parse_contexts,
    read_contexts,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import Source
from unit.inventory.kubeconfigs import SECRET, kubeconfig, write

PARIS, TOKYO = "https://paris:6443", "https://tokyo:6443"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("kube/a.yaml", "kube/b.yaml", "kube/c.conf", "kube/.hidden.yaml", "kube/sub/d.yaml"):
        write(tmp_path / name, kubeconfig({"paris": PARIS}))
    (tmp_path / "kube" / "same.yaml").symlink_to(tmp_path / "kube" / "a.yaml")
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["kube/b.yaml"], ["b.yaml"]),
        (["kube"], ["a.yaml", "b.yaml", "c.conf"]),
        (["kube/*.yaml"], ["a.yaml", "b.yaml"]),
        (["kube/b.yaml", "kube/*.yaml"], ["b.yaml", "a.yaml"]),
        (["kube/sub"], ["d.yaml"]),
    ],
)
def test_paths_match_files(folder: Path, paths: list[str], names: list[str]) -> None:
    assert [Path(file).name for file in find_files(paths, str(folder))] == names
    assert find_files([str(folder / path) for path in paths], "/elsewhere") == find_files(paths, str(folder))


@pytest.mark.parametrize("path", ["kube/z.yaml", "kube/*.json", "nowhere"])
def test_a_path_without_a_match_is_refused(folder: Path, path: str) -> None:
    with pytest.raises(ParameterError, match="There is no kubeconfig") as caught:
        find_files(["kube", path], str(folder))
    assert str(folder / path) in caught.value.message


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    file = write(tmp_path / "[ab].yaml", kubeconfig({"paris": PARIS}))
    write(tmp_path / "a.yaml", kubeconfig({"paris": PARIS}))
    assert find_files(["[ab].yaml"], str(tmp_path)) == [str(file)]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "just text", "kind: Config", "contexts: 3", "contexts: [{name: a}]", "{contexts: [], clusters: []}"],
)
def test_an_invalid_kubeconfig_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "README"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ParameterError, match="is not a kubeconfig with contexts") as caught:
        read_contexts(str(file))
    assert str(file) in caught.value.message


def test_invalid_yaml_is_named_and_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(f"users: [{{token: {SECRET}: [", encoding="utf-8")
    with pytest.raises(ParameterError, match="broken.yaml failed: it is not valid YAML.") as caught:
        read_contexts(str(file))
    assert SECRET not in caught.value.message
    assert caught.value.__suppress_context__


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="Reading kubeconfig .* failed: Is a directory"):
        read_contexts(str(tmp_path))


def broken(**cluster: t.Any) -> dict[str, t.Any]:
    document = kubeconfig({"paris": PARIS, "tokyo": TOKYO})
    document["clusters"][0]["cluster"] = cluster
    return document


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (kubeconfig({"paris": PARIS}) | {"clusters": []}, "its cluster 'paris.local' is not in the file"),
        (kubeconfig({"paris": PARIS}) | {"users": None}, "its user 'paris-admin' is not in the file"),
        (broken(), "the server of its cluster 'paris.local' is not a valid URL"),
        (broken(server="paris:6443"), "the server of its cluster 'paris.local' is not a valid URL"),
        (broken(server=f"https://me:{SECRET}@paris"), "the URL of its cluster 'paris.local' contains a login"),
    ],
)
def test_a_context_that_is_not_usable_is_reported_with_the_reason(document: dict[str, t.Any], problem: str) -> None:
    contexts = parse_contexts("fleet.yaml", document)
    source = Source(1, "kubeconfig", "{context}")
    with pytest.raises(ParameterError, match="context paris of fleet.yaml is not usable") as caught:
        clusters_from_kubeconfig(source, contexts)
    assert problem in caught.value.message
    assert SECRET not in caught.value.message


def test_a_context_that_is_not_usable_can_be_excluded() -> None:
    source = Source(1, "kubeconfig", "{context}", exclude=("paris",))
    clusters = clusters_from_kubeconfig(source, parse_contexts("fleet.yaml", broken()))
    assert [cluster.host for cluster in clusters] == ["tokyo"]


def test_every_context_is_a_cluster() -> None:
    document = kubeconfig({"paris": PARIS, "tokyo": TOKYO}, prefix="admin@")
    document["clusters"][1]["cluster"].update({"proxy-url": "http://proxy:3128", "tls-server-name": "tokyo.example"})
    clusters = clusters_from_kubeconfig(
        Source(1, "kubeconfig", "{file}-{cluster}"), parse_contexts("/etc/fleet.yaml", document)
    )
    assert [
        (cluster.host, cluster.name, cluster.kubeconfig, cluster.context, cluster.server, cluster.server_key)
        for cluster in clusters
    ] == [
        ("fleet-paris.local", "admin@paris", "/etc/fleet.yaml", "admin@paris", PARIS, (PARIS, "", "")),
        (
            "fleet-tokyo.local",
            "admin@tokyo",
            "/etc/fleet.yaml",
            "admin@tokyo",
            TOKYO,
            (TOKYO, "http://proxy:3128", "tokyo.example"),
        ),
    ]
    assert clusters[0].origin == "context admin@paris of /etc/fleet.yaml"


def test_no_login_is_kept() -> None:
    contexts = parse_contexts("fleet.yaml", kubeconfig({"paris": PARIS}))
    assert contexts == [Context("fleet.yaml", "paris", "paris.local", PARIS, (PARIS, "", ""))]
    assert SECRET not in repr(contexts)
