# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kwok does in a kubelet's place, as its Stage objects.

istiod pods are left out: they are real processes, and the lab's supervisor reports their state.
A pod's fault comes from annotations of its template:

    lab.meshops.dev/fault: never-ready | crash-loop | slow-start | image-pull | init-crash | proxy-crash | restarts
    lab.meshops.dev/delay: "5s"            how long slow-start takes, and restarts stays ready
    lab.meshops.dev/fault-proxy: "1.31.0"  the fault holds only for pods with a proxy of this version
    lab.meshops.dev/duration: "1h"         how long a Job's pod runs
"""

from __future__ import annotations

from typing import Any

import yaml

Json = dict[str, Any]

ORDINARY = '.metadata.labels.app != "istiod"'
STAYS = f"{ORDINARY} and .metadata.deletionTimestamp == null"
LEAVES = f"{ORDINARY} and .metadata.deletionTimestamp != null"
READY = 'any(.status.conditions[]?; .type == "Ready" and .status == "True")'
NOT_READY = f"({READY}) | not"
PENDING = '.status.phase == "Pending"'
RUNNING = '.status.phase == "Running"'
STARTED = f"({PENDING}) or ({RUNNING})"
UNTOLD = "(.status.containerStatuses == null) and (.status.initContainerStatuses == null)"
OF_A_JOB = 'any(.metadata.ownerReferences[]?; .kind == "Job")'
# An ordinary (not native) sidecar never ends, and so neither does its Job's pod.
NO_OLD_SIDECAR = 'all(.spec.containers[]; .name != "istio-proxy")'
CRASHED_RARELY = "(.status.containerStatuses[0].restartCount // 0) < 5"
FAULT = """
  (.metadata.annotations // {}) as $notes
  | ([(.spec.initContainers // [])[], .spec.containers[]]
     | map(select(.name == "istio-proxy") | .image | split(":") | last) | first // "") as $proxy
  | if ($notes["lab.meshops.dev/fault-proxy"] // $proxy) == $proxy
    then $notes["lab.meshops.dev/fault"] // "none" else "none" end
"""

NODE_CONDITIONS = """
conditions:
{{ range NodeConditions }}
- {type: {{ .type }}, status: {{ .status | Quote }}, reason: {{ .reason }}, message: {{ .message | Quote }},
   lastHeartbeatTime: {{ Now | Quote }}, lastTransitionTime: {{ Now | Quote }}}
{{ end }}
"""

CONDITIONS = """
conditions:
- {{type: PodReadyToStartContainers, status: "True", lastTransitionTime: {{{{ Now | Quote }}}}}}
- {{type: Initialized, status: "True", lastTransitionTime: {{{{ Now | Quote }}}}}}
- {{type: ContainersReady, status: "{ready}"{why}, lastTransitionTime: {{{{ Now | Quote }}}}}}
- {{type: Ready, status: "{ready}"{why}, lastTransitionTime: {{{{ Now | Quote }}}}}}
"""

PLACE = """
phase: Running
startTime: {{ or .status.startTime Now | Quote }}
{{ with NodeIPWith .spec.nodeName }}
hostIP: {{ . | Quote }}
hostIPs: [{ip: {{ . | Quote }}}]
{{ end }}
{{ if not .status.podIP }}
{{ with PodIPWith .spec.nodeName (or .spec.hostNetwork false) .metadata.uid .metadata.name .metadata.namespace }}
podIP: {{ . | Quote }}
podIPs: [{ip: {{ . | Quote }}}]
{{ end }}
{{ end }}
"""

INIT_CONTAINERS = """
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: true
  restartCount: 0
  {{ if eq .restartPolicy "Always" }}
  started: true
  state: {running: {startedAt: {{ Now | Quote }}}}
  {{ else }}
  started: false
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}}
  {{ end }}
{{ end }}
"""

CONTAINERS = """
containerStatuses:
{{{{ range .spec.containers }}}}
- name: {{{{ .name }}}}
  image: {{{{ .image | Quote }}}}
  imageID: ""
  ready: {ready}
  restartCount: 0
  started: true
  state: {{running: {{startedAt: {{{{ Now | Quote }}}}}}}}
{{{{ end }}}}
"""

CRASHED = """
containerStatuses:
{{ $before := .status.containerStatuses }}
{{ range $index, $container := .spec.containers }}
{{ $count := 1 }}
{{ if $before }}{{ $count = add1 (index $before $index).restartCount }}{{ end }}
- name: {{ $container.name }}
  image: {{ $container.image | Quote }}
  imageID: ""
  ready: false
  restartCount: {{ $count }}
  started: false
  state: {waiting: {reason: CrashLoopBackOff, message: back-off restarting failed container}}
  lastState:
    terminated: {exitCode: 1, reason: Error, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}
{{ end }}
"""

PULLING = """
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  restartCount: 0
  started: false
  state: {waiting: {reason: ImagePullBackOff, message: back-off pulling image}}
{{ end }}
"""

# The first native sidecar, or else the first init container, does not get up.
INIT_CRASHED = """
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  restartCount: 1
  started: false
  state: {waiting: {reason: CrashLoopBackOff, message: back-off restarting failed container}}
{{ end }}
"""

# The proxy does not get up, as a native sidecar or beside the app, which in the first case is not begun.
PROXY_CRASHED = """
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  imageID: ""
  started: false
  {{ if eq .name "istio-proxy" }}
  ready: false
  restartCount: 1
  state: {waiting: {reason: CrashLoopBackOff, message: back-off restarting failed container}}
  {{ else }}
  ready: true
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}}
  {{ end }}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  started: false
  {{ if eq .name "istio-proxy" }}
  restartCount: 1
  state: {waiting: {reason: CrashLoopBackOff, message: back-off restarting failed container}}
  {{ else }}
  restartCount: 0
  state: {waiting: {reason: PodInitializing}}
  {{ end }}
{{ end }}
"""

RESTARTED = """
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  restartCount: 1
  started: true
  state: {running: {startedAt: {{ Now | Quote }}}}
{{ end }}
"""

COMPLETED = """
phase: Succeeded
conditions:
- {type: ContainersReady, status: "False", reason: PodCompleted, lastTransitionTime: {{ Now | Quote }}}
- {type: Ready, status: "False", reason: PodCompleted, lastTransitionTime: {{ Now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: false
  restartCount: 0
  started: false
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  imageID: ""
  ready: {{ ne .restartPolicy "Always" }}
  restartCount: 0
  started: false
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ Now | Quote }}, finishedAt: {{ Now | Quote }}}}
{{ end }}
"""

UNREADY = CONDITIONS.format(ready="False", why=", reason: ContainersNotReady")
READY_STATUS = CONDITIONS.format(ready="True", why="") + PLACE + INIT_CONTAINERS + CONTAINERS.format(ready="true")
RUNNING_STATUS = UNREADY + PLACE + INIT_CONTAINERS + CONTAINERS.format(ready="false")
PULLING_STATUS = UNREADY + PULLING
INIT_CRASHED_STATUS = UNREADY + INIT_CRASHED
PROXY_CRASHED_STATUS = UNREADY + PROXY_CRASHED
RESTARTED_STATUS = UNREADY + PLACE + INIT_CONTAINERS + RESTARTED
CRASHED_STATUS = UNREADY + PLACE + INIT_CONTAINERS + CRASHED


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
    """All stages; at most one of them fits a pod at any time."""
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
    """The configuration file that kwok reads."""
    return yaml.safe_dump_all(stages(), sort_keys=False)
