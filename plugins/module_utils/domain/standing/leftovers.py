# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the proxies that do not run the target, and find the namespaces that select another version.

A module counts in its snapshot, and the state of a fleet is derived from the counts and rows that results have.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import counted_version
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import has_wanted_tag
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version

#: Revision -> version, or the tag of the image -> number of proxies.
ProxyCounts = Mapping[str, Mapping[str, int]]


class Left(t.TypedDict):
    """The proxies and namespaces that are not on the target version; None if there is no target to compare with."""

    left_proxies: int | None
    left_namespaces: list[str]


def is_target(image_tag: str, version: str, tag: str = "") -> bool:
    """Return whether an image tag is one of the target version, or the image tag of the target."""
    return has_wanted_tag(image_tag, version) or (bool(tag) and has_wanted_tag(image_tag, tag))


def count_proxies(proxies: ProxyCounts) -> int:
    """Return the number of proxies of all revisions and versions."""
    return sum(count for counts in proxies.values() for count in counts.values())


def count_left(snapshot: Snapshot, version: str, tag: str = "") -> int:
    """Return how many pods do not have the proxy of the target, or are stale.

    Args:
        tag: the image tag of the target, if it is not the version.
    """
    return sum(
        status.stale
        or (
            bool(pod.proxy_image)
            and snapshot.in_this_mesh(pod)
            and not is_target(counted_version(snapshot.mesh, pod, status), version, tag)
        )
        for pod, status in snapshot.proxy_statuses
    )


def count_left_proxies(proxies: ProxyCounts, version: str, tag: str = "") -> int:
    """Return how many proxies do not run the target; one whose version is unknown does not prove that it does."""
    reached = sum(
        count for counts in proxies.values() for text, count in counts.items() if is_target(text, version, tag)
    )
    return count_proxies(proxies) - reached


def find_left(snapshot: Snapshot, revision: str, version: str, tag: str = "") -> Left:
    """Return the proxies and namespaces that are not on the target.

    Args:
        revision: the target revision.
        version: the target version, empty if there is none to compare with.
        tag: the image tag of the target, if it is given; else the one of the revision counts.
    """
    if not version:
        return {"left_proxies": None, "left_namespaces": []}
    target = snapshot.mesh.revisions.get(revision)
    tag = tag or (target.config.tag if target and target.config else "")
    return {
        "left_proxies": count_left(snapshot, version, tag),
        "left_namespaces": select_left_namespaces(snapshot, version, tag),
    }


def select_left_namespaces(snapshot: Snapshot, version: str, tag: str = "") -> list[str]:
    """Return the namespaces whose labels select a revision of another version, also those that the limits left out."""
    planes = [{"revision": name, "version": plane.version} for name, plane in snapshot.mesh.revisions.items()]
    others = other_revisions(planes, version, tag)
    return sorted({name for revision in others for name in snapshot.namespaces_selecting(revision)})


def left_namespaces(
    rows: Iterable[Mapping[str, t.Any]], planes: Iterable[Mapping[str, t.Any]], version: str, tag: str = ""
) -> list[str]:
    """Return the namespaces whose labels select a revision of another version, with or without pods.

    Args:
        rows: the rows of namespaces of istio_info.
        planes: the rows of control planes of istio_info.
    """
    others = set(other_revisions(planes, version, tag))
    return [str(row["name"]) for row in rows if row.get("revision") in others]


def other_revisions(planes: Iterable[Mapping[str, t.Any]], version: str, tag: str = "") -> list[str]:
    """Return the installed revisions that are of another version; an unknown version proves nothing."""
    known = [plane for plane in planes if parse_version(str(plane["version"]))]
    return [str(plane["revision"]) for plane in known if not is_target(str(plane["version"]), version, tag)]
