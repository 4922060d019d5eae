# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry the settings of a running revision over to a new one.

Source: the ConfigMap ``values-<revision>`` that every install since Istio 1.26 writes (key original-values).
"""

from __future__ import annotations

import copy
import dataclasses
import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import HIDDEN, names_a_secret
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import HELM
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version

#: Values that name the source revision, or that the installer receives in another way.
NOT_CARRIED = (
    ("revision",),
    ("defaultRevision",),
    ("tag",),
    ("pilot", "tag"),
    ("global", "tag"),
    ("global", "istioNamespace"),
)
#: The same, and the values that istioctl writes itself: carrying them over would pin them.
NOT_CARRIED_BY_ISTIOCTL = (
    *NOT_CARRIED,
    ("revisionTags",),
    ("pilot", "enabled"),
    ("global", "configValidation"),
)
#: Values by which profiles turn ambient mode and the image variant on. A profile of another name turns them off, and
#: new pods leave the mesh, so a change of one needs the consent of the user (istio/istio manifests/profiles).
PROFILE_SWITCHES = frozenset(
    {
        "profile",
        "global.variant",
        "ambient.enabled",
        "cni.ambient.enabled",
        "pilot.env.PILOT_ENABLE_AMBIENT",
        "meshConfig.defaultConfig.proxyMetadata.ISTIO_META_ENABLE_HBONE",
    }
)
#: Hubs of Istio's own releases: each istioctl has its own as the default.
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
    """Return ``base`` with ``over`` merged in; mappings are merged, other values are replaced."""
    result = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merge(result[key], value) if both else value
    return result


def carried_values(source: Revision, target: str) -> Json:
    """Return the values that a user gave to a revision, as far as it stores them, without those that name it.

    Some profiles of istioctl write their name into the values, as users of Helm do: without ``profile``, a mesh in
    ambient mode would lose it.
    """
    values = copy.deepcopy(source.user_values)
    by_helm = source.manager.kind == HELM
    for path in NOT_CARRIED if by_helm else NOT_CARRIED_BY_ISTIOCTL:
        without(values, path)
    if target != source.name:
        # Tags move together with their workloads.
        without(values, ("revisionTags",))
    if (values.get("global") or {}).get("hub") in RELEASE_HUBS:
        without(values, ("global", "hub"))
    return values


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
class InstallRequest:
    """The revision that an installer has to install.

    ``crds`` is False if the CRDs of the cluster are newer, so that they are kept (safety rule S10). ``components`` are
    those of an IstioOperator, in addition to those of the profile.
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
        """The tag of its images."""
        return self.tag or str(self.version)


class SettingsRow(t.TypedDict):
    """Changed settings in the results of a task: dotted path -> [before, after]."""

    user: dict[str, list[t.Any]]
    defaults: dict[str, list[t.Any]]
    cluster_only: dict[str, list[t.Any]]


def _as_lists(pairs: Mapping[str, tuple[t.Any, t.Any]]) -> dict[str, list[t.Any]]:
    return {path: list(pair) for path, pair in pairs.items()}


@dataclasses.dataclass(frozen=True)
class SettingsDiff:
    """Dotted path -> (before, after) of settings that differ: those that a user gave, and defaults of the profile.

    ``cluster_only`` are those that only objects of the cluster hold; their names may be an object and a field.
    """

    user: Mapping[str, tuple[t.Any, t.Any]]
    defaults: Mapping[str, tuple[t.Any, t.Any]]
    cluster_only: Mapping[str, tuple[t.Any, t.Any]] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> SettingsRow:
        """Return the JSON-ready form that results carry."""
        return {
            "user": _as_lists(self.user),
            "defaults": _as_lists(self.defaults),
            "cluster_only": _as_lists(self.cluster_only),
        }

    def side(self, side: int) -> Json:
        """Return dotted path -> value before (0) or after (1)."""
        pairs = {**self.defaults, **self.user, **self.cluster_only}
        return {path: pair[side] for path, pair in pairs.items() if pair[side] is not None}

    def lines(self) -> list[str]:
        """Return one line for each setting that changes, those of the user first."""
        groups = (
            ("user setting", self.user),
            ("setting on the cluster only", self.cluster_only),
            ("default", self.defaults),
        )
        return [f"{kind} {path}: {old!r} -> {new!r}" for kind, pairs in groups for path, (old, new) in pairs.items()]


def settings_diff(old: Json, new: Json, given: Json) -> SettingsDiff:
    """Compare the merged values of two versions; ``given`` holds the values that a user set on the old one."""
    before, after = dict(flatten(old)), dict(flatten(new))
    paths = sorted({*before, *after} - ALWAYS_DIFFERENT)
    changed = {path: (before.get(path), after.get(path)) for path in paths if before.get(path) != after.get(path)}
    # The charts copy the values below pilot to the top level.
    changed = {path: pair for path, pair in changed.items() if changed.get(f"pilot.{path}") != pair}
    user_paths = {path for path, dummy in flatten(given)}
    user_paths |= {path for path, pair in changed.items() if path in PROFILE_SWITCHES and pair[0]}
    changed = {path: (HIDDEN, HIDDEN) if names_a_secret(path) else pair for path, pair in changed.items()}
    return SettingsDiff(
        {path: pair for path, pair in changed.items() if path in user_paths},
        {path: pair for path, pair in changed.items() if path not in user_paths},
    )


def operator_document(request: InstallRequest) -> Json:
    """Return the IstioOperator document that installs a revision.

    Profile minimal leaves out gateways and CNI (S12).
    """
    spec: Json = {"profile": request.profile, "values": request.values}
    if request.tag:
        spec["tag"] = request.tag
    if request.revision != "default":
        spec["revision"] = request.revision
    components = request.components if request.crds else {**request.components, "base": {"enabled": False}}
    if components:
        spec["components"] = components
    cni = (request.values.get("pilot") or {}).get("cni")
    if cni:
        # istioctl sets pilot.cni only if it installs the CNI, but proxies need it wherever the mesh has one.
        spec["unvalidatedValues"] = {"pilot": {"cni": cni}}
    return {
        "apiVersion": "install.istio.io/v1alpha1",
        "kind": "IstioOperator",
        "metadata": {"namespace": request.namespace},
        "spec": spec,
    }
