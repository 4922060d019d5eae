# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Injectors, other webhooks and policies are matched with the creation of a pod by one function."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.actors import webhook_actors
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.webhook_rules import (
    match_namespace_update,
    match_pod_creation,
)

RULE: dict[str, t.Any] = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({}, True),
        ({"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"], "scope": "*"}, True),
        ({"resources": ["pods/*"]}, True),
        ({"resources": ["*/*"], "scope": "Namespaced"}, True),
        ({"resources": ["pods/ephemeralcontainers"]}, False),
        ({"resources": ["services"]}, False),
        ({"apiGroups": ["apps"]}, False),
        ({"apiVersions": ["v2"]}, False),
        ({"operations": ["UPDATE"]}, False),
        ({"scope": "Cluster"}, False),
    ],
)
def test_a_rule_matches_the_creation_of_a_pod(rule: dict[str, t.Any], matches: bool) -> None:
    rules = [{**RULE, "resources": ["nodes"]}, {**RULE, **rule}]
    assert match_pod_creation(rules) is matches
    configuration = {"webhooks": [{"name": "guard.example.com", "rules": rules}]}
    assert bool(webhook_actors(configuration, mutates=False)) is matches


def test_without_rules_nothing_matches() -> None:
    assert not match_pod_creation(None)
    assert not match_namespace_update(None)
