# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check admission: what the API server answered to dry runs, where more than Istio's webhooks acts on pods."""

from __future__ import annotations

import collections

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import cluster_object
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.images import is_rewritten
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import Basis
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    INFO,
    WARNING,
    Check,
    CheckResults,
    Upgrade,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot


def _find_refused_workloads(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for workload in sorted(snapshot.workloads.values(), key=lambda workload: workload.ref):
        answer = snapshot.answer_for(workload) if snapshot.answers else None
        if answer and answer.refusal and answer.refusal.lasting:
            yield workload.ref, f"Its new pods are refused by {answer.refusal.ended}"


def _find_rewritten_images(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    rewritten: dict[str, set[tuple[str, str]]] = collections.defaultdict(set)
    for key, answer in snapshot.answers.items():
        if answer.image and answer.prediction.image and is_rewritten(answer.image, answer.prediction.image):
            rewritten[key[0]].add((answer.prediction.image, answer.image))
    for namespace, pairs in sorted(rewritten.items()):
        before, after = min(pairs)
        more = f", and {len(pairs) - 1} more" if len(pairs) > 1 else ""
        yield cluster_object("namespace", namespace), f"Istio injects {before}, and pods get {after}{more}."


def _find_unjudged_namespaces(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    counts: collections.Counter[str] = collections.Counter()
    for pod, status in snapshot.proxy_statuses:
        counts[pod.namespace] += status.basis in (Basis.REFUSED, Basis.UNASKED)
    for namespace, count in sorted(counts.items()):
        if count:
            proxies = "1 proxy" if count == 1 else f"{count} proxies"
            yield cluster_object("namespace", namespace), f"{proxies} could only be judged by revision and version."


def _find_unprovable_target(snapshot: Snapshot, upgrade: Upgrade) -> CheckResults:
    for revision, doubt in snapshot.precheck_inputs.proof_doubts.items():
        yield cluster_object("revision", revision), f"It cannot be proven by a dry run here: {doubt}."


POD_REFUSED = Check(
    "MU100", ERROR, "new pods of a workload refused",
    "A restart would fail: its old pods stay, but no new one is created, also not after an eviction.",
    "change the pod template, or the policy that refuses it; allow it if the policy refuses only this user",
    _find_refused_workloads, WARNING, ("policies",),
)  # fmt: skip
CHECKS = (
    POD_REFUSED,
    Check("MU101", INFO, "proxy images rewritten by admission",
          "Proxies are compared with the images that the API server answers to a dry run, not with those of Istio.",
          "nothing, if a mirror, a digest or an image type is intended", _find_rewritten_images, INFO),
    Check("MU102", INFO, "proxies judged without a dry run",
          "Something beside Istio changes their images, and the API server refused to show a new pod.",
          "allow the user to create pods, or follow the remedy of the refusal (MU100)",
          _find_unjudged_namespaces, INFO),
    Check("MU103", WARNING, "no dry run can prove the target revision",
          "Namespaces are moved one after another until a pod template of one of them shows that it injects.",
          "admit the pod of the proof in one namespace without Istio's labels; without that, the run continues too",
          _find_unprovable_target, None, ("policies", "proof_doubts")),
)  # fmt: skip
