# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clusters whose control plane runs in another cluster: what Istio's own charts render for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import yaml

Json = dict[str, Any]
#: istioctl with these arguments prints manifests.
Istioctl = Callable[[list[str]], str]
KINDS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "Deployment", "Service", "EndpointSlice")
ADDRESS, HOST = "values.global.remotePilotAddress=192.0.2.10", "values.global.remotePilotAddress=istiod.example.com"
PATH = "values.istiodRemote.injectionPath=/inject/cluster/remote/net/one"
URL = "values.istiodRemote.injectionURL=https://istiod.example.com:15017/inject/cluster/remote/net/one"
#: Case -> revision (empty for none) and settings; each has profile=remote.
CASES: dict[str, tuple[str, tuple[str, ...]]] = {
    "address": ("1-31-0", (ADDRESS,)),
    "address without revision": ("", (ADDRESS,)),
    "host": ("1-31-0", (HOST,)),
    "external": ("1-31-0", (ADDRESS, PATH)),
    "external by URL": ("", (URL,)),
}


def rendered(istioctl: Istioctl, revision: str, *settings: str) -> list[Json]:
    """The objects of a remote cluster that matter here, as istioctl renders them."""
    options = [part for value in ("profile=remote", *settings) for part in ("--set", value)]
    options += ["--revision", revision] if revision else []
    manifests = istioctl(["manifest", "generate", *options])
    objects = [obj for obj in yaml.safe_load_all(manifests) if obj and obj["kind"] in KINDS]
    return sorted(objects, key=lambda obj: (obj["kind"], obj["metadata"]["name"]))


def all_cases(istioctl: Istioctl) -> list[str]:
    """All cases as lines: one object per line, with the name of its case."""
    rows = [
        {"case": case, "object": obj}
        for case, (revision, settings) in CASES.items()
        for obj in rendered(istioctl, revision, *settings)
    ]
    return [json.dumps(row, sort_keys=True) for row in rows]
