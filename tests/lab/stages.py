# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage objects, by which kwok acts as a kubelet.

They exclude istiod pods: these are real processes, and the lab's supervisor reports their state.
A pod's fault comes from annotations of its template:

    lab.meshops.dev/fault: never-ready | crash-loop | slow-start | image-pull | init-crash | proxy-crash | restarts
    lab.meshops.dev/delay: "5s"            time until slow-start gets ready and until restarts fails
    lab.meshops.dev/fault-proxy: "1.31.0"  only pods with a proxy of this version have the fault
    lab.meshops.dev/duration: "1h"         run time of a Job's pod
"""

from __future__ import annotations

from typing import Any

import yaml

from .stage_templates import (
    COMPLETED,
    CRASHED_RARELY,
    CRASHED_STATUS,
    FAULT,
    INIT_CRASHED_STATUS,
    LEAVES,
    NO_OLD_SIDECAR,
    NODE_CONDITIONS,
    NOT_READY,
    OF_A_JOB,
    PENDING,
    PROXY_CRASHED_STATUS,
    PULLING_STATUS,
    READY,
    READY_STATUS,
    RESTARTED_STATUS,
    RUNNING,
    RUNNING_STATUS,
    STARTED,
    STAYS,
    UNTOLD,
)

Json = dict[str, Any]


def _holds(predicate: str) -> Json:
    return {"jq": {"key": predicate, "operator": "In", "values": ["true"]}}


def _fault(*kinds: str) -> Json:
    return {"jq": {"key": FAULT, "operator": "In", "values": list(kinds)}}


def _status(template: str) -> Json:
    return {"patches": [{"subresource": "status", "root": "status", "template": template}]}


def _delay(milliseconds: int, annotation: str | None = None) -> Json:
    delay: Json = {"durationMilliseconds": milliseconds}
    if annotation is not None:
        delay["durationFrom"] = {"jq": {"expression": f'.metadata.annotations["lab.meshops.dev/{annotation}"]'}}
    return delay


def _stage(name: str, kind: str, conditions: list[Json], following: Json, delay: Json | None = None) -> Json:
    spec: Json = {
        "resourceRef": {"apiGroup": "v1", "kind": kind},
        "selector": {"matchExpressions": conditions},
        "next": following,
    }
    if delay is not None:
        spec["delay"] = delay
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": name}, "spec": spec}


def stages() -> list[Json]:
    """Return all stages; at most one of them matches a pod at any time."""
    stays = _holds(STAYS)
    return [
        _stage("node-ready", "Node", [_holds(NOT_READY)], _status(NODE_CONDITIONS)),
        _stage("pod-delete", "Pod", [_holds(LEAVES)], {"delete": True}),
        _stage(
            "pod-ready",
            "Pod",
            [stays, _holds(STARTED), _holds(NOT_READY), _fault("none")],
            _status(READY_STATUS),
        ),
        _stage(
            "pod-starts-without-becoming-ready",
            "Pod",
            [stays, _holds(PENDING), _fault("never-ready", "slow-start")],
            _status(RUNNING_STATUS),
        ),
        _stage(
            "pod-ready-at-last",
            "Pod",
            [stays, _holds(RUNNING), _holds(NOT_READY), _fault("slow-start")],
            _status(READY_STATUS),
            _delay(5000, "delay"),
        ),
        _stage("pod-crashes", "Pod", [stays, _holds(PENDING), _fault("crash-loop")], _status(CRASHED_STATUS)),
        _stage(
            "pod-crashes-again",
            "Pod",
            [stays, _holds(RUNNING), _holds(CRASHED_RARELY), _fault("crash-loop")],
            _status(CRASHED_STATUS),
            _delay(10000),
        ),
        _stage(
            "pod-image-pull",
            "Pod",
            [stays, _holds(PENDING), _holds(UNTOLD), _fault("image-pull")],
            _status(PULLING_STATUS),
        ),
        _stage(
            "pod-init-crashes",
            "Pod",
            [stays, _holds(PENDING), _holds(UNTOLD), _fault("init-crash")],
            _status(INIT_CRASHED_STATUS),
        ),
        _stage(
            "pod-proxy-crashes",
            "Pod",
            [stays, _holds(PENDING), _holds(UNTOLD), _fault("proxy-crash")],
            _status(PROXY_CRASHED_STATUS),
        ),
        _stage("pod-ready-for-a-while", "Pod", [stays, _holds(PENDING), _fault("restarts")], _status(READY_STATUS)),
        _stage(
            "pod-restarts",
            "Pod",
            [stays, _holds(RUNNING), _holds(READY), _fault("restarts")],
            _status(RESTARTED_STATUS),
            _delay(5000, "delay"),
        ),
        _stage(
            "pod-completes",
            "Pod",
            [stays, _holds(RUNNING), _holds(READY), _holds(OF_A_JOB), _holds(NO_OLD_SIDECAR)],
            _status(COMPLETED),
            _delay(1000, "duration"),
        ),
    ]


def as_yaml() -> str:
    """Return the configuration file of kwok."""
    return yaml.safe_dump_all(stages(), sort_keys=False)
