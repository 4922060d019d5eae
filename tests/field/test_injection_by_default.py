# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases R10a, R10b and R10c: meshes that inject namespaces without labels (enableNamespacesByDefault).

The whole upgrade moves their namespaces in waves, and the default tag keeps its webhook ``auto.``.
"""

from __future__ import annotations

import pytest

from field.meshes import SHOP, base, delete_a_pod, label, nonrev, proxies, web
from field.playbooks import canary, changed, play
from integration.meshes import ADMISSION
from integration.objects import INJECTION, REV, labels
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk
from integration.workloads import namespace
from lab import Cluster

BY_DEFAULT = "values.sidecarInjectorWebhook.enableNamespacesByDefault=true"
TAG = f"{ADMISSION}/mutatingwebhookconfigurations/istio-revision-tag-default"
LATE = "late"


def versions(cluster: Cluster, *places: str) -> set[str]:
    """The versions of the proxies in some namespaces; empty for a pod without a proxy."""
    return {image.rpartition(":")[2] for image in proxies(cluster, *places).values()}


def called(cluster: Cluster) -> dict[str, str]:
    """Webhook of tag default -> the Service that it calls."""
    hooks = cluster.request("GET", TAG)["webhooks"]
    return {hook["name"].partition(".sidecar")[0]: hook["clientConfig"]["service"]["name"] for hook in hooks}


def install(cluster: Cluster, case: str) -> None:
    """Install the mesh of R10a or R10b, without a label on namespace shop."""
    if case == "a":
        nonrev(cluster, sets=[BY_DEFAULT])
        label(cluster, SHOP, {INJECTION: None})
    else:
        base(cluster)
        label(cluster, SHOP, {REV: None})
        flags = ("--revision", REVISION, "--auto-inject-namespaces", "--overwrite", "--skip-confirmation")
        cluster.istioctl(VERSION, "tag", "set", "default", *flags)
    assert "auto" in called(cluster)


@pytest.mark.parametrize("case", ["a", "b"])
def test_r10_namespaces_without_labels_move_and_stay_injected(desk: Desk, empty: Cluster, case: str) -> None:
    install(empty, case)
    assert VERSION in delete_a_pod(empty)
    predicted = canary(desk, empty, "--check", istio_finalize=True).require_success()
    moves = [action for result in predicted.of(empty, "namespace_revision") for action in result.get("actions", [])]
    assert moves == [f"move namespace {SHOP}: no injection label -> {REV}={NEW_REVISION}"]
    canary(desk, empty, istio_finalize=True).require_success()
    assert labels(empty)[SHOP][REV] == NEW_REVISION
    assert versions(empty) == {NEW_VERSION}
    assert set(called(empty).values()) == {f"istiod-{NEW_REVISION}"}
    assert "auto" in called(empty)
    again = canary(desk, empty, istio_finalize=True).require_success()
    assert changed(again, empty) == 0
    assert NEW_VERSION in delete_a_pod(empty)
    empty.apply([namespace(LATE), web(place=LATE)])
    empty.wait_ready()
    assert versions(empty, LATE) == {NEW_VERSION}
    play(desk, empty, "verify").require_success()


def test_r10c_a_webhook_that_stayed_on_the_former_istiod_is_repaired(desk: Desk, empty: Cluster) -> None:
    install(empty, "a")
    canary(desk, empty).require_success()
    flags = ("--revision", NEW_REVISION, "--overwrite", "--skip-confirmation")
    empty.istioctl(NEW_VERSION, "tag", "set", "default", *flags)
    assert called(empty)["auto"] == "istiod"
    canary(desk, empty, istio_finalize=True).require_success()
    assert set(called(empty).values()) == {f"istiod-{NEW_REVISION}"}
    assert changed(canary(desk, empty, istio_finalize=True).require_success(), empty) == 0
