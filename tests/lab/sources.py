# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sources of the lab's binaries: folders with a go.mod, their versions, and the steps of a build."""

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
    """One folder with a go.mod, and the time of its first build on two idle cores, after the previous sources."""

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
CHARTS = {
    "base": "base",
    "istiod": "istio-control/istio-discovery",
    "cni": "istio-cni",
    "ztunnel": "ztunnel",
    "gateway": "gateway",
}
#: CRDs of the Gateway API that a release of Istio is tested with, in its sources and beside the charts.
GATEWAY_API, GATEWAY_API_FILE = "tests/integration/pilot/testdata/gateway-api-crd.yaml", "gateway-api-crd.yaml"
#: Changes of release-builder in the charts of a release, by file.
STAMPS = {
    "Chart.yaml": (("version: 1.0.0", "version: {version}"), ("appVersion: 1.0.0", "appVersion: {version}")),
    "values.yaml": (("hub: registry.istio.io/testing", "hub: {hub}"), ("tag: latest", "tag: {version}")),
}


@dataclass(frozen=True)
class Step:
    """One call of `go build`, or the charts of a version. Its result appears at `target` completely or not at all."""

    title: str
    source: Source
    packages: tuple[str, ...]
    flags: tuple[str, ...]
    target: Path
    inner: str = "."


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the lab's part of the user's cache."""
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
    """Return a short hash over all inputs of a build: sources, sums, flags, machine type."""
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
    """Return the folder of all versions, so that one path template is valid for each istioctl."""
    flags = [flag for source in ISTIO.values() for flag in istio_flags("VERSION", source.commit)]
    return cache / "bin" / f"istio-{key_of([source.path for source in ISTIO.values()], flags)}"


def helm_home(cache: Path) -> Path:
    return cache / "bin" / f"helm-{key_of([HELM.path], helm_flags())}"


def proxies_flags() -> tuple[str, ...]:
    """Return Istio's build tag, so that Go reuses the compiled generated code from its cache."""
    return (*BUILD_FLAGS, ISTIO_TAGS, link_flags([]))


def proxies_home(cache: Path) -> Path:
    return cache / "bin" / f"proxies-{key_of([PROXIES.path], proxies_flags())}"


def charts_home(cache: Path) -> Path:
    """Return the folder of all versions, as for istioctl."""
    return (
        cache
        / "bin"
        / f"charts-{key_of([source.path for source in ISTIO.values()], [HUB, repr(STAMPS), repr(CHARTS), GATEWAY_API])}"
    )
