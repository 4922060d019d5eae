# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find settings that only the texts in the ConfigMaps of a revision hold.

The ConfigMap of the mesh and that of the injector are texts, so the API server records who wrote the whole text, not
each setting. A setting that has its value from the stored Helm values does not count: it is carried over, or it is a
default that differs between two versions. Istio's own templates differ between two versions too, so an edit of one is
found by a comparison with what the installer of the running version renders.
"""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, name_of
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map, as_text
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.cluster_settings import TEXTS, ClusterSetting
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.field_differences import (
    differences,
    value_at,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import ALWAYS_DIFFERENT
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.written_fields import fields_of_others
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installer_writes import known_writers

#: Settings of the injector that have a Helm value of another name.
RENAMED = {"sidecarInjectorWebhook.policy": "global.proxy.autoInject"}
TEMPLATES = "sidecarInjectorWebhook.templates."
#: Template -> its text, as the installer of the running version renders it; None if that cannot be rendered here.
Templates: t.TypeAlias = "Mapping[str, t.Any] | None"
#: A marker that breaks injection if istiod and its templates are of different versions.
NO_SETTING = frozenset({"sidecarInjectorWebhook.template"})


def find_text_settings(
    live: Json,
    after: Json,
    values: Mapping[str, t.Any],
    load: Callable[[str], t.Any],
    *,
    rendered_templates: Callable[[], Templates] | None,
) -> Iterator[ClusterSetting]:
    """Yield the settings in the texts of a ConfigMap that another client wrote and that get lost or changed.

    Args:
        live: the ConfigMap as it is, with managedFields.
        after: the ConfigMap that takes its place, with the same names.
        values: the merged Helm values of the running revision.
        load: parses YAML.
        rendered_templates: returns Istio's own templates of the running version, None if both are of one version.
    """
    written = fields_of_others(live, known_writers(live))
    before, then = as_map(live.get("data")), as_map(after.get("data"))
    for key, prefix in TEXTS.items():
        writer = written.get(f"data.{key}")
        if writer is None:
            continue
        try:
            old, new = load(as_text(before.get(key))) or {}, load(as_text(then.get(key))) or {}
        except ValueError:
            # MU039 reports a text that cannot be read; what is in it cannot be compared.
            yield ClusterSetting(f"ConfigMap {live['metadata']['name']} data.{key}", before.get(key), None, writer)
            continue
        for setting in _differing(old, new, prefix, values, writer):
            if not _is_own_template(setting, rendered_templates):
                yield setting


def _is_own_template(setting: ClusterSetting, rendered: Callable[[], Templates] | None) -> bool:
    """Return whether a setting is one of Istio's own templates, unedited, so that only the version changes it."""
    if rendered is None or not setting.name.startswith(TEMPLATES):
        return False
    name, templates = setting.name.removeprefix(TEMPLATES), rendered()
    return templates is not None and name in templates and bool(templates[name] == setting.old)


def read_templates(objects: Iterable[Json], injector: str, load: Callable[[str], t.Any]) -> Templates:
    """Return the templates in the rendered ConfigMap of an injector, None if it is not among the objects.

    Raises:
        ValueError: its text is not YAML.
    """
    for obj in objects:
        if obj.get("kind") == "ConfigMap" and name_of(obj) == injector:
            return as_map(as_map(load(as_text(as_map(obj.get("data")).get("config")))).get("templates"))
    return None


def _differing(
    old: t.Any, new: t.Any, prefix: str, values: Mapping[str, t.Any], writer: str
) -> Iterator[ClusterSetting]:
    for path, before, after in differences(old, new):
        place = f"{prefix}.{path}" if prefix else path
        name = RENAMED.get(place, place)
        if name in NO_SETTING or name in ALWAYS_DIFFERENT or before == (stored := value_at(values, name)):
            continue
        if before is not None or stored is not None:
            # A setting that no value holds and that is absent now is a new default.
            yield ClusterSetting(name, before, after, writer)
