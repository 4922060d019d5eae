# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find settings of the webhooks of a tag that they lose when istioctl sets the tag.

``istioctl tag set`` renders these webhooks from the chart with the values of the chart's defaults, so a value of the
installation gets lost like an edit (istio/istio istioctl/pkg/tag/generate.go, generateMutatingWebhook).
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ref_of
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_maps, as_text
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.cluster_settings import (
    FILLED_IN,
    ClusterSetting,
    find_edits,
    without_revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.field_managers import manager_of_field
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.written_fields import fields_of_others
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installer_writes import known_writers

#: Fields of a webhook that have one value in every tag of istioctl, so that any other value is a setting.
CONSTANT = ("failurePolicy", "reinvocationPolicy", "timeoutSeconds", "matchConditions", "matchPolicy")
#: Those of them that istioctl renders, so that it writes them again into a tag that exists.
RENDERED = ("failurePolicy", "reinvocationPolicy")
#: The part of a webhook that a move of its tag changes.
MOVED = ".clientConfig"


def has_webhook_settings(live: Json) -> bool:
    """Return whether webhooks may have settings that istioctl does not render."""
    edited = any(path.startswith("webhooks") for path in fields_of_others(live, known_writers(live)))
    return edited or any(True for hook in as_maps(live.get("webhooks")) for dummy in _constants(hook))


def find_webhook_settings(live: Json, after: Json, former: str, target: str) -> Iterator[ClusterSetting]:
    """Yield the settings of webhooks that get lost, named by the object and the path of the field.

    Args:
        live: the object that injects the followers of the tag, with managedFields.
        after: the object of the tag, once it points at the target revision.
        former: the revision of the live object.
        target: the revision of the tag afterwards.
    """
    before, then = without_revision(live, former), without_revision(after, target)
    edits = {edit.name: edit for edit in find_edits(before, then) if MOVED not in edit.name}
    hooks = {as_text(hook.get("name")): hook for hook in as_maps(then.get("webhooks"))}
    for hook in as_maps(before.get("webhooks")):
        name = as_text(hook.get("name"))
        for field, value in _constants(hook) if name in hooks else ():
            path, new = f"webhooks.[{name}].{field}", hooks[name].get(field)
            if new != value and not any(edit.startswith(path) or path.startswith(edit) for edit in edits):
                writer = manager_of_field(live, ("webhooks", {"name": name}, field))
                edits[path] = ClusterSetting(path, value, new, str(writer) if writer else "")
    for path, setting in edits.items():
        yield ClusterSetting(f"{ref_of(live)} {path}", setting.old, setting.new, setting.writer)


def reset_settings(hooks: Iterable[Mapping[str, t.Any]]) -> Iterator[tuple[str, t.Any]]:
    """Yield the path and the value of each setting of a tag that istioctl resets, as far as the webhooks show it.

    An edit of a selector needs a comparison with what istioctl renders.
    """
    for hook in hooks:
        for field, value in _constants(hook, RENDERED):
            yield f"webhooks.[{as_text(hook.get('name'))}].{field}", value


def _constants(hook: Mapping[str, t.Any], fields: Iterable[str] = CONSTANT) -> Iterator[tuple[str, t.Any]]:
    """Yield the fields of a webhook whose value is not that of every tag of istioctl."""
    for field in fields:
        if (value := hook.get(field)) not in (None, [], FILLED_IN.get(field)):
            yield field, value
