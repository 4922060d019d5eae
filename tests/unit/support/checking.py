# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shared by the tests of checks: a healthy cluster, and the findings of the checks in one."""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Finding, Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.support import builders as b

UPGRADE = Upgrade("canary", Version(1, 31, 0), b.NEW, b.OLD)
IN_PLACE = Upgrade("in_place", Version(1, 31, 0), b.OLD, b.OLD)
DEFAULT = b.revision_tag("default", b.OLD)
PLANE = [*b.plane(b.OLD), *b.namespaces(shop=b.OLD)]
HEALTHY = [*PLANE, *DEFAULT, *b.deployed()]
CRD = "virtualservices.networking.istio.io"


def hungry() -> list[b.Json]:
    """A healthy cluster whose istiod has the resource requests of Istio's chart."""
    istiod = b.istiod(replicas=2)
    requests = {"requests": {"cpu": "500m", "memory": "2048Mi"}}
    istiod["spec"]["template"]["spec"]["containers"][0]["resources"] = requests
    return [istiod, *HEALTHY[1:]]


HUNGRY = hungry()


def fired(objects: list[b.Json], upgrade: Upgrade = UPGRADE, **over: t.Any) -> dict[str, str]:
    """Code to object of all findings."""
    return {found.code: found.object for found in run_checks(b.snapshot_of(objects, **over), upgrade)}


def of(code: str, objects: list[b.Json], upgrade: Upgrade = UPGRADE, **over: t.Any) -> list[Finding]:
    """The findings of one check."""
    return [found for found in run_checks(b.snapshot_of(objects, **over), upgrade) if found.code == code]
