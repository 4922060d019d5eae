# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""S13: files for secrets leave nothing behind, and nothing else in the plugins makes files that could."""

from __future__ import annotations

import ast
import os
import stat
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client import private_files
from ansible_collections.meshops.istio.plugins.module_utils.client.private_files import (
    inherited_descriptors,
    private_file,
)
from ansible_collections.meshops.istio.plugins.module_utils.client.process import run_command
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import InstallerError
from unit.paths import ROOT

SECRET = b"s3cr3t" * 50_000
#: Nothing but these may make a file that a user has to remove, or rely on the end of the process to do so; and why.
MAKES_FILES = {
    (
        "module_utils/client/private_files.py",
        "TemporaryDirectory",
    ): "where there is no memory with a path; it is private",
    ("module_utils/client/helm.py", "TemporaryDirectory"): "public charts",
    (
        "module_utils/operations/lock/keeper_client.py",
        "gettempdir",
    ): "a socket, in a folder of its own that the keeper removes",
    ("callback/fleet_report.py", "atexit.register"): "writes a report; ansible-playbook itself is not a worker",
}


@pytest.fixture(params=["memory", "disk"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """Where files for secrets are; the folder of temporary ones is empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if request.param == "disk":
        monkeypatch.delattr(os, "memfd_create")
    return str(request.param)


def test_a_private_file(place: str, tmp_path: Path) -> None:
    with private_file(SECRET, "kubeconfig.json") as path:
        assert Path(path).read_bytes() == Path(path).read_bytes() == SECRET
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        there = [found for found in tmp_path.rglob("*") if found.is_file()]
        assert len(there) == (place == "disk")
        assert all(stat.S_IMODE(found.parent.stat().st_mode) == 0o700 for found in there)
    assert not os.path.exists(path)
    assert list(tmp_path.iterdir()) == []


def test_a_command_reads_it_as_often_as_it_wants(place: str) -> None:
    with private_file(b"one\n") as path:
        output = run_command(
            ["cat", path, path], title="cat", environment=dict(os.environ), timeout=10, error=InstallerError
        )
    assert output == "one\none\n"


def test_a_command_gets_no_other_file() -> None:
    with private_file(b"mine"), private_file(b"yours") as path:
        assert len(inherited_descriptors(["--values", path, "/proc/self/fd/x", "/etc/passwd"])) == 1


END = """
import os, signal, sys
from ansible_collections.meshops.istio.plugins.module_utils.client.private_files import private_file
with private_file(b"s3cr3t") as path:
    open(path).read()
    {end}
"""


@pytest.mark.parametrize(
    "end",
    [
        "os._exit(0)",
        "sys.exit(0)",
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "pass",
    ],
)
def test_no_end_of_a_process_leaves_it(tmp_path: Path, end: str) -> None:
    """Workers of Python 3.12 and older end by os._exit, which no destructor and no atexit sees."""
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT / ".cache/collections")}
    subprocess.run([sys.executable, "-c", END.format(end=end)], env=environment, check=False, timeout=60)
    assert list(tmp_path.iterdir()) == []


def _makes(tree: ast.AST) -> list[str]:
    """The calls in a file that make temporary files, or that rely on the end of the process or on a destructor."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.startswith("tempfile.") or name.partition(".")[0] in ("atexit", "mkstemp", "mkdtemp"):
                found.append(name.removeprefix("tempfile."))
        elif isinstance(node, ast.FunctionDef) and node.name == "__del__":
            found.append("__del__")
        elif isinstance(node, ast.Attribute) and (
            node.attr in ("load_and_set", "load_kube_config") or ast.unparse(node) == "weakref.finalize"
        ):
            found.append(node.attr)
    return found


def test_whatever_makes_a_file_is_known() -> None:
    """A new place has to say why nothing secret stays there; secrets go through private_file."""
    plugins = ROOT / "plugins"
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in plugins.rglob("*.py")}
    found = {(path.relative_to(plugins).as_posix(), call) for path, tree in trees.items() for call in _makes(tree)}
    assert found == set(MAKES_FILES)


def test_the_library_that_would_leave_keys_is_asked_for_nothing_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """It decodes embedded keys into files; it still reads logins of built-in providers, with a CA by its path."""
    from kubernetes.config import kube_config

    from ansible_collections.meshops.istio.plugins.module_utils.client.credentials import log_in
    from ansible_collections.meshops.istio.plugins.module_utils.client.kubeconfig import ClusterLogin

    def forbidden(*dummy: t.Any, **dummy_more: t.Any) -> t.NoReturn:
        raise AssertionError("a file was made")

    seen: list[str] = []

    def refresh(dummy: t.Any, provider: t.Any) -> None:
        seen.append(Path(provider["config"]["idp-certificate-authority"]).read_text(encoding="ascii"))
        provider["config"].value["id-token"] = "new"

    monkeypatch.setattr(kube_config, "_create_temp_file_with_content", forbidden)
    monkeypatch.setattr(kube_config.KubeConfigLoader, "_refresh_oidc", refresh)
    config = {"idp-certificate-authority-data": "Y2E=", "id-token": "e30.eyJleHAiOjF9.e30"}
    login = ClusterLogin("https://a", provider={"name": "oidc", "config": config}, key=b"key", cert=b"cert")
    found = log_in(login, "a")
    assert (found.header, found.key, seen) == ("Bearer new", b"key", ["ca"])
    assert config["id-token"] != "new"


def test_there_is_memory_with_a_path_here() -> None:
    """Else the tests above would prove less than they say."""
    with private_file(b"") as path:
        assert private_files._IN_MEMORY.fullmatch(path)
