# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The meshes that the cases start from, and the facts that most cases check."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from integration.objects import INJECTION, REV, pods, until
from integration.support import REVISION, VERSION
from integration.workloads import namespace, pod_template, workload
from lab import Cluster

Json = dict[str, Any]
SHOP = "shop"
MERGE = "application/merge-patch+json"


def web(name: str = "web", place: str = SHOP, *, kind: str = "Deployment", replicas: int = 2, **template: Any) -> Json:
    """Return a workload with some replicas; ``template`` has labels, notes (annotations) and fields of the pod."""
    return workload(kind, name, pod_template(name, **template), namespace=place, replicas=replicas)


def base(cluster: Cluster, *more: Json, sets: Iterable[str] = (), **install: Any) -> None:
    """Install revision 1-30-3, and apply namespace shop with Deployment web and more objects."""
    cluster.install_istio(VERSION, REVISION, sets=list(sets), **install)
    cluster.apply([namespace(SHOP, **{REV: REVISION}), web(), *more])
    cluster.wait_ready()


def nonrev(cluster: Cluster, *more: Json, sets: Iterable[str] = (), **install: Any) -> None:
    """Install Istio 1.30.3 without a revision, and apply namespace shop with Deployment web and more objects."""
    cluster.install_istio(VERSION, None, sets=list(sets), **install)
    cluster.apply([namespace(SHOP, **{INJECTION: "enabled"}), web(), *more])
    cluster.wait_ready()


def label(cluster: Cluster, name: str, labels: Mapping[str, str | None]) -> None:
    """Set labels of a namespace, or remove those that are None."""
    cluster.request("PATCH", f"/api/v1/namespaces/{name}", {"metadata": {"labels": labels}}, content_type=MERGE)


def proxies(cluster: Cluster, *places: str) -> dict[str, str]:
    """Return the image of the proxy of each pod in some namespaces, empty without a proxy; the key is place/name."""
    return {f"{place}/{name}": pod.image for (place, name), pod in pods(cluster, places or (SHOP,)).items()}


def delete_a_pod(cluster: Cluster, place: str = SHOP, app: str = "web") -> str:
    """Delete one pod of an app, and return the image of the proxy of the pod that replaces it."""
    before = {key: pod for key, pod in pods(cluster, [place]).items() if key[1].startswith(f"{app}-")}
    victim = sorted(before)[0]
    cluster.delete(f"/api/v1/namespaces/{place}/pods/{victim[1]}")

    def replacements() -> list[str]:
        now = pods(cluster, [place])
        return [pod.image for key, pod in now.items() if key not in before and key[1].startswith(f"{app}-")]

    until(replacements, f"no pod replaces {victim}")
    return replacements()[0]
