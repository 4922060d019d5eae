# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the lab's binaries from Go modules, once, into the user's cache folder."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .go_command import about, clock, cores, run
from .sources import (
    CHARTS,
    GATEWAY_API,
    GATEWAY_API_FILE,
    HELM,
    HELM_VERSION,
    HUB,
    ISTIO,
    ISTIO_VERSIONS,
    KUBECTL,
    KUBERNETES,
    KUBERNETES_VERSION,
    PROXIES,
    STAMPS,
    Source,
    Step,
    cache_folder,
    charts_home,
    helm_flags,
    helm_home,
    istio_flags,
    istio_home,
    key_of,
    kubernetes_flags,
    kubernetes_home,
    proxies_flags,
    proxies_home,
)
from .toolchain import BuildError, Report, find_go, go_environment, output_of


@dataclass(frozen=True)
class Binaries:
    """Paths of the binaries and charts of the lab."""

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
        """Return the istiod of a version, or None if an image registry would not have it either."""
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


def kubectl_step(cache: Path) -> Step:
    """Return the step for kubectl, in the version of the API server. No lab needs it."""
    home = cache / "bin" / f"kubectl-{key_of([KUBECTL.path], kubernetes_flags())}"
    return Step(f"kubectl {KUBERNETES_VERSION}", KUBECTL, (".",), kubernetes_flags(), home)


def steps_for(cache: Path, versions: Iterable[str]) -> list[Step]:
    """Return all steps, in the order in which a lab can start earliest."""
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
    """Return the versions in the order of their builds: the two versions of the demo come first."""
    return version not in ("1.30.3", "1.31.0"), version


def binaries_in(cache: Path) -> Binaries:
    kubernetes = kubernetes_home(cache)
    helm, charts = helm_home(cache) / "helm", charts_home(cache)
    kube, kwok, crds = kubernetes / "kube", kubernetes / "kwok", kubernetes / "kwok-crds"
    return Binaries(kube, kwok, crds, istio_home(cache), helm, charts, proxies_home(cache) / "proxies")


def locate(versions: Iterable[str] = ISTIO_VERSIONS) -> Binaries | None:
    """Return the binaries if all are built, else None; build nothing."""
    cache = cache_folder()
    return binaries_in(cache) if all(step.target.is_dir() for step in steps_for(cache, versions)) else None


def ensure(*, report: Report = print, versions: Iterable[str] = ISTIO_VERSIONS) -> Binaries:
    """Build missing binaries, and return the paths of all."""
    cache = cache_folder()
    ensure_steps(steps_for(cache, versions), cache, report)
    return binaries_in(cache)


def ensure_kubectl(report: Report = print) -> Path:
    """Build kubectl if it is missing, and return its path."""
    cache = cache_folder()
    step = kubectl_step(cache)
    ensure_steps([step], cache, report)
    return step.target / "kubectl"


def ensure_steps(steps: Sequence[Step], cache: Path, report: Report) -> None:
    """Run the steps whose result is missing."""
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
    """Hold the lock of the cache. The kernel releases it when its holder dies."""
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
    """Build in a folder beside the target, and rename it, so that a partial result is never visible."""
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
            # /tmp may be a small memory disk, but the linker needs hundreds of megabytes.
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


def copy_crds(target: Path, environ: Mapping[str, str]) -> None:
    """Copy the resource definitions that kwok needs on the cluster from its module."""
    module = module_folder("sigs.k8s.io/kwok", KUBERNETES, environ)
    target.mkdir()
    for path in sorted((module / "kustomize" / "crd" / "bases").glob("*.yaml")):
        shutil.copyfile(path, target / path.name)


def copy_charts(target: Path, step: Step, environ: Mapping[str, str]) -> None:
    """Copy Istio's charts from its module, with the version set as in a release, and the CRDs of the Gateway API."""
    module = module_folder("istio.io/istio", step.source, environ)
    shutil.copyfile(module / GATEWAY_API, target / GATEWAY_API_FILE)
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
    """Return the folder in which Go stores the module of a source; download the module if it is missing."""
    command = ["go", "mod", "download", "-json", module]
    return Path(json.loads(output_of(command, environ, cwd=source.path))["Dir"])


def check_space(steps: Sequence[Step], cache: Path, environ: Mapping[str, str]) -> None:
    """Raise an error before the build if the disk is too small."""
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
    """Return the file that exists if this source was compiled before, so that only linking remains."""
    return cache / "compiled" / f"{source.folder}-{key_of([source.path], ())}"


def expected_seconds(done: Sequence[Source], step: Step, cache: Path) -> int:
    if not step.packages:
        return 1
    warm = step.source in done or compiled_marker(cache, step.source).exists()
    return step.source.warm_seconds if warm else step.source.cold_seconds
