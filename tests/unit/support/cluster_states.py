# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The states that a cluster can be in during and after an upgrade, and what each reader says of it."""

from __future__ import annotations

import dataclasses
import json
import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import RECORD_KEY
from unit.support import builders as b
from unit.support.locking import lease

PLANES = [*b.plane(b.OLD), *b.plane(b.NEW)]
#: All that a finished upgrade leaves.
MOVED = [*b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.namespaces(shop=b.NEW), *b.deployed(revision=b.NEW)]
GATEWAY = {"annotations": {"inject.istio.io/templates": "gateway"}}
OWN_LABEL = {"pod_labels": {"istio.io/rev": b.OLD, "sidecar.istio.io/inject": "true"}}
UNREADABLE = {"istio.io/rev": "", "sidecar.istio.io/status": "[" * 150_000}


BROKEN = b.deployed("bad")
BROKEN[-1]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]


def record(state: str, **over: str) -> b.Json:
    """Return the record of the last run."""
    last = {"strategy": "canary", "version": "1.31.0", "revision": b.NEW, "phase": "data_plane", "message": "no room"}
    run = {**last, "state": state, "started_by": "anna@desk", "updated": "then", "id": "r1", **over}
    return {"kind": "ConfigMap", "metadata": b.meta(STATE_NAME, b.SYSTEM), "data": {RECORD_KEY: json.dumps(run)}}


def with_variant(variant: str) -> list[b.Json]:
    """Return a finished upgrade whose images have a variant or are digests."""
    version = f"{b.NEW_VERSION}-{variant}"
    return [
        *b.plane(b.NEW, version),
        *b.revision_tag("default", b.NEW),
        *b.namespaces(shop=b.NEW),
        *b.deployed(revision=b.NEW, image=b.proxy(version)),
    ]


def managed(version: str) -> b.Json:
    """Return a pod of a gateway that istiod manages."""
    labels = {"gateway.istio.io/managed": "istio.io-gateway-controller", "istio.io/rev": b.OLD}
    return b.pod("gw-istio-1", "edge", image=b.proxy(version), labels=labels, owner=None)


@dataclasses.dataclass(frozen=True)
class State:
    """A state of a cluster, and what each reader returns for it.

    Attributes:
        objects: the objects of the API server; None for a cluster that cannot be reached.
        status: the state of the playbook status, and of the plan.
        reason: a part of the reason that status gives.
        verify: codes of the errors and warnings of verify.
        report: the state in the report after verify.
    """

    objects: list[b.Json] | None
    status: str
    reason: str
    verify: frozenset[str]
    report: str
    denied: str = ""
    #: More options of verify.
    options: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


def of(objects: list[b.Json] | None, status: str, reason: str, *verify: str, report: str, **more: t.Any) -> State:
    """Return a state."""
    return State(objects, status, reason, frozenset(verify), report, **more)


STATES = {
    "unreachable": of(None, "unreachable", "cannot be reached", report="unreachable"),
    "not begun": of(
        [*b.plane(b.OLD), *b.namespaces(shop=b.OLD), *b.deployed()],
        "not begun", "1.31.0 is not installed", "MU135", "MU122", "MU137", report="failed",
    ),
    "only the control plane is installed": of(
        [*PLANES, *b.namespaces(shop=b.OLD), *b.deployed()],
        "not begun", "0 of 1 proxies run 1.31.0", "MU135", "MU122", report="failed",
    ),
    "half moved": of(
        [*PLANES, *b.namespaces(shop=b.NEW, blog=b.OLD), *b.deployed(revision=b.NEW), *b.deployed("b", "blog")],
        "half done", "1 of 2 proxies run 1.31.0", "MU135", "MU122", report="failed",
    ),
    "moved, not restarted": of(
        [*PLANES, *b.namespaces(shop=b.NEW), *b.deployed()],
        "not begun", "0 of 1 proxies run 1.31.0", "MU020", report="failed",
    ),
    "labels put back after the restart": of(
        [*PLANES, *b.namespaces(shop=b.OLD), *b.deployed(revision=b.NEW)],
        "half done", "1 proxies are stale", "MU135", "MU024", report="failed",
    ),
    "a namespace without pods is left": of(
        [*PLANES, *b.namespaces(shop=b.NEW, empty=b.OLD), *b.deployed(revision=b.NEW)],
        "half done", "the labels of empty select", "MU135", report="failed",
    ),
    "a namespace without pods is left by the limits": of(
        [*PLANES, *b.namespaces(shop=b.NEW, empty=b.OLD), *b.deployed(revision=b.NEW)],
        "half done", "the labels of empty select", report="incomplete", options={"limits": {"exclude": ["empty"]}},
    ),
    "a namespace with pods is left by the limits": of(
        [*PLANES, *b.namespaces(shop=b.NEW, blog=b.OLD), *b.deployed(revision=b.NEW), *b.deployed("b", "blog")],
        "half done", "1 of 2 proxies run 1.31.0", report="incomplete", options={"limits": {"namespaces": ["shop"]}},
    ),
    "a namespace that had moved is left by the limits": of(
        [*MOVED, *b.plane(b.OLD), *b.namespaces(blog=b.NEW)[-1:], *b.deployed("b", "blog")],
        "half done", "1 of 2 proxies run 1.31.0", "MU024",
        report="incomplete", options={"limits": {"exclude": ["blog"]}},
    ),
    "what was broken before is left": of(
        [*MOVED, *b.plane(b.OLD), *BROKEN], "half done", "1 of 2 proxies run 1.31.0", "MU021",
        report="incomplete", options={"broken_workloads": "leave"},
    ),
    "what was broken before is left by mistake": of(
        [*MOVED, *b.plane(b.OLD), *BROKEN], "half done", "1 of 2 proxies run 1.31.0", "MU020", report="failed",
    ),
    "an injected gateway is left": of(
        [*MOVED, *b.plane(b.OLD), *b.namespaces(edge=None)[-1:], *b.deployed("gw", "edge", **GATEWAY, **OWN_LABEL)],
        "half done", "1 of 2 proxies run 1.31.0", "MU122", report="incomplete",
    ),
    "a gateway of the Gateway API is left": of(
        [*MOVED, *b.plane(b.OLD), *b.namespaces(edge=b.NEW)[-1:], managed(b.OLD_VERSION)],
        "half done", "1 of 2 proxies run 1.31.0", "MU122", report="incomplete",
    ),
    "the default tag is left": of(
        [*PLANES, *b.revision_tag("default", b.OLD), *b.namespaces(shop=b.NEW), *b.deployed(revision=b.NEW)],
        "done", "not finalized: the default leads to 1-30-3, 1-30-3 is still installed", report="verified",
    ),
    "the old revision is not removed": of(
        [*MOVED, *b.plane(b.OLD)], "done", "not finalized: 1-30-3 is still installed", report="verified"
    ),
    "pods that cannot be restarted are left": of(
        [*MOVED, *b.plane(b.OLD), b.pod("alone", owner=None)],
        "half done", "1 of 2 proxies run 1.31.0", "MU021", report="incomplete",
    ),
    "pinned pods are left": of(
        [*MOVED, b.pod("pinned", revision=b.NEW, image=b.proxy("1.30.3"), owner=None,
                       annotations={"sidecar.istio.io/proxyImage": b.proxy("1.30.3")})],
        "half done", "1 of 2 proxies run 1.31.0", "MU028", report="incomplete",
    ),
    "distroless": of(with_variant("distroless"), "done", "", report="verified"),
    "a build of a vendor": of(with_variant("solo-fips"), "done", "", report="verified"),
    "another mesh beside": of(
        [*MOVED, *b.in_mesh("istio-b", b.plane("b", "1.29.0")), *b.namespaces(teamb="b")[-1:],
         b.pod("b-1", "teamb", revision="b", image=b.proxy("1.29.0"), home="istio-b")],
        "done", "", report="verified",
    ),
    "rolled back": of(
        [*PLANES, *b.namespaces(shop=b.OLD), *b.deployed(), record("done", strategy="rollback", version="")],
        "not begun", "0 of 1 proxies run 1.31.0", "MU135", "MU122", report="failed",
    ),
    "rolled back after a failure": of(
        [*PLANES, *b.namespaces(shop=b.OLD), *b.deployed(), record("failed")],
        "failed", "no room", "MU135", "MU122", report="failed",
    ),
    "ended by a signal": of([*MOVED, record("stopped")], "interrupted", "ended in data_plane", report="verified"),
    "refused by the precheck": of(
        [*PLANES, *b.namespaces(shop="gone"), *b.deployed()],
        "not begun", "0 of 1 proxies run 1.31.0", "MU022", report="failed",
    ),
    "killed": of([*MOVED, record("running")], "interrupted", "ended in data_plane", report="verified"),
    "failed": of([*MOVED, record("failed")], "failed", "no room", report="verified"),
    "locked": of([*MOVED, lease()], "locked", "works on it", report="verified"),
    "up to date": of(MOVED, "done", "", report="verified"),
    "nothing in the mesh": of([*b.plane(b.NEW), *b.namespaces()], "done", "", report="verified"),
    "no control plane": of(b.namespaces(), "not begun", "1.31.0 is not installed", "MU137", report="failed"),
    "parts cannot be read": of(
        [*MOVED, b.pod("odd", revision=b.NEW, annotations=UNREADABLE, owner=None)],
        "half done", "1 proxies are stale", "MU021", report="incomplete",
    ),
    "pods may not be read": of(MOVED, "unreachable", "HTTP 403", report="failed", denied="/api/v1/pods"),
}  # fmt: skip
