# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-builder accepts the execution environment, and its last step installs an istioctl for each version."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from unit.awx.described import AWX

DEFINITION = AWX / "execution-environment.yml"
VERSIONS = ("1.30.3", "1.31.0")
ISTIOCTL = '#!/bin/sh\necho "$0 $*"\n'


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("context")
    builder = Path(sys.executable).with_name("ansible-builder")
    command = [builder, "create", "--file", DEFINITION, "--context", folder, "--output-filename", "Containerfile"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env={**os.environ, "HOME": str(folder)})
    return folder


def test_the_collection_and_its_dependencies_are_in_it(context: Path) -> None:
    requirements = yaml.safe_load((context / "_build" / "requirements.yml").read_text(encoding="utf-8"))
    assert requirements == {"collections": [{"name": "meshops.istio", "version": ">=1.0.0"}]}
    text = (context / "Containerfile").read_text(encoding="utf-8")
    assert 'ANSIBLE_INSTALL_REFS="ansible-core>=2.16 ansible-runner"' in text
    # This reads meta/execution-environment.yml of the collection.
    assert "introspect --write-bindep" in text
    final = text[text.index("AS final") :]
    assert f'ARG ISTIO_VERSIONS="{" ".join(VERSIONS)}"\n' in final
    assert final.index("ARG ISTIO_RELEASES") < final.index("RUN set -eu") < final.index("USER 1000")


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    """Write the files of a release server, for both architectures."""
    for version in VERSIONS:
        folder = tmp_path / "releases" / version
        folder.mkdir(parents=True)
        (folder / "istioctl").write_text(ISTIOCTL, encoding="utf-8")
        (folder / "istioctl").chmod(0o755)
        for name in (f"istioctl-{version}-linux-{arch}.tar.gz" for arch in ("amd64", "arm64")):
            with tarfile.open(folder / name, "w:gz") as archive:
                archive.add(folder / "istioctl", "istioctl")
            total = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            (folder / f"{name}.sha256").write_text(f"{total}  {name}\n", encoding="utf-8")
    return tmp_path / "releases"


def fetch(releases: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the step of the image with another root folder."""
    steps = yaml.safe_load(DEFINITION.read_text(encoding="utf-8"))["additional_build_steps"]["append_final"]
    (step,) = [step for step in steps if step.startswith("RUN ")]
    script = step.removeprefix("RUN ").replace("/opt/", f"{folder}/opt/")
    environment = {**os.environ, "ISTIO_VERSIONS": " ".join(VERSIONS), "ISTIO_RELEASES": releases.as_uri()}
    command = ["sh", "-c", script]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_each_version_has_its_istioctl(releases: Path, tmp_path: Path) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    run = fetch(releases, folder)
    assert run.returncode == 0, run.stderr
    for version in VERSIONS:
        assert f"{folder}/opt/istio-{version}/bin/istioctl version --remote=false" in run.stdout
    assert [path.name for path in folder.iterdir()] == ["opt"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_an_archive_with_another_sum_is_refused(releases: Path, tmp_path: Path) -> None:
    folder = tmp_path / "image"
    folder.mkdir()
    for path in releases.rglob("*.tar.gz"):
        path.write_bytes(path.read_bytes() + b" ")
    assert fetch(releases, folder).returncode != 0
    assert not (folder / "opt").exists()
