# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A reading: control planes, proxies and tags of one cluster at one moment."""

from __future__ import annotations

import collections
import dataclasses
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.plugin_utils.report.bounded_values import (
    as_mapping,
    as_number,
    as_rows,
    as_text,
)

#: Columns of a row, each with an example of its type.
CONTROL_PLANE = {"revision": "", "version": ""}


class Revision(t.TypedDict):
    """A revision and its version, which is empty if no result returned it."""

    revision: str
    version: str


def revision_of(result: Mapping[str, t.Any], prefix: str = "") -> Revision:
    """Return the revision and version of a result, whose keys may have a prefix such as source_."""
    return {"revision": as_text(result.get(f"{prefix}revision")), "version": as_text(result.get(f"{prefix}version"))}


@dataclasses.dataclass
class Reading:
    """The control planes, proxies and tags of a cluster at one moment. None is the value of what was not read."""

    at: float
    #: Revision -> version, which is empty if the result did not return it.
    revisions: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Revision -> version -> number of proxies.
    proxies: dict[str, dict[str, int]] | None = None
    #: Tag -> revision.
    tags: dict[str, str] | None = None
    #: Revision of the default.
    default: str | None = None

    @classmethod
    def from_result(cls, at: float, result: Mapping[str, t.Any]) -> Reading:
        """Return the reading in a result of istio_info or istio_precheck."""
        reading = cls(at, dict.fromkeys(map(as_text, as_mapping(result.get("identities"))), ""))
        source = revision_of(result, "source_")
        if source["revision"]:
            reading.revisions[source["revision"]] = source["version"]
        planes = as_rows(result.get("control_planes"), CONTROL_PLANE)
        reading.revisions.update({plane["revision"]: plane["version"] for plane in planes})
        if "proxies" in result:
            reading.proxies = {
                as_text(revision): {as_text(version): as_number(number) for version, number in as_mapping(row).items()}
                for revision, row in as_mapping(result["proxies"]).items()
            }
        if "tags" in result:
            reading.tags = {as_text(tag): as_text(revision) for tag, revision in as_mapping(result["tags"]).items()}
            reading.default = as_text(as_mapping(result.get("default")).get("revision")) or None
        return reading

    def complete_from(self, previous: Reading) -> None:
        """Take from the previous reading, which later changes have updated, what this one did not read."""
        for revision in (name for name, version in self.revisions.items() if not version):
            self.revisions[revision] = previous.revisions.get(revision, "")
        if self.tags is None:
            self.tags, self.default = previous.tags, previous.default
        if self.proxies is None:
            self.proxies, self.at = previous.proxies, previous.at

    def copy(self) -> Reading:
        """Return a copy whose revisions and tags can be changed."""
        return dataclasses.replace(self, revisions=dict(self.revisions), tags=self.tags and dict(self.tags))

    def replace_revision(self, revision: Revision) -> None:
        """Add an installed revision, or remove it if it has no version: then it was uninstalled."""
        self.revisions.pop(revision["revision"], None)
        if revision["version"]:
            self.revisions[revision["revision"]] = revision["version"]

    def replace_tag(self, tag: str, revision: str) -> None:
        """Point a tag to a revision, or remove it if the revision is empty."""
        if self.tags is None:
            return
        self.tags.pop(tag, None)
        if revision:
            self.tags[tag] = revision
        if tag == "default":
            self.default = revision

    def proxies_by_version(self) -> dict[str, int] | None:
        """Return the number of proxies of each version, over all revisions."""
        if self.proxies is None:
            return None
        total: dict[str, int] = collections.Counter()
        for versions in self.proxies.values():
            for version, number in versions.items():
                total[version] += number
        return dict(sorted(total.items()))
