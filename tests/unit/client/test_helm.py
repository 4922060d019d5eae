# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running Helm: a named cluster, and what its releases and charts say. The executables are real."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.helm import Helm, Release, charts, find_helm
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import HelmError, ParameterError

CONNECTION = Connection(kubeconfig="/home/me/kube config", context="prod")
ROW = {"name": "istiod-1-30-3", "revision": "2", "updated": "2026-11-23T20:05:08Z", "status": "deployed"}


def fake(folder: Path, script: str, connection: Connection = CONNECTION, major: int = 4) -> Helm:
    """A helm that is a shell script."""
    path = folder / "helm"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Helm(str(path), major, connection, "istio-system")


def release(tmp_path: Path, **row: str) -> Release:
    """One release, as helm lists it."""
    rows = json.dumps([{**ROW, "chart": "istiod-1.30.3", **row}])
    return fake(tmp_path, f"echo '{rows}'").releases()["istiod-1-30-3"]


def test_s1_every_command_names_its_cluster_and_namespace(tmp_path: Path) -> None:
    out = fake(tmp_path, 'printf "%s\\n" "$@"').run("list", flags=["--all"])
    cluster = ["--kubeconfig", "/home/me/kube config", "--kube-context", "prod"]
    assert out.splitlines() == ["list", "--all", *cluster, "--namespace", "istio-system"]


def test_helm_acts_as_whom_the_requests_act(tmp_path: Path) -> None:
    conn = Connection(kubeconfig="k", context="c", impersonate_user="ops", impersonate_groups=("a", "b"))
    out = fake(tmp_path, 'echo "$@"', conn).run("list")
    assert out.strip().endswith("--kube-as-user ops --kube-as-group a --kube-as-group b")


def test_settings_of_another_cluster_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "HELM_KUBECONTEXT", "HELM_KUBETOKEN", "HELM_KUBEAPISERVER", "HELM_NAMESPACE"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("HELM_DRIVER", "configmap")
    seen = fake(tmp_path, "env").render("version")
    assert "elsewhere" not in seen
    assert "HELM_DRIVER=configmap" in seen


def test_a_failure_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(HelmError) as failed:
        fake(tmp_path, "echo 'Error: UPGRADE FAILED: why' >&2; exit 1").run("upgrade", "istiod", flags=["--install"])
    assert failed.value.message == "helm upgrade istiod on cluster prod failed: Error: UPGRADE FAILED: why"


@pytest.mark.parametrize("status", ["deployed", "failed", "pending-upgrade", "pending-install", "uninstalling"])
def test_releases_in_every_state_are_read(tmp_path: Path, status: str) -> None:
    found = release(tmp_path, status=status)
    assert (found.chart, found.revision, found.pending) == ("istiod", 2, status.startswith("pending"))
    assert found.updated.isoformat() == "2026-11-23T20:05:08+00:00"


@pytest.mark.parametrize("updated", ["2026-11-23T21:05:08+01:00", "2026-11-23T20:05:08Z"])
def test_times_have_a_zone(tmp_path: Path, updated: str) -> None:
    assert release(tmp_path, updated=updated).updated.timestamp() == 1795464308


@pytest.mark.parametrize(
    ("status", "records", "read"),
    [
        pytest.param("deployed", [], "get manifest istiod-1-30-3", id="deployed"),
        pytest.param(
            "failed",
            [(1, "superseded"), (2, "deployed"), (3, "failed")],
            "get manifest istiod-1-30-3 --revision 2",
            id="an upgrade that failed starts from what is deployed",
        ),
        pytest.param("failed", [(1, "failed")], "get manifest istiod-1-30-3 --revision 1", id="an install that failed"),
        pytest.param(
            "pending-upgrade",
            [(4, "deployed"), (5, "pending-upgrade")],
            "get manifest istiod-1-30-3 --revision 4",
            id="an upgrade that was killed",
        ),
        pytest.param("pending-install", [(1, "pending-install")], "", id="an install that was killed: none yet"),
    ],
)
def test_what_the_next_upgrade_compares_with(
    tmp_path: Path, status: str, records: list[tuple[int, str]], read: str
) -> None:
    history = json.dumps([{"revision": revision, "status": status_} for revision, status_ in records])
    helm = fake(tmp_path, f"[ $1 = history ] && echo '{history}' || echo \"$@\"")
    assert helm.manifest(release_in(status)).partition(" --kubeconfig")[0].strip() == read


def release_in(status: str) -> Release:
    """A release in a state."""
    return Release("istiod-1-30-3", "istiod", 2, status, datetime.datetime.now(datetime.UTC))


@pytest.mark.parametrize(
    ("major", "present", "method", "expected"),
    [
        (3, True, "", False),
        (3, False, "", False),
        (4, False, "", True),
        (4, True, "ssa", True),
        (4, True, "csa", False),
    ],
)
def test_helm_4_keeps_the_method_of_a_release(
    tmp_path: Path, major: int, present: bool, method: str, expected: bool
) -> None:
    helm = fake(tmp_path, f"echo '{json.dumps({'applyMethod': method})}'", major=major)
    assert helm.applies_server_side(release_in("deployed") if present else None) is expected


def test_values_that_nobody_gave_are_none(tmp_path: Path) -> None:
    assert fake(tmp_path, "echo null").values("istio-base") == {}


@pytest.mark.parametrize(("expected_text", "major"), [("v4.2.4", 4), ("v3.21.0", 3)])
def test_the_version_of_helm(tmp_path: Path, expected_text: str, major: int) -> None:
    assert find_helm(fake(tmp_path, f"echo {expected_text}").binary, CONNECTION, "istio-system").major == major


@pytest.mark.parametrize("expected_text", ["v2.17.0", "hello", ""])
def test_another_program_is_refused(tmp_path: Path, expected_text: str) -> None:
    with pytest.raises(ParameterError, match="does not answer like Helm 3 or 4"):
        find_helm(fake(tmp_path, f"echo {expected_text}").binary, CONNECTION, "istio-system")


def test_a_helm_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="Parameter helm: there is no executable file"):
        find_helm(str(tmp_path / "helm"), CONNECTION, "istio-system")


#: Says which version a chart is of: the name of the file that lies there.
SHOW = """[ "$1" = show ] && echo "apiVersion: v2\nversion: \"$(cat "$3")\"" && exit 0"""


def lay(folder: Path, *names: str, version: str = "1.31.0") -> None:
    """Put charts somewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text(version)


@pytest.mark.parametrize("names", [("base", "istiod"), ("base-1.31.0.tgz", "istiod-1.31.0.tgz")])
def test_charts_of_a_folder(tmp_path: Path, names: tuple[str, ...]) -> None:
    lay(tmp_path / "charts-1.31.0", *names)
    with charts(fake(tmp_path, SHOW), str(tmp_path / "charts-{version}"), "1.31.0") as found:
        assert found == {
            chart: str(tmp_path / "charts-1.31.0" / name) for chart, name in zip(("base", "istiod"), names, strict=True)
        }


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ("https://charts.example.com/istio/", "istiod --repo https://charts.example.com/istio"),
        ("oci://registry.example.com/istio", "oci://registry.example.com/istio/istiod"),
    ],
)
def test_charts_of_a_repository_are_fetched_once(tmp_path: Path, where: str, named: str) -> None:
    log = tmp_path / "log"
    fetch = f"""{SHOW}
echo "$@" >>{log}
name="${{2##*/}}"
while [ "$1" != --destination ]; do shift; done
echo 1.31.0 >"$2/$name-1.31.0.tgz" """
    with charts(fake(tmp_path, fetch), where, "1.31.0") as found:
        paths = [Path(path) for path in found.values()]
        assert [path.name for path in paths] == ["base-1.31.0.tgz", "istiod-1.31.0.tgz"]
        assert all(path.is_file() for path in paths)
    assert not any(path.exists() for path in paths)
    base, istiod = log.read_text().splitlines()
    assert re.search(rf"^pull {named} --version 1.31.0 --destination ", istiod)
    assert base == istiod.replace("istiod", "base")


def test_charts_of_another_version_are_refused(tmp_path: Path) -> None:
    lay(tmp_path / "charts", "base", "istiod", version="1.30.3")
    with (
        pytest.raises(ParameterError, match=r"charts/base has version 1\.30\.3, but version is 1\.31\.0"),
        charts(fake(tmp_path, SHOW), str(tmp_path / "charts"), "1.31.0"),
    ):
        pass


def test_charts_that_are_not_there_are_refused(tmp_path: Path) -> None:
    lay(tmp_path / "charts", "base")
    with (
        pytest.raises(ParameterError, match=r"neither a folder istiod nor a file istiod-1\.31\.0\.tgz in .*charts"),
        charts(fake(tmp_path, SHOW), str(tmp_path / "charts"), "1.31.0"),
    ):
        pass
