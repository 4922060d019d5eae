# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads VerticalPodAutoscalers, and whether they evict pods.

Source: kubernetes/autoscaler vertical-pod-autoscaler/pkg/apis/autoscaling.k8s.io/v1/types.go (modes, minReplicas), and
pkg/updater/main.go (min-replicas).
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, place_of
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_int, as_map, as_maps, as_text

#: Modes in which the updater evicts pods; without a mode it does too.
EVICTING = ("Auto", "Recreate", "InPlaceOrRecreate")
OFF = "Off"
#: Replicas below which the updater evicts nothing, unless the object has a number of its own.
FEWEST_REPLICAS = 2


@dataclasses.dataclass(frozen=True)
class VerticalAutoscaler:
    """A VerticalPodAutoscaler: its workload, its mode, and from how many replicas on it evicts pods."""

    ref: ObjectRef
    target: ObjectRef
    mode: str
    evicts: bool
    fewest: int = FEWEST_REPLICAS


def read_vertical_autoscaler(obj: Mapping[str, t.Any]) -> VerticalAutoscaler:
    """Return the facts of a raw VerticalPodAutoscaler."""
    namespace, name = place_of(obj)
    spec = as_map(obj.get("spec"))
    target, policy = as_map(spec.get("targetRef")), as_map(spec.get("updatePolicy"))
    mode = as_text(policy.get("updateMode")) or EVICTING[0]
    return VerticalAutoscaler(
        ref=ObjectRef(namespace, "VerticalPodAutoscaler", name),
        target=ObjectRef(namespace, as_text(target.get("kind")), as_text(target.get("name"))),
        mode=mode,
        evicts=mode in EVICTING and not _ignores_all_containers(spec),
        fewest=as_int(policy.get("minReplicas"), FEWEST_REPLICAS),
    )


def _ignores_all_containers(spec: Mapping[str, t.Any]) -> bool:
    """Whether its policies turn it off for each container; ``*`` is the policy of all containers without their own."""
    policies = list(as_maps(as_map(spec.get("resourcePolicy")).get("containerPolicies")))
    covers_all = any(policy.get("containerName") == "*" for policy in policies)
    return covers_all and all(policy.get("mode") == OFF for policy in policies)
