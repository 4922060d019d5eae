# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argo Rollouts: custom resources, whose fields have no type that anybody checks.

Their schema leaves the template, percentages and times open (argoproj/argo-rollouts manifests/crds/rollout-crd.yaml).
"""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.foreign import Reader, as_int, as_text, as_time
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import is_label, matches


def checked_rollout(obj: Mapping[str, t.Any], read: Reader) -> dict[str, t.Any]:
    """Return what counts of a raw Argo Rollout, in the types that the API server sees to at a Deployment."""
    spec, status = read.map("spec", obj.get("spec")), read.map("status", obj.get("status"))
    template = read.map("spec.template", spec.get("template"))
    meta = read.map("spec.template.metadata", template.get("metadata"))
    pods = read.map("spec.template.spec", template.get("spec"))
    strategy = read.map("spec.strategy", spec.get("strategy"))
    told = {key: read.text(f"status.{key}", status.get(key)) for key in ("phase", "restartedAt", "message")}
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
                            {part: as_text(one.get(part)) for part in ("name", "image")}
                            for one in read.maps(f"spec.template.spec.{key}", pods.get(key))
                        ]
                        for key in ("containers", "initContainers")
                    },
                },
            },
        },
        "status": {
            **told,
            "observedGeneration": str(status.get("observedGeneration") or "")[:20],
            "conditions": read.maps("status.conditions", status.get("conditions")),
        },
    }


def _rolling(name: str, given: object, read: Reader) -> dict[str, t.Any]:
    """Return the limits of an Argo Rollout's strategy: numbers of pods, or percentages as texts."""
    limits = read.map(f"spec.strategy.{name}", given)
    found = {}
    for key in ("maxUnavailable", "maxSurge"):
        value = limits.get(key)
        if as_int(value, -1) >= 0 or re.fullmatch("[0-9]{1,9}%?", as_text(value)):
            found[key] = value
        elif value is not None:
            read.refuse(f"spec.strategy.{name}.{key}", f"{value!r} is neither a number of pods nor a percentage"[:120])
    return found


def _selector(given: object, read: Reader) -> Mapping[str, t.Any]:
    found = read.map("spec.selector", given)
    try:
        matches(found, {})
        labels = found.get("matchLabels") or {}
        if not isinstance(labels, Mapping):
            raise TypeError("its matchLabels are no map")
        return {"matchLabels": labels, "matchExpressions": list(found.get("matchExpressions") or ())}
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        read.refuse("spec.selector", f"it is no label selector ({exc})"[:120])
        return {}


def _labels(given: object, read: Reader) -> dict[str, str]:
    """Return the labels that a pod can have."""
    found = read.texts("spec.template.metadata.labels", given)
    wrong = [key for key, value in found.items() if not is_label(key, value)]
    for key in wrong:
        read.refuse(f"spec.template.metadata.labels.{key}", "it is no label")
    return {key: value for key, value in found.items() if key not in wrong}


def restarted(obj: Mapping[str, t.Any]) -> bool:
    """Return whether a raw Argo Rollout has no restart before it (argo-rollouts utils/rollout/rolloututil.go)."""
    asked, done = ((obj.get(part) or {}).get(name) for part, name in (("spec", "restartAt"), ("status", "restartedAt")))
    if not asked or not done:
        return not asked
    return asked == done or (as_time(asked) is not None and as_time(asked) == as_time(done))
