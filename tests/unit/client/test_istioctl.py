# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Running istioctl: a named cluster, a timeout, no prompt, no trust (domain 9 and 10). The executables are real."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.client.istioctl import Istioctl, find_istioctl
from ansible_collections.meshops.istio.plugins.module_utils.client.process import last_lines
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import IstioctlError, ParameterError

CONNECTION = Connection(kubeconfig="/home/me/kube config", context="prod")
VERSION = '{"clientVersion": {"version": "1.31.0"}}'


def fake(folder: Path, script: str, connection: Connection = CONNECTION) -> Istioctl:
    """An istioctl that is a shell script."""
    path = folder / "istioctl"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Istioctl(str(path), "1.31.0", connection, "istio-system")


def test_s1_every_command_names_its_cluster(tmp_path: Path) -> None:
    out = fake(tmp_path, 'printf "%s\\n" "$@"').run("tag list")
    assert out.splitlines() == [
        "tag", "list", "--kubeconfig", "/home/me/kube config", "--context", "prod", "-i", "istio-system",
    ]  # fmt: skip


def test_istioctl_acts_as_whom_the_requests_act(tmp_path: Path) -> None:
    conn = Connection(kubeconfig="k", context="c", impersonate_user="ops", impersonate_groups=("a", "b"))
    out = fake(tmp_path, 'echo "$@"', conn).run("version")
    assert out.strip().endswith("--as ops --as-group a --as-group b")


def test_s13_a_host_login_reaches_istioctl_by_a_private_file(tmp_path: Path) -> None:
    conn = Connection(host="https://h", api_key="s3cr3t")
    out = fake(tmp_path, 'echo "$@"; cat "$3"', conn).run("version")
    arguments, dummy, document = out.partition("\n")
    assert "s3cr3t" not in arguments
    assert json.loads(document)["users"][0]["user"] == {"token": "s3cr3t"}


def test_rendering_needs_no_cluster(tmp_path: Path) -> None:
    assert fake(tmp_path, 'echo "$@"').render("manifest generate").strip() == "manifest generate"


def test_settings_of_another_cluster_are_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KUBECONFIG", "ISTIOCONFIG", "ISTIOCTL_CONTEXT", "ISTIOCTL_ISTIONAMESPACE"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    seen = fake(tmp_path, "env").render("version")
    assert "elsewhere" not in seen
    assert "HTTPS_PROXY=http://proxy:3128" in seen


def test_nothing_can_be_asked(tmp_path: Path) -> None:
    """Domain 10: a prompt reads end of file."""
    assert fake(tmp_path, 'read answer && echo "$answer" || echo eof').render("version").strip() == "eof"


@pytest.mark.parametrize("code", [1, 2, 64, 65, 79])
def test_domain_10_exit_codes_are_failures(tmp_path: Path, code: int) -> None:
    with pytest.raises(IstioctlError, match=f"exit code {code}"):
        fake(tmp_path, f"exit {code}").run("install")


def test_domain_10_exit_codes_can_be_taken_as_they_are(tmp_path: Path) -> None:
    assert fake(tmp_path, "echo out; exit 79").run("analyze", check=False) == "out\n"


@pytest.mark.parametrize(
    ("script", "expected_text"),
    [
        pytest.param("echo why >&2; exit 1", "why", id="standard error"),
        pytest.param("echo why; exit 1", "why", id="domain 9: errors on standard output"),
        pytest.param(
            "echo why >&2; echo '- Processing resources for Istiod.' >&2; exit 1",
            "why",
            id="the progress of an install",
        ),
        pytest.param("echo noise; echo why >&2; exit 1", "why", id="standard error before standard output"),
        pytest.param(
            "printf '\\033[31mred\\033[0m\\n\\n  end \\n' >&2; exit 1", "red | end", id="colours and blank lines"
        ),
    ],
)
def test_a_failure_is_a_sentence(tmp_path: Path, script: str, expected_text: str) -> None:
    with pytest.raises(IstioctlError) as failed:
        fake(tmp_path, script).run("tag set", "prod", flags=["--revision", "x"])
    assert failed.value.message == f"istioctl 1.31.0 tag set prod on cluster prod failed: {expected_text}"


def test_only_the_last_lines_are_shown() -> None:
    assert last_lines("\n".join("abcdefg"), 3) == "e | f | g"


def test_a_lot_of_noise_does_not_block(tmp_path: Path) -> None:
    out = fake(
        tmp_path, "i=0; while [ $i -lt 3000 ]; do echo 012345678901234567890123456789 >&2; i=$((i+1)); done; echo end"
    ).render("version")
    assert out == "end\n"


def test_domain_9_a_hang_ends_with_its_whole_group(tmp_path: Path) -> None:
    """Credential plugins are children of istioctl."""
    pids = tmp_path / "pids"
    began = time.monotonic()
    with pytest.raises(IstioctlError, match="did not end within 3 s and was stopped"):
        fake(tmp_path, f"sleep 600 & echo $! >{pids}; echo $$ >>{pids}; wait").run("version", timeout=3)
    assert time.monotonic() - began < 60
    for pid in pids.read_text().split():
        assert gone(int(pid))


def gone(pid: int) -> bool:
    """Whether a process ends within a moment; a zombie counts as gone."""
    for dummy in range(1500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_binary_that_cannot_start_is_a_sentence(tmp_path: Path) -> None:
    broken = fake(tmp_path, "")
    Path(broken.binary).write_text("#!/no/such/interpreter\n")
    with pytest.raises(IstioctlError, match="could not be started"):
        broken.run("version")


def test_the_template_names_the_version(tmp_path: Path) -> None:
    folder = tmp_path / "istio-1.31.0"
    folder.mkdir()
    fake(folder, f"echo '{VERSION}'")
    found = find_istioctl(str(tmp_path / "istio-{version}" / "istioctl"), "1.31.0", CONNECTION, "istio-system")
    assert found.binary == str(folder / "istioctl")


def test_a_name_without_a_folder_is_looked_up_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, f"echo '{VERSION}'")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    assert find_istioctl("istioctl", "1.31.0", CONNECTION, "istio-system").binary == str(tmp_path / "istioctl")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        pytest.param(
            f"echo '{VERSION}'",
            "is version 1.31.0, but version is 1.31.1",
            id="domain 1: the binary's version is the target",
        ),
        pytest.param("echo hello", "does not answer like istioctl", id="another program"),
        pytest.param("echo '{}'", "does not answer like istioctl", id="another JSON"),
        pytest.param("echo '[]'", "does not answer like istioctl", id="a list"),
    ],
)
def test_a_wrong_binary_is_refused(tmp_path: Path, script: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        find_istioctl(fake(tmp_path, script).binary, "1.31.1", CONNECTION, "istio-system")


@pytest.mark.parametrize("kind", ["missing", "folder", "not executable"])
def test_a_path_that_cannot_be_run_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "istioctl"
    if kind == "folder":
        path.mkdir()
    elif kind == "not executable":
        path.touch(mode=0o600)
    with pytest.raises(ParameterError, match="there is no executable file .* as a placeholder for the version"):
        find_istioctl(str(path), "1.31.0", CONNECTION, "istio-system")
