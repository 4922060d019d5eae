# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's binaries: built once from Go modules, kept in the user's cache folder, found again in no time."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .toolchain import BuildError, Report, find_go, go_environment, output_of

ISTIO_VERSIONS: tuple[str, ...] = ("1.30.2", "1.30.3", "1.31.0", "1.31.1")
KUBERNETES_VERSION = "1.36.3"
HELM_VERSION = "4.2.4"
HUB = "lab.invalid/istio"

GO_FOLDER = Path(__file__).resolve().parent / "go"
BUILD_FLAGS = ("-v", "-trimpath", "-buildvcs=false")
ISTIO_TAGS = "-tags=vtprotobuf,disable_pgv"
PROGRESS_SECONDS = 20.0
OUTPUT_LINES = 12


@dataclass(frozen=True)
class Source:
    """One folder with a go.mod, and what a first build of it costs on two idle cores after the sources before it."""

    folder: str
    commit: str
    cold_seconds: int
    warm_seconds: int
    packages: int

    @property
    def path(self) -> Path:
        return GO_FOLDER / self.folder


KUBERNETES = Source("kubernetes", "", 300, 15, 2700)
ISTIO = {
    "1.30": Source("istio-1.30", "9739e10eb9d7", 240, 15, 1490),
    "1.31": Source("istio-1.31", "eed52ebb66ad", 150, 15, 460),
}
HELM = Source("helm", "", 30, 15, 130)
PROXIES = Source("proxies", "", 10, 3, 60)
KUBECTL = Source("kubectl", "", 90, 10, 700)
#: Charts of a release, by the folders of Istio's sources.
CHARTS = {"base": "base", "istiod": "istio-control/istio-discovery"}
#: What release-builder writes into the charts of a release, file by file.
STAMPS = {
    "Chart.yaml": (("version: 1.0.0", "version: {version}"), ("appVersion: 1.0.0", "appVersion: {version}")),
    "values.yaml": (("hub: registry.istio.io/testing", "hub: {hub}"), ("tag: latest", "tag: {version}")),
}


@dataclass(frozen=True)
class Binaries:
    """Where everything lies that the lab starts."""

    kube: Path
    kwok: Path
    kwok_crds: Path
    istio: Path
    helm: Path
    charts: Path
    proxies: Path

    def istioctl(self, version: str) -> Path:
        return self.istio / f"istio-{version}" / "bin" / "istioctl"

    def pilot_discovery(self, version: str) -> Path | None:
        """The istiod of a version, or None where an image registry would not have it either."""
        if not re.fullmatch(r"\d+\.\d+\.\d+", version):
            return None
        path = self.istio / f"istio-{version}" / "bin" / "pilot-discovery"
        return path if path.is_file() else None

    @property
    def istioctl_template(self) -> str:
        return str(self.istio / "istio-{version}" / "bin" / "istioctl")

    @property
    def charts_template(self) -> str:
        return str(self.charts / "{version}")


@dataclass(frozen=True)
class Step:
    """One call of `go build`, or the charts of a version; its result appears at `target` as a whole or not at all."""

    title: str
    source: Source
    packages: tuple[str, ...]
    flags: tuple[str, ...]
    target: Path
    inner: str = "."


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """The lab's part of the user's cache."""
    base = (os.environ if environ is None else environ).get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "meshops-istio-lab"


def kubernetes_flags() -> tuple[str, ...]:
    major, minor = KUBERNETES_VERSION.split(".")[:2]
    stamps = []
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        stamps += [f"{package}.gitVersion=v{KUBERNETES_VERSION}", f"{package}.gitTreeState=clean"]
        stamps += [f"{package}.gitMajor={major}", f"{package}.gitMinor={minor}"]
    return (*BUILD_FLAGS, link_flags(stamps))


def istio_flags(version: str, commit: str) -> tuple[str, ...]:
    stamps = {"Version": version, "Tag": version, "Hub": HUB, "GitRevision": commit, "Status": "Clean"}
    return (
        *BUILD_FLAGS,
        ISTIO_TAGS,
        link_flags(f"istio.io/istio/pkg/version.build{name}={value}" for name, value in stamps.items()),
    )


def helm_flags() -> tuple[str, ...]:
    return (*BUILD_FLAGS, link_flags([f"helm.sh/helm/v4/internal/version.version=v{HELM_VERSION}"]))


def link_flags(stamps: Iterable[str]) -> str:
    return "-ldflags=-s -w " + " ".join(f"-X {stamp}" for stamp in stamps)


def key_of(folders: Iterable[Path], flags: Iterable[str]) -> str:
    """A short hash over everything that decides what a build makes: sources, sums, flags, machine type."""
    digest = hashlib.sha256(platform.machine().encode())
    for folder in folders:
        for path in sorted(p for p in folder.iterdir() if p.suffix in (".mod", ".sum", ".go")):
            digest.update(f"\0{folder.name}/{path.name}\0".encode() + path.read_bytes())
    for flag in flags:
        digest.update(b"\0" + flag.encode())
    return digest.hexdigest()[:16]


def kubernetes_home(cache: Path) -> Path:
    return cache / "bin" / f"kubernetes-{key_of([KUBERNETES.path], kubernetes_flags())}"


def istio_home(cache: Path) -> Path:
    """One folder for all versions, so that one path template finds every istioctl."""
    flags = [flag for source in ISTIO.values() for flag in istio_flags("VERSION", source.commit)]
    return cache / "bin" / f"istio-{key_of([source.path for source in ISTIO.values()], flags)}"


def helm_home(cache: Path) -> Path:
    return cache / "bin" / f"helm-{key_of([HELM.path], helm_flags())}"


def proxies_flags() -> tuple[str, ...]:
    """The tag of Istio, so that Go's cache has the generated code compiled."""
    return (*BUILD_FLAGS, ISTIO_TAGS, link_flags([]))


def proxies_home(cache: Path) -> Path:
    return cache / "bin" / f"proxies-{key_of([PROXIES.path], proxies_flags())}"


def kubectl_step(cache: Path) -> Step:
    """kubectl, at the version of the API server; no lab needs it."""
    home = cache / "bin" / f"kubectl-{key_of([KUBECTL.path], kubernetes_flags())}"
    return Step(f"kubectl {KUBERNETES_VERSION}", KUBECTL, (".",), kubernetes_flags(), home)


def charts_home(cache: Path) -> Path:
    """One folder for all versions, like the one of istioctl."""
    return cache / "bin" / f"charts-{key_of([source.path for source in ISTIO.values()], [HUB, repr(STAMPS)])}"


def steps_for(cache: Path, versions: Iterable[str]) -> list[Step]:
    """All steps in the order that lets a lab start earliest."""
    steps = [
        Step(
            f"kube-apiserver and its companions {KUBERNETES_VERSION}, etcd, kwok",
            KUBERNETES,
            (".", "sigs.k8s.io/kwok/cmd/kwok"),
            kubernetes_flags(),
            kubernetes_home(cache),
        )
    ]
    home, charts = istio_home(cache), []
    for version in sorted(versions, key=build_order):
        source = ISTIO.get(version.rpartition(".")[0])
        if source is None:
            lines = " and ".join(f"{line}.x" for line in ISTIO)
            raise BuildError(f"The lab can build Istio {lines}, not {version}.")
        packages = ("istio.io/istio/istioctl/cmd/istioctl", "istio.io/istio/pilot/cmd/pilot-discovery")
        flags = istio_flags(version, source.commit)
        steps.append(Step(f"istioctl + istiod of {version}", source, packages, flags, home / f"istio-{version}", "bin"))
        charts.append(Step(f"charts of {version}", source, (), (), charts_home(cache) / version))
    helm = Step(f"helm {HELM_VERSION}", HELM, ("helm.sh/helm/v4/cmd/helm",), helm_flags(), helm_home(cache))
    proxies = Step("stand-ins for sidecars", PROXIES, (".",), proxies_flags(), proxies_home(cache))
    return [*steps, *charts, helm, proxies]


def build_order(version: str) -> tuple[bool, str]:
    """The two versions that the demo upgrades between come first."""
    return version not in ("1.30.3", "1.31.0"), version


def binaries_in(cache: Path) -> Binaries:
    kubernetes = kubernetes_home(cache)
    helm, charts = helm_home(cache) / "helm", charts_home(cache)
    kube, kwok, crds = kubernetes / "kube", kubernetes / "kwok", kubernetes / "kwok-crds"
    return Binaries(kube, kwok, crds, istio_home(cache), helm, charts, proxies_home(cache) / "proxies")


def locate(versions: Iterable[str] = ISTIO_VERSIONS) -> Binaries | None:
    """The binaries if all of them were built already; builds nothing."""
    cache = cache_folder()
    return binaries_in(cache) if all(step.target.is_dir() for step in steps_for(cache, versions)) else None


def ensure(*, report: Report = print, versions: Iterable[str] = ISTIO_VERSIONS) -> Binaries:
    """Build what is missing and tell where everything lies."""
    cache = cache_folder()
    ensure_steps(steps_for(cache, versions), cache, report)
    return binaries_in(cache)


def ensure_kubectl(report: Report = print) -> Path:
    """Build kubectl if it is missing and tell where it lies."""
    cache = cache_folder()
    step = kubectl_step(cache)
    ensure_steps([step], cache, report)
    return step.target / "kubectl"


def ensure_steps(steps: Sequence[Step], cache: Path, report: Report) -> None:
    """Build what of some steps is missing."""
    if not all(step.target.is_dir() for step in steps):
        if not sys.platform.startswith("linux"):
            raise BuildError(f"The lab runs on Linux only, and this is {sys.platform}.")
        try:
            (cache / "bin").mkdir(parents=True, exist_ok=True)
            with locked(cache / "build.lock", report):
                build_missing([step for step in steps if not step.target.is_dir()], cache, report)
        except OSError as error:
            raise BuildError(f"The lab's binaries cannot be written to {cache}: {error}.") from error


@contextmanager
def locked(path: Path, report: Report) -> Iterator[None]:
    """Hold the lock of the cache; the kernel frees it when its holder dies."""
    with path.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Another process builds the lab's binaries at this moment; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build_missing(steps: Sequence[Step], cache: Path, report: Report) -> None:
    if not steps:
        return
    environ = go_environment(find_go(cache, report), os.environ)
    check_space(steps, cache, environ)
    total = sum(expected_seconds(sources_before(steps, index), step, cache) for index, step in enumerate(steps))
    report(f"Building the lab's binaries, {about(total)}; later runs find them in {cache / 'bin'}.")
    for index, step in enumerate(steps, 1):
        expected = expected_seconds((), step, cache)
        report(f"{index}/{len(steps)} {step.title}: {about(expected)} on {cores()} cores ...")
        started = time.monotonic()
        build(step, cache, environ, report)
        report(f"{index}/{len(steps)} done in {clock(time.monotonic() - started)}.")


def sources_before(steps: Sequence[Step], index: int) -> tuple[Source, ...]:
    return tuple(step.source for step in steps[:index])


def build(step: Step, cache: Path, environ: Mapping[str, str], report: Report) -> None:
    """Build in a folder beside the target and rename it: nobody ever sees half a result."""
    for leftover in (*cache.glob(".new-*"), *cache.glob("bin/.new-*")):
        shutil.rmtree(leftover, ignore_errors=True)
    work = Path(tempfile.mkdtemp(prefix=".new-", dir=cache / "bin"))
    log = cache / "build.log"
    try:
        result, scratch = work / "result", work / "scratch"
        output = result / step.inner
        output.mkdir(parents=True)
        scratch.mkdir()
        if step.packages:
            command = ["go", "build", "-p", str(cores()), *step.flags, "-o", f"{output}{os.sep}", *step.packages]
            # /tmp may be a small memory disk; the linker needs hundreds of megabytes.
            run(command, step, {**environ, "GOTMPDIR": str(scratch)}, log, report)
            compiled_marker(cache, step.source).parent.mkdir(exist_ok=True)
            compiled_marker(cache, step.source).touch()
        else:
            copy_charts(result, step, environ)
        if step.source is KUBERNETES:
            copy_crds(result / "kwok-crds", environ)
        step.target.parent.mkdir(parents=True, exist_ok=True)
        result.rename(step.target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def run(command: Sequence[str], step: Step, environ: Mapping[str, str], log: Path, report: Report) -> None:
    """Run one build, with a line about its progress now and then."""
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=step.source.path, env=environ, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            while (code := wait(process, PROGRESS_SECONDS)) is None:
                report(f"    {clock(time.monotonic() - started)}: {progress(read(log), step.source.packages)}")
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                # who was started in the background of a shell may be deaf to it
                if wait(process, 3) is None:
                    process.kill()
                    process.wait()
    if code:
        raise BuildError(failure(step.title, code, read(log), log))


def wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None


def read(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()


def is_package(line: str) -> bool:
    return bool(line) and " " not in line


def progress(lines: Sequence[str], packages: int) -> str:
    """How far a build is, from what `go build -v` printed until now."""
    compiled = sum(is_package(line) for line in lines)
    fetched = sum(line.startswith("go: downloading") for line in lines)
    if compiled:
        return f"{compiled} of about {packages} packages compiled"
    return f"{fetched} modules fetched" if fetched else "linking what was compiled before"


def failure(title: str, code: int, lines: Sequence[str], log: Path) -> str:
    telling = [line for line in lines if line and not is_package(line) and not line.startswith("go: downloading")]
    if any("no space left on device" in line for line in telling):
        return f"The disk got full while building {title}; free some space and run it again, it goes on from there."
    tail = "\n".join(f"    {line}" for line in telling[-OUTPUT_LINES:])
    return f"Building {title} failed (go ended with {code}, its whole output is in {log}):\n{tail}"


def copy_crds(target: Path, environ: Mapping[str, str]) -> None:
    """Copy the resource definitions that kwok wants on the cluster out of its module."""
    module = module_folder("sigs.k8s.io/kwok", KUBERNETES, environ)
    target.mkdir()
    for path in sorted((module / "kustomize" / "crd" / "bases").glob("*.yaml")):
        shutil.copyfile(path, target / path.name)


def copy_charts(target: Path, step: Step, environ: Mapping[str, str]) -> None:
    """Copy Istio's charts out of its module, stamped as those of a release are."""
    module = module_folder("istio.io/istio", step.source, environ)
    for name, folder in CHARTS.items():
        for path in (module / "manifests" / "charts" / folder).rglob("*.*"):
            if path.is_file():
                place = target / name / path.relative_to(module / "manifests" / "charts" / folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                text = path.read_text(encoding="utf-8")
                for old, new in STAMPS.get(path.name, ()):
                    text = text.replace(old, new.format(version=step.target.name, hub=HUB))
                place.write_text(text, encoding="utf-8")


def module_folder(module: str, source: Source, environ: Mapping[str, str]) -> Path:
    """Where Go keeps a module that a source is built from; fetched if it was cleaned away."""
    command = ["go", "mod", "download", "-json", module]
    return Path(json.loads(output_of(command, environ, cwd=source.path))["Dir"])


def check_space(steps: Sequence[Step], cache: Path, environ: Mapping[str, str]) -> None:
    """Say before minutes of work, not after, that the disk is too small."""
    cold = len({step.source for step in steps if step.packages and not compiled_marker(cache, step.source).exists()})
    folders = [Path(line) for line in output_of(["go", "env", "GOCACHE", "GOMODCACHE"], environ).splitlines()]
    needs = [(cache, 0.4 * len(steps)), *zip(folders, (2.5 * cold, 1.2 * cold), strict=True)]
    per_disk: dict[int, float] = {}
    for folder, gigabytes in needs:
        place = next(path for path in (folder, *folder.parents) if path.exists())
        disk = place.stat().st_dev
        per_disk[disk] = per_disk.get(disk, 0.5) + gigabytes
        free = shutil.disk_usage(place).free / 1e9
        if free < per_disk[disk]:
            wanted = f"{per_disk[disk]:.1f} GB below {place}"
            raise BuildError(f"Building the lab's binaries needs about {wanted}, but only {free:.1f} GB are free.")


def compiled_marker(cache: Path, source: Source) -> Path:
    """Exists when this very source was compiled before, so that only linking is left."""
    return cache / "compiled" / f"{source.folder}-{key_of([source.path], ())}"


def expected_seconds(done: Sequence[Source], step: Step, cache: Path) -> int:
    if not step.packages:
        return 1
    warm = step.source in done or compiled_marker(cache, step.source).exists()
    return step.source.warm_seconds if warm else step.source.cold_seconds


def cores() -> int:
    return len(os.sched_getaffinity(0))


def about(seconds_on_two_cores: float) -> str:
    minutes = round(seconds_on_two_cores * 2 / max(2, cores()) / 60)
    return f"about {minutes} minute{'s' * (minutes > 1)}" if minutes else "less than a minute"


def clock(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
