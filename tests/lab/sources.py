# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab is built from: folders with a go.mod, their versions, and the steps of a build."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ISTIO_VERSIONS: tuple[str, ...] = ("1.30.2", "1.30.3", "1.31.0", "1.31.1")
KUBERNETES_VERSION = "1.36.3"
HELM_VERSION = "4.2.4"
HUB = "lab.invalid/istio"

GO_FOLDER = Path(__file__).resolve().parent / "go"
BUILD_FLAGS = ("-v", "-trimpath", "-buildvcs=false")
ISTIO_TAGS = "-tags=vtprotobuf,disable_pgv"


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


def charts_home(cache: Path) -> Path:
    """One folder for all versions, like the one of istioctl."""
    return cache / "bin" / f"charts-{key_of([source.path for source in ISTIO.values()], [HUB, repr(STAMPS)])}"
