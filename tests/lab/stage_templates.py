# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Conditions and states of pods, in the form of kwok's Stage objects."""

from __future__ import annotations

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
# An ordinary (not native) sidecar never ends, so the pod of its Job does not end either.
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

# The first native sidecar, or else the first init container, does not start.
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

# The proxy does not start, as a native sidecar or as a container. A native sidecar also blocks the app.
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
