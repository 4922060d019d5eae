# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of kwok."""

from __future__ import annotations

import re
from typing import Any

import yaml

from lab import stages

Json = dict[str, Any]


def loaded() -> dict[str, Json]:
    return {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(stages.as_yaml())}


def predicates(spec: Json) -> list[str]:
    return [one["jq"]["key"] for one in spec["selector"]["matchExpressions"]]


def test_yaml_is_what_was_meant() -> None:
    assert list(yaml.safe_load_all(stages.as_yaml())) == stages.stages()
    assert len(loaded()) == len(stages.stages())


def test_pod_stages_leave_istiod_alone() -> None:
    for spec in loaded().values():
        if spec["resourceRef"]["kind"] == "Pod":
            assert any('.metadata.labels.app != "istiod"' in key for key in predicates(spec))


def test_one_stage_at_a_time() -> None:
    """Stages of running pods differ in the fault, the phase, or the readiness."""
    seen = set()
    for name, spec in loaded().items():
        if stages.STAYS in predicates(spec):
            for expression in spec["selector"]["matchExpressions"]:
                if expression["jq"]["key"] == stages.FAULT:
                    for fault in expression["jq"]["values"]:
                        phase = "Pending" if stages.PENDING in predicates(spec) else "Running"
                        assert (fault, phase) not in seen, name
                        seen.add((fault, phase))
    known = {"none", "never-ready", "slow-start", "crash-loop", "image-pull", "init-crash", "proxy-crash", "restarts"}
    assert {fault for fault, phase in seen} == known


def test_templates_are_balanced() -> None:
    for name, spec in loaded().items():
        for patch in spec["next"].get("patches", []):
            opened = re.findall(r"{{ (?:if|range|with)\b", patch["template"])
            assert len(opened) == patch["template"].count("{{ end }}"), name
            assert "{{{{" not in patch["template"]


def test_delays_come_from_annotations() -> None:
    delay = loaded()["pod-ready-at-last"]["delay"]
    assert delay["durationFrom"]["jq"]["expression"] == '.metadata.annotations["lab.meshops.dev/delay"]'
    assert loaded()["pod-completes"]["delay"]["durationMilliseconds"] == 1000
