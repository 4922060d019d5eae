# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws webhook configurations as people and platforms edit them."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any

from integration.resolver.cases import INJECT, INJECTION, REV

Json = dict[str, Any]
SUFFIX = "sidecar-injector.istio.io"
PARKED: Json = {"matchLabels": {"istio.io/deactivated": "never-match"}}
CONDITIONS = (
    "true",
    "false",
    "has(object.metadata.labels) && 'opt' in object.metadata.labels",
    "request.namespace.startsWith('drawn-0')",
)
#: Selectors that users write instead of those of Istio's charts.
SELECTORS: Sequence[Json] = (
    {},
    {"matchLabels": {"team": "a"}},
    {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]},
    {"matchExpressions": [{"key": "opt", "operator": "NotIn", "values": ["never"]}]},
    {"matchExpressions": [{"key": REV, "operator": "Exists"}]},
)
RULES: Sequence[Json] = (
    {"apiGroups": ["apps"], "resources": ["*"]},
    {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]},
    {"apiVersions": ["v1beta1"]},
    {"operations": ["UPDATE"]},
    {"operations": ["*"], "resources": ["pods/*"]},
    {"resources": ["pods/eviction"]},
    {"resources": ["*/*"]},
    {"scope": "Cluster"},
    {"scope": "Namespaced"},
)
UNLABELLED = [{"key": key, "operator": "DoesNotExist"} for key in (INJECTION, REV)]
UNDECIDED = [{"key": key, "operator": "DoesNotExist"} for key in (INJECT, REV)]


def drawn_hook(draw: random.Random, hook: Json, services: Sequence[str]) -> Json:
    """A webhook with some of its fields edited."""
    hook = copy.deepcopy(hook)
    hook["reinvocationPolicy"] = draw.choice(("Never", "IfNeeded"))
    if draw.random() < 0.2:
        hook["namespaceSelector"] = draw.choice(SELECTORS)
    if draw.random() < 0.15:
        hook["objectSelector"] = draw.choice(SELECTORS)
    if draw.random() < 0.1:
        hook["rules"] = [{**hook["rules"][0], **draw.choice(RULES)}]
    if draw.random() < 0.08:
        hook["matchConditions"] = [{"name": "own", "expression": draw.choice(CONDITIONS)}]
    if draw.random() < 0.1:
        hook["failurePolicy"] = "Ignore"
    if draw.random() < 0.06:
        hook["clientConfig"]["service"]["name"] = draw.choice(services)
    return hook


def drawn_webhooks(draw: random.Random, hooks: Sequence[Json], services: Sequence[str]) -> list[Json]:
    """The webhooks of one configuration: parked, or edited one by one, and some inject by default."""
    if draw.random() < 0.1:
        return [{**hook, "namespaceSelector": PARKED, "objectSelector": PARKED} for hook in hooks]
    drawn = [drawn_hook(draw, hook, services) for hook in hooks]
    if draw.random() < 0.2:
        selectors = {"namespaceSelector": {"matchExpressions": UNLABELLED}}
        selectors["objectSelector"] = {"matchExpressions": UNDECIDED}
        drawn.append({**copy.deepcopy(drawn[0]), "name": f"auto.{SUFFIX}", **selectors})
    return drawn


def drawn_configurations(draw: random.Random, originals: Sequence[Json], local: Sequence[str]) -> list[Json]:
    """All configurations of one draw: those of Istio edited, and copies of some of them under other names.

    ``local`` are the Services of this mesh that webhooks of this mesh may be led to, one of which does not exist.
    """
    picked = [draw.choice(originals) for dummy in range(draw.randrange(3))]
    copies = [(each, f"{'akz'[i]}-copy-of-{each['metadata']['name']}") for i, each in enumerate(picked)]
    drawn = []
    for original, name in [*((each, each["metadata"]["name"]) for each in originals), *copies]:
        labels = original["metadata"]["labels"]
        home = original["webhooks"][0]["clientConfig"]["service"]
        services = local if home["namespace"] == "istio-system" else [home["name"]]
        hooks = drawn_webhooks(draw, original["webhooks"], services)
        kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration"}
        drawn.append({**kind, "metadata": {"name": name, "labels": labels}, "webhooks": hooks})
    return drawn
