# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends pods as dry runs through the API server and istiod, and compares the resolver's answers with the real ones."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import read_pod
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import (
    PodShape,
    expected_image,
    resolve,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import evaluate_proxy
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh

from .cases import NATIVE, PROXY_IMAGE, Case, Labels

Json = dict[str, Any]
THREADS = 8
STATUS = "sidecar.istio.io/status"
INJECTED, UNTOUCHED, REJECTED = "injected", "untouched", "rejected"
GONE, SILENT = "the Service is gone", "no answer"
#: A changed webhook takes a moment to reach the API server, so a pod that disagrees is sent again after these pauses.
PAUSES = (0.2, 0.5, 1.0)


@dataclass(frozen=True)
class Answer:
    """The result for a pod; `rejected` is the kind of cause, `why` a sentence for the reader."""

    revision: str | None = None
    image: str = ""
    rejected: str = ""
    judged: str = "not_in_mesh"
    why: str = field(default="", compare=False)
    native: bool = False
    other_mesh: str = ""
    #: The resolver says that only the API server knows; then nothing is compared.
    must_ask: bool = field(default=False, compare=False)

    @property
    def kind(self) -> str:
        """One word for the outcome."""
        return REJECTED if self.rejected else INJECTED if self.revision or self.other_mesh else UNTOUCHED

    def __str__(self) -> str:
        if self.kind != INJECTED:
            return f"{self.kind}, judged {self.judged} ({self.why})"
        form = "native" if self.native else "ordinary"
        return f"{self.revision} {self.image} {form}, judged {self.judged} ({self.why})"


@dataclass(frozen=True)
class Tally:
    """The result of a comparison."""

    answers: tuple[Answer, ...]
    disagreements: tuple[str, ...]
    asked: int = 0

    @property
    def kinds(self) -> Counter[str]:
        """How often each outcome was seen."""
        return Counter(answer.kind for answer in self.answers)

    def __str__(self) -> str:
        revisions = Counter(answer.revision for answer in self.answers if answer.revision)
        injected = ", ".join(f"{count} by {name}" for name, count in sorted(revisions.items()))
        native = sum(answer.native for answer in self.answers)
        return (
            f"{len(self.answers)} pods: {self.kinds[INJECTED]} injected ({injected or 'none'}; {native} native), "
            f"{self.kinds[UNTOUCHED]} untouched, {self.kinds[REJECTED]} rejected; "
            f"{len(self.disagreements)} disagreements, {self.asked} not judged"
        )


def predict(mesh: Mesh, labels: Labels, case: Case, native: bool) -> Answer:
    """The result of the resolver; `native` is the form that istiod chooses when a pod does not ask for one."""
    injection = resolve(mesh, case.namespace, labels, PodShape(case.labels, case.annotations, case.host_network))
    if injection.must_ask:
        return Answer(why=injection.reason, must_ask=True)
    if injection.rejected:
        cause = GONE if "is gone" in injection.rejected else SILENT
        return Answer(rejected=cause, why=injection.rejected)
    if injection.revision is None:
        return Answer(why=injection.reason, other_mesh=injection.other_mesh)
    revision = mesh.revisions.get(injection.revision)
    config = revision.config if revision else None
    return Answer(
        injection.revision,
        expected_image(config, case.annotations) if config else "",
        judged="pinned" if PROXY_IMAGE in case.annotations else "current",
        why=injection.reason,
        native=not case.gateway and case.annotations.get(NATIVE, str(native).lower()) == "true",
    )


def ask(client: Client, mesh: Mesh, labels: Labels, case: Case) -> Answer:
    """The result of the API server and istiod, as the collection reads it."""
    path = f"/api/v1/namespaces/{case.namespace}/pods"
    try:
        raw = client.request("POST", path, body=case.body(), params={"dryRun": "All"})
    except ApiError as error:
        if "failed calling webhook" not in error.message:
            raise
        return Answer(rejected=GONE if " not found" in error.message else SILENT, why=error.message)
    pod = read_pod(raw)
    condition = evaluate_proxy(mesh, labels, pod).condition.value
    if STATUS not in (raw["metadata"].get("annotations") or {}):
        return Answer(judged=condition, why="no status annotation")
    if pod.home in mesh.other_mesh_namespaces:
        return Answer(judged=condition, other_mesh=pod.home)
    return Answer(pod.revision, pod.proxy_image, judged=condition, native=_is_native(raw))


def _is_native(raw: Json) -> bool:
    return any(container["name"] == "istio-proxy" for container in raw["spec"].get("initContainers") or ())


def compare(
    client: Client, mesh: Mesh, namespaces: Mapping[str, Labels], cases: Iterable[Case], *, native: bool = True
) -> Tally:
    """Send all pods, several at a time; the tally holds a paragraph for each disagreement."""

    def both(case: Case) -> tuple[Case, Answer, Answer]:
        labels = namespaces[case.namespace]
        ours = predict(mesh, labels, case, native)
        for pause in (*PAUSES, None):
            real = ask(client, mesh, labels, case)
            if pause is None or ours.must_ask or ours == real:
                break
            time.sleep(pause)
        return case, ours, real

    with ThreadPoolExecutor(THREADS) as pool:
        rows = list(pool.map(both, cases))
    wrong = [
        _paragraph(namespaces[case.namespace], case, ours, real)
        for case, ours, real in rows
        if not ours.must_ask and ours != real
    ]
    answers = tuple(real for dummy, dummy2, real in rows)
    return Tally(answers, tuple(wrong), sum(ours.must_ask for dummy, ours, dummy2 in rows))


def _paragraph(labels: Labels, case: Case, predicted: Answer, answer: Answer) -> str:
    extras = [name for name in ("host_network", "gateway") if getattr(case, name)]
    return (
        f"namespace {case.namespace} {dict(labels)}, pod labels {dict(case.labels)}, "
        f"annotations {dict(case.annotations)} {' '.join(extras)}\n"
        f"  resolver:   {predicted}\n  API server: {answer}"
    )
