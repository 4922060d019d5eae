# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of two meshes, each reached from the one before; every state says by a few pods when it is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from lab import Cluster

from .cases import INJECT, INJECTION, REV, Labels
from .compare import INJECTED, REJECTED, UNTOUCHED

Json = dict[str, Any]
Action = Callable[[Cluster], object]

KUBELET, OLD_KUBELET = "v1.36.3", "v1.32.9"
TAG_HOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/istio-revision-tag-prod"
CONFIG_MAP = "/api/v1/namespaces/istio-system/configmaps/istio-sidecar-injector-1-31-0"


@dataclass(frozen=True)
class Known:
    """A pod, and what must become of it: a revision, None, or REJECTED."""

    namespace: Labels
    outcome: str | None
    pod: Labels = field(default_factory=dict)
    native: bool | None = None


@dataclass(frozen=True)
class State:
    """One state of a mesh."""

    name: str
    actions: tuple[Action, ...]
    known: tuple[Known, ...]
    native: bool = True
    kinds: frozenset[str] = frozenset({INJECTED, UNTOUCHED})


def install(version: str, revision: str | None = None, *sets: str) -> Action:
    return lambda cluster: cluster.install_istio(version, revision, sets=sets)


def fail_to_install(version: str, revision: str) -> Action:
    """Leave a revision behind whose istiod has an image that does not exist."""
    return lambda cluster: cluster.install_istio(version, revision, tag="9.9.9", timeout="2s", check=False)


def uninstall(revision: str) -> Action:
    return lambda cluster: cluster.istioctl("1.31.0", "uninstall", "--revision", revision, "-y")


def tag(name: str, revision: str, *options: str) -> Action:
    command = ("tag", "set", name, "--revision", revision, "--overwrite", "-y", *options)
    return lambda cluster: cluster.istioctl("1.31.0", *command)


def untag(name: str) -> Action:
    return lambda cluster: cluster.istioctl("1.31.0", "tag", "remove", name, "-y")


def kubelet(version: str) -> Action:
    return lambda cluster: cluster.set_kubelet_version(version)


def let_the_tag_fail(cluster: Cluster) -> None:
    """Make the API server go on without the tag's webhooks when they do not answer."""
    hooks = cluster.request("GET", TAG_HOOKS)["webhooks"]
    cluster.request("PATCH", TAG_HOOKS, {"webhooks": [{**hook, "failurePolicy": "Ignore"} for hook in hooks]})


def add_second_injector(cluster: Cluster) -> None:
    """Let a second configuration, called later, select what tag prod selects, and lead to another revision."""
    found = cluster.request("GET", TAG_HOOKS)
    for hook in found["webhooks"]:
        hook["clientConfig"]["service"]["name"] = "istiod-1-30-3"
    labels = {**found["metadata"]["labels"], REV: "1-30-3", "istio.io/tag": "second"}
    second = {**found, "metadata": {"name": "istio-revision-tag-second", "labels": labels}}
    cluster.request("POST", TAG_HOOKS.rpartition("/")[0], second)


def delete_istiod(revision: str) -> Action:
    return lambda cluster: cluster.delete(f"/apis/apps/v1/namespaces/istio-system/deployments/istiod-{revision}")


def configure(policy: Json, image: str = "proxyv2", variant: str = "") -> Action:
    """Change an injector's policy and selectors, and its image, as a user may."""

    def change(cluster: Cluster) -> None:
        data = cluster.request("GET", CONFIG_MAP)["data"]
        config, values = yaml.safe_load(data["config"]), json.loads(data["values"])
        values["global"]["proxy"]["image"] = image
        values["global"]["variant"] = variant
        changed = {"config": yaml.safe_dump(config | policy), "values": json.dumps(values, indent=2)}
        cluster.request("PATCH", CONFIG_MAP, {"data": changed})

    return change


OWN_POLICY: Json = {
    "policy": "disabled",
    "neverInjectSelector": [{"matchLabels": {"opt": "never"}}, {}],
    "alwaysInjectSelector": [{"matchExpressions": [{"key": "opt", "operator": "Exists"}]}],
}
PLAIN: Labels = {}
ENABLED = {INJECTION: "enabled"}
PROD, NEW, OLD, BROKEN, DEFAULT = ({REV: name} for name in ("prod", "1-31-0", "1-30-3", "1-31-1", "default"))
ALL_KINDS = frozenset({INJECTED, UNTOUCHED, REJECTED})
TWO_REVISIONS, NON_REVISIONED, MIXED = "two-revisions", "nonrevisioned", "nonrevisioned+revision+prod"

REVISIONED = (
    State(
        TWO_REVISIONS,
        (install("1.30.3", "1-30-3"), install("1.31.0", "1-31-0"), tag("prod", "1-31-0")),
        (Known(PROD, "1-31-0"), Known(ENABLED, "1-30-3")),
    ),
    State(
        "native sidecars off",
        (kubelet(OLD_KUBELET),),
        (Known(NEW, "1-31-0", native=False), Known(OLD, "1-30-3", native=False)),
        native=False,
    ),
    State(
        "default tag moved",
        (kubelet(KUBELET), tag("default", "1-31-0")),
        (Known(ENABLED, "1-31-0", native=True), Known(OLD, "1-30-3", native=True)),
    ),
    State("two injectors for one name", (add_second_injector,), (Known(PROD, "1-30-3"), Known(NEW, "1-31-0"))),
    State("default tag removed", (untag("second"), untag("default")), (Known(ENABLED, None),)),
    State(
        "revision that never came up",
        (fail_to_install("1.31.1", "1-31-1"),),
        (Known(PLAIN, REJECTED, BROKEN), Known(NEW, "1-31-0")),
        kinds=ALL_KINDS,
    ),
    State(
        "revision that is not ready any more",
        (lambda cluster: cluster.fault("never-ready", revision="1-31-0"),),
        (Known(NEW, REJECTED), Known(PROD, REJECTED), Known(OLD, "1-30-3")),
        kinds=ALL_KINDS,
    ),
    State(
        "orphan tag",
        (lambda cluster: cluster.clear_fault(), uninstall("1-31-0")),
        (Known(PROD, REJECTED), Known(NEW, None), Known(OLD, "1-30-3")),
        kinds=ALL_KINDS,
    ),
    State(
        "orphan tag that may fail",
        (let_the_tag_fail,),
        (Known(PROD, None), Known(OLD, "1-30-3"), Known(PLAIN, REJECTED, BROKEN)),
        kinds=ALL_KINDS,
    ),
    State(
        "deleted istiod", (delete_istiod("1-30-3"),), (Known(OLD, REJECTED),), kinds=frozenset({UNTOUCHED, REJECTED})
    ),
)

UNREVISIONED = (
    State(NON_REVISIONED, (install("1.30.3"),), (Known(ENABLED, "default"), Known(DEFAULT, "default"))),
    State(
        "never-match without a default tag",
        (untag("default"),),
        (Known(ENABLED, None), Known(DEFAULT, None)),
        kinds=frozenset({UNTOUCHED}),
    ),
    State(
        MIXED,
        (tag("default", "default"), install("1.31.0", "1-31-0"), tag("prod", "1-31-0")),
        (Known(ENABLED, "default"), Known(PROD, "1-31-0")),
    ),
    State(
        "default tag moved off the non-revisioned install, which injects namespaces by default",
        (tag("default", "1-31-0", "--auto-inject-namespaces"),),
        (Known(ENABLED, "1-31-0"), Known(PLAIN, "1-31-0")),
    ),
    State(
        "injector with its own policy and selectors",
        (configure(OWN_POLICY, variant="distroless"),),
        (Known(NEW, None), Known(NEW, "1-31-0", {"opt": "always"}), Known(NEW, "1-31-0", {INJECT: "true"})),
    ),
    State(
        "injector with a whole image name",
        (configure({"policy": "enabled"}, "registry.example/whole/proxyv2:8"),),
        (Known(NEW, "1-31-0"),),
    ),
    State(
        "non-revisioned 1.31.1 that injects namespaces by default",
        (install("1.31.1", None, "values.sidecarInjectorWebhook.enableNamespacesByDefault=true"),),
        (Known(PLAIN, "default"), Known(ENABLED, "default")),
    ),
)
