# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Argo Rollouts: custom resources whose fields have no types that the API server checks.

Their schema leaves the template, percentages and times open (argoproj/argo-rollouts manifests/crds/rollout-crd.yaml).
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import Reader, as_int, as_text, as_time
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import is_label, matches


def checked_rollout(obj: Mapping[str, t.Any], read: Reader) -> dict[str, t.Any]:
    """Return the facts of a raw Argo Rollout, in the types that the API server ensures for a Deployment."""
    spec, status = read.map("spec", obj.get("spec")), read.map("status", obj.get("status"))
    template = read.map("spec.template", spec.get("template"))
    meta = read.map("spec.template.metadata", template.get("metadata"))
    pods = read.map("spec.template.spec", template.get("spec"))
    strategy = read.map("spec.strategy", spec.get("strategy"))
    texts = {key: read.text(f"status.{key}", status.get(key)) for key in ("phase", "restartedAt", "message")}
    return {
        **obj,
        "spec": {
            "replicas": read.number("spec.replicas", spec.get("replicas")),
            "minReadySeconds": read.number("spec.minReadySeconds", spec.get("minReadySeconds")),
            "restartAt": read.text("spec.restartAt", spec.get("restartAt")),
            "selector": _selector(spec.get("selector"), read),
            "strategy": {key: _rolling(key, strategy.get(key), read) for key in ("canary", "blueGreen")},
            "template": {
                "metadata": {
                    "labels": _labels(meta.get("labels"), read),
                    "annotations": read.texts("spec.template.metadata.annotations", meta.get("annotations")),
                },
                "spec": {
                    "hostNetwork": pods.get("hostNetwork") is True,
                    **{
                        key: [
                            {part: as_text(container.get(part)) for part in ("name", "image")}
                            for container in read.maps(f"spec.template.spec.{key}", pods.get(key))
                        ]
                        for key in ("containers", "initContainers")
                    },
                },
            },
        },
        "status": {
            **texts,
            "observedGeneration": str(status.get("observedGeneration") or "")[:20],
            "conditions": read.maps("status.conditions", status.get("conditions")),
        },
    }


def _rolling(name: str, value: object, read: Reader) -> dict[str, t.Any]:
    """Return the limits of an Argo Rollout's strategy: numbers of pods, or percentages as texts."""
    limits = read.map(f"spec.strategy.{name}", value)
    valid = {}
    for key in ("maxUnavailable", "maxSurge"):
        limit = limits.get(key)
        if as_int(limit, -1) >= 0 or re.fullmatch("[0-9]{1,9}%?", as_text(limit)):
            valid[key] = limit
        elif limit is not None:
            read.refuse(f"spec.strategy.{name}.{key}", f"{limit!r} is neither a number of pods nor a percentage"[:120])
    return valid


def _selector(value: object, read: Reader) -> Mapping[str, t.Any]:
    selector = read.map("spec.selector", value)
    try:
        matches(selector, {})
        labels = selector.get("matchLabels") or {}
        if not isinstance(labels, Mapping):
            raise TypeError("its matchLabels are not a map")
        return {"matchLabels": labels, "matchExpressions": list(selector.get("matchExpressions") or ())}
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        read.refuse("spec.selector", f"it is not a valid label selector ({exc})"[:120])
        return {}


def _labels(value: object, read: Reader) -> dict[str, str]:
    """Return the valid labels of the template."""
    labels = read.texts("spec.template.metadata.labels", value)
    invalid = [key for key, label in labels.items() if not is_label(key, label)]
    for key in invalid:
        read.refuse(f"spec.template.metadata.labels.{key}", "it is not a valid label")
    return {key: label for key, label in labels.items() if key not in invalid}


def restarted(obj: Mapping[str, t.Any]) -> bool:
    """Return whether a raw Argo Rollout has completed its restart (argo-rollouts utils/rollout/rolloututil.go)."""
    requested, done = (
        (obj.get(part) or {}).get(name) for part, name in (("spec", "restartAt"), ("status", "restartedAt"))
    )
    if not requested or not done:
        return not requested
    return requested == done or (as_time(requested) is not None and as_time(requested) == as_time(done))
