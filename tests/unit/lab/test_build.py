# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import build, go_command, sources
from lab.toolchain import BuildError
from unit.support.istio_module import write_istio_module


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg" / "meshops-istio-lab"


@pytest.fixture
def go_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the Go folders that a test may change."""
    folder = tmp_path / "go"
    shutil.copytree(sources.GO_FOLDER, folder)
    monkeypatch.setattr(sources, "GO_FOLDER", folder)
    return folder


def fake_go(folder: Path, script: str) -> Path:
    """Put a fake `go` first on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "go"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def pretend_built(cache: Path, versions: tuple[str, ...] = sources.ISTIO_VERSIONS) -> None:
    for step in build.steps_for(cache, versions):
        (step.target / step.inner).mkdir(parents=True)
        for name in ("istioctl", "pilot-discovery") if step.inner == "bin" else ("kube", "kwok", "helm"):
            (step.target / step.inner / name).touch()


WORKING_GO = """
case "$1" in
version) echo "go version go1.26.8 linux/amd64" ;;
env) dirname "$0"; dirname "$0" ;;
mod) echo '{"Dir": "'"$PWD/module"'"}' ;;
build) . "$0-build" ;;
esac
"""
BUILD = """
while [ "$1" != -o ]; do shift; done
out="$2"; shift 2
for package in "$@"; do
    case "$package" in .) name=kube ;; *) name="${package##*/}" ;; esac
    echo "$name" >"$out$name"
done
"""


@pytest.fixture
def go_build(tmp_path: Path, go_sources: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the script that a fake toolchain runs as `go build`; it "builds" immediately."""
    crd = go_sources / "kubernetes" / "module" / "kustomize" / "crd" / "bases" / "portforwards.yaml"
    crd.parent.mkdir(parents=True)
    crd.write_text("kind: CustomResourceDefinition\n")
    for line in ("1.30", "1.31"):
        write_istio_module(go_sources / f"istio-{line}" / "module")
    go = fake_go(tmp_path / "path", WORKING_GO)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")
    script = go.with_name("go-build")
    script.write_text(BUILD)
    return script


def test_every_part_of_a_build_is_in_its_key(go_sources: Path) -> None:
    folder = go_sources / "kubernetes"
    before = sources.key_of([folder], sources.kubernetes_flags())
    assert before == sources.key_of([folder], sources.kubernetes_flags())
    assert before != sources.key_of([folder], (*sources.kubernetes_flags(), "-race"))
    for name in ("go.mod", "go.sum", "main.go"):
        path = folder / name
        text = path.read_text()
        path.write_text(text + "\n")
        assert before != sources.key_of([folder], sources.kubernetes_flags()), name
        path.write_text(text)
    assert before == sources.key_of([folder], sources.kubernetes_flags())


def test_other_files_and_the_place_of_a_checkout_do_not_change_the_key(go_sources: Path) -> None:
    (go_sources / "kubernetes" / "notes.txt").touch()
    assert sources.key_of([go_sources / "kubernetes"], ()) == sources.key_of(
        [Path(sources.__file__).parent / "go" / "kubernetes"], ()
    )


def test_a_changed_istio_source_leaves_kubernetes_alone(cache: Path, go_sources: Path) -> None:
    kubernetes, istio = sources.kubernetes_home(cache), sources.istio_home(cache)
    with (go_sources / "istio-1.31" / "go.sum").open("a") as sums:
        sums.write("example.org/x v1.0.0 h1:xxxx\n")
    assert sources.kubernetes_home(cache) == kubernetes
    assert sources.istio_home(cache) != istio


def test_the_cache_follows_xdg_only_when_it_is_absolute() -> None:
    assert sources.cache_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/meshops-istio-lab")
    assert sources.cache_folder({"XDG_CACHE_HOME": "x"}) == Path.home() / ".cache" / "meshops-istio-lab"
    assert sources.cache_folder({}) == Path.home() / ".cache" / "meshops-istio-lab"


def test_steps_let_a_lab_start_early(cache: Path) -> None:
    titles = [step.title for step in build.steps_for(cache, sources.ISTIO_VERSIONS)]
    assert "kube-apiserver" in titles[0]
    assert [title.split()[-1] for title in titles[1:5]] == ["1.30.3", "1.31.0", "1.30.2", "1.31.1"]
    assert [title.split()[0] for title in titles[5:]] == ["charts"] * 4 + ["helm", "stand-ins"]


def test_versions_of_one_line_share_a_source_and_differ_in_their_stamp(cache: Path) -> None:
    steps = {step.target.name: step for step in build.steps_for(cache, sources.ISTIO_VERSIONS) if step.packages}
    first, second = steps["istio-1.31.0"], steps["istio-1.31.1"]
    assert first.source is second.source
    assert any("/version.buildVersion=1.31.0 " in flag for flag in first.flags)
    assert [flag.replace("1.31.0", "1.31.1") for flag in first.flags] == list(second.flags)


def test_an_unknown_release_line_is_refused(cache: Path) -> None:
    with pytest.raises(BuildError, match=r"^The lab can build Istio 1\.30\.x and 1\.31\.x, not 1\.29\.4\.$"):
        build.ensure(report=print, versions=("1.29.4",))


def test_locate_never_builds(cache: Path) -> None:
    assert build.locate() is None
    assert not cache.exists()
    pretend_built(cache, ("1.30.3",))
    assert build.locate() is None
    found = build.locate(("1.30.3",))
    assert found is not None
    assert found.pilot_discovery("1.30.3") == found.istio / "istio-1.30.3" / "bin" / "pilot-discovery"


def test_ensure_says_nothing_when_all_is_there(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend_built(cache)
    monkeypatch.setenv("PATH", "")
    said: list[str] = []
    started = time.process_time()
    binaries = build.ensure(report=said.append)
    assert time.process_time() - started < 0.1
    assert said == []
    assert binaries == build.locate()
    assert binaries.istioctl_template.format(version="1.31.0") == str(binaries.istioctl("1.31.0"))


@pytest.mark.parametrize("version", ["1.99.0", "latest", "../istio-1.31.0", "", "1.31.0-distroless"])
def test_a_version_that_is_not_there_has_no_istiod(cache: Path, version: str) -> None:
    pretend_built(cache)
    binaries = build.locate()
    assert binaries is not None
    assert binaries.pilot_discovery(version) is None


def test_ensure_builds_what_is_missing_and_tells_so(cache: Path, go_build: Path) -> None:
    said: list[str] = []
    binaries = build.ensure(report=said.append, versions=("1.30.3", "1.31.0"))
    assert binaries.kube.read_text() == "kube\n"
    assert binaries.kwok.read_text() == "kwok\n"
    assert [path.name for path in binaries.kwok_crds.iterdir()] == ["portforwards.yaml"]
    assert binaries.istioctl("1.30.3").is_file()
    assert said[0].startswith("Building the lab's binaries, about ")
    assert [line[:3] for line in said[1:]] == [f"{at}/7" for at in range(1, 8) for dummy in (0, 1)]
    assert list((cache / "bin").glob(".new-*")) == []
    said.clear()
    build.ensure(report=said.append, versions=("1.30.3", "1.30.2"))
    assert said[1].startswith("1/2 istioctl + istiod of 1.30.2: ")


def test_charts_are_stamped_as_those_of_a_release(cache: Path, go_build: Path) -> None:
    binaries = build.ensure(report=print, versions=("1.30.3", "1.31.0"))
    assert binaries.helm.read_text() == "helm\n"
    for version in ("1.30.3", "1.31.0"):
        folder = Path(binaries.charts_template.format(version=version))
        assert (folder / sources.GATEWAY_API_FILE).exists()
        for chart in ("base", "ztunnel"):
            assert (folder / chart / "Chart.yaml").read_text() == f"version: {version}\nappVersion: {version}\n"
            assert (folder / chart / "values.yaml").read_text() == f"hub: {sources.HUB}\ntag: {version}\n"
            assert (folder / chart / "templates" / "service.yaml").read_text() == "kind: Service # version: 1.0.0\n"


def test_a_failed_build_leaves_nothing_and_shows_its_last_lines(cache: Path, go_build: Path) -> None:
    go_build.write_text('echo "k8s.io/api"; echo "main.go:9:2: undefined: x" >&2; exit 1')
    with pytest.raises(BuildError) as caught:
        build.ensure(report=print)
    text = str(caught.value)
    assert text.startswith("Building kube-apiserver ")
    assert text.endswith("):\n    main.go:9:2: undefined: x")
    assert list((cache / "bin").iterdir()) == []


def test_what_a_crashed_build_left_is_cleared(cache: Path, go_build: Path) -> None:
    for folder in (cache / ".new-wheel", cache / "bin" / ".new-build"):
        (folder / "deep").mkdir(parents=True)
    build.ensure(report=print, versions=("1.31.0",))
    assert [*cache.glob(".new-*"), *cache.glob("bin/.new-*")] == []


def test_an_interrupted_build_is_stopped_and_cleaned(
    cache: Path, go_build: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_build.write_text("exec sleep 600")
    monkeypatch.setattr(go_command, "PROGRESS_SECONDS", 0.05)

    def interrupt(line: str) -> None:
        if "linking" in line:
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build.ensure(report=interrupt)
    assert time.monotonic() - started < 60
    assert list((cache / "bin").iterdir()) == []


def test_a_second_builder_waits_for_the_first(cache: Path) -> None:
    cache.mkdir(parents=True)
    said: list[str] = []
    second_in = threading.Event()

    def second() -> None:
        with build.locked(cache / "build.lock", said.append):
            second_in.set()

    with build.locked(cache / "build.lock", said.append):
        thread = threading.Thread(target=second)
        thread.start()
        assert not second_in.wait(0.1)
    thread.join(timeout=5)
    assert second_in.is_set()
    assert said == ["Another process builds the lab's binaries at this moment; waiting for it."]


def test_the_lab_is_for_linux(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "sys", SimpleNamespace(platform="darwin"))
    with pytest.raises(BuildError, match=r"^The lab runs on Linux only, and this is darwin\.$"):
        build.ensure(report=print)


def test_a_small_disk_is_named_before_the_work(cache: Path, go_build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_200_000_000))
    with pytest.raises(
        BuildError, match=r"^Building the lab's binaries needs about .* GB below /.*only 1\.2 GB are free\.$"
    ):
        build.ensure(report=print)


def test_a_cache_that_cannot_be_written_is_one_sentence(cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_text("a file where the folder should be")
    with pytest.raises(BuildError, match="^The lab's binaries cannot be written to ") as caught:
        build.ensure(report=print)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno in (errno.EEXIST, errno.ENOTDIR)


def test_a_full_disk_is_said_in_words() -> None:
    lines = ["k8s.io/api", "write /x/b001/_pkg_.a: no space left on device"]
    assert go_command.failure("kwok", 1, lines, Path("/log")).startswith("The disk got full while building kwok; ")


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], "linking what was compiled before"),
        (["go: downloading a v1", "go: downloading b v1"], "2 modules fetched"),
        (["go: downloading a v1", "a/b", "c"], "2 of about 9 packages compiled"),
    ],
)
def test_progress(lines: list[str], text: str) -> None:
    assert go_command.progress(lines, 9) == text


@pytest.mark.parametrize(
    ("seconds", "count", "text"),
    [(20, 2, "less than a minute"), (70, 2, "about 1 minute"), (240, 2, "about 4 minutes"), (240, 8, "about 1 minute")],
)
def test_estimates_follow_the_cores(monkeypatch: pytest.MonkeyPatch, seconds: int, count: int, text: str) -> None:
    monkeypatch.setattr(go_command, "cores", lambda: count)
    assert go_command.about(seconds) == text
