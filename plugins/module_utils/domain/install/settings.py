# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries the settings of a running revision over to a new one.

Source: the ConfigMap ``values-<revision>`` that every install since Istio 1.26 writes (key original-values).
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import HIDDEN, names_a_secret
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import IMAGE_TYPES
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installers_of_objects import HELM
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version

#: Values that name the old revision, or that the installer is given otherwise.
NOT_CARRIED = (
    ("revision",),
    ("defaultRevision",),
    ("tag",),
    ("pilot", "tag"),
    ("global", "tag"),
    ("global", "istioNamespace"),
)
#: The same, and what istioctl writes into the values by itself: to carry it over would pin it.
NOT_CARRIED_BY_ISTIOCTL = (
    *NOT_CARRIED,
    ("revisionTags",),
    ("profile",),
    ("pilot", "enabled"),
    ("global", "configValidation"),
)
#: Hubs of Istio's own releases: the new binary brings its own.
RELEASE_HUBS = frozenset({"docker.io/istio", "gcr.io/istio-release", "registry.istio.io/release", "istio"})


def without(values: Json, path: tuple[str, ...]) -> None:
    """Remove a nested key in place, and parents that become empty."""
    head, *rest = path
    if not rest:
        values.pop(head, None)
    elif isinstance(values.get(head), dict):
        without(values[head], tuple(rest))
        if not values[head]:
            del values[head]


def merge(base: Mapping[str, t.Any], over: Mapping[str, t.Any]) -> Json:
    """Return ``base`` with ``over`` laid on top; mappings are merged, everything else is replaced."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merge(result[key], value) if both else value
    return result


def carried_values(source: Revision, target: str) -> Json:
    """Return the values a user gave to a revision, as far as it remembers them, fit for the target revision."""
    values = copy.deepcopy(source.user_values)
    by_helm = source.manager.kind == HELM
    for path in NOT_CARRIED if by_helm else NOT_CARRIED_BY_ISTIOCTL:
        without(values, path)
    if target != source.name:
        # tags move when their workloads do
        without(values, ("revisionTags",))
    if (values.get("global") or {}).get("hub") in RELEASE_HUBS:
        without(values, ("global", "hub"))
    return values


def carried_tag(source: Revision, target: Version) -> str | None:
    """Return the image tag for the target that keeps the source's image variant, or None for the plain one.

    Raises:
        SafetyError: the source runs a tag of the user's own, so the target's cannot be guessed.
    """
    tag = source.config.tag if source.config else ""
    version = parse_version(tag) if tag else None
    if tag and (version is None or version.suffix not in ("", *IMAGE_TYPES)):
        raise SafetyError(
            f"Revision {source.name} runs the custom image tag {tag!r}, so the tag for {target} cannot be "
            "derived from it; "
            "give parameter tag."
        )
    return f"{target.release}-{version.suffix}" if version and version.suffix and not target.suffix else None


def flatten(values: t.Any, prefix: str = "") -> Iterator[tuple[str, t.Any]]:
    """Yield (dotted path, leaf) of nested mappings; lists are leaves."""
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from flatten(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, values


#: Values that differ between any two versions or revisions.
ALWAYS_DIFFERENT = frozenset({"global.tag", "tag", "revision", "defaultRevision", "global.hub", "hub"})


@dataclasses.dataclass(frozen=True)
class Wanted:
    """One revision as an installer is asked for it.

    ``crds`` is False where those of the cluster are newer and stay as they are (safety rule S10). ``components`` are
    those of an IstioOperator, beside the profile's.
    """

    revision: str
    version: Version
    namespace: str
    profile: str
    values: Json
    tag: str | None = None
    crds: bool = True
    components: Json = dataclasses.field(default_factory=dict)

    @property
    def image_tag(self) -> str:
        """The tag that its images have."""
        return self.tag or str(self.version)


@dataclasses.dataclass(frozen=True)
class SettingsDiff:
    """Dotted path -> (before, after) of what differs: settings that a user gave, and defaults of the profile."""

    user: Mapping[str, tuple[t.Any, t.Any]]
    defaults: Mapping[str, tuple[t.Any, t.Any]]

    def as_dict(self) -> Json:
        """Return the JSON-ready form that results carry."""
        return {name: {path: list(pair) for path, pair in vars(self)[name].items()} for name in ("user", "defaults")}

    def side(self, side: int) -> Json:
        """Return dotted path -> value before (0) or after (1)."""
        return {path: pair[side] for path, pair in {**self.defaults, **self.user}.items() if pair[side] is not None}

    def lines(self) -> list[str]:
        """Return one line for each setting that changes, those of the user first."""
        groups = (("setting of yours", self.user), ("default", self.defaults))
        return [f"{kind} {path}: {old!r} -> {new!r}" for kind, found in groups for path, (old, new) in found.items()]


def settings_diff(old: Json, new: Json, given: Json) -> SettingsDiff:
    """Compare the merged values of two versions; ``given`` is what a user set on the old one."""
    before, after = dict(flatten(old)), dict(flatten(new))
    paths = sorted({*before, *after} - ALWAYS_DIFFERENT)
    changed = {path: (before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)}
    # the charts copy what stands below pilot to the top
    changed = {path: pair for path, pair in changed.items() if changed.get(f"pilot.{path}") != pair}
    own = {path for path, dummy in flatten(given)}
    changed = {path: (HIDDEN, HIDDEN) if names_a_secret(path) else pair for path, pair in changed.items()}
    return SettingsDiff(
        {path: pair for path, pair in changed.items() if path in own},
        {path: pair for path, pair in changed.items() if path not in own},
    )


def operator_document(wanted: Wanted) -> Json:
    """Return the IstioOperator document that installs a revision.

    Gateways and CNI are left out by profile minimal (S12).
    """
    spec: Json = {"profile": wanted.profile, "values": wanted.values}
    if wanted.tag:
        spec["tag"] = wanted.tag
    if wanted.revision != "default":
        spec["revision"] = wanted.revision
    components = wanted.components if wanted.crds else {**wanted.components, "base": {"enabled": False}}
    if components:
        spec["components"] = components
    cni = (wanted.values.get("pilot") or {}).get("cni")
    if cni:
        # istioctl sets pilot.cni by whether it installs the CNI, but proxies need it wherever the mesh has one
        spec["unvalidatedValues"] = {"pilot": {"cni": cni}}
    return {
        "apiVersion": "install.istio.io/v1alpha1",
        "kind": "IstioOperator",
        "metadata": {"namespace": wanted.namespace},
        "spec": spec,
    }
