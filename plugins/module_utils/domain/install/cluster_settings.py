# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find settings that exist on the cluster only, and that an installation would not have: edits of another client.

Nothing but the objects of the running revision holds them: an administrator edited its ConfigMaps, its Deployment or
its webhooks. The API server recorded who wrote each field. Settings in the texts of ConfigMaps are in `config_texts`,
those that an IstioOperator's components made in `component_settings`.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import json
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import HIDDEN, names_a_secret
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.field_differences import differences
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import shorten_value
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import flatten
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.written_fields import (
    fields_of_others,
    writer_of_path,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.installer_writes import known_writers
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import DEFAULT

#: Fields of webhooks that the API server fills in if an object does not have them.
FILLED_IN = {
    "failurePolicy": "Fail",
    "matchPolicy": "Equivalent",
    "namespaceSelector": {},
    "objectSelector": {},
    "reinvocationPolicy": "Never",
    "timeoutSeconds": 10,
}
#: Keys of ConfigMaps that `config_texts` compares -> the Helm value that holds the same.
TEXTS = {"mesh": "meshConfig", "meshNetworks": "global.meshNetworks", "config": "sidecarInjectorWebhook", "values": ""}
NO_SETTINGS = frozenset({"apiVersion", "kind", "metadata", "status"})
#: Metadata does not count as settings, except annotations that other controllers act on.
ANNOTATED = {
    "Deployment": ("metadata.annotations.", "spec.template.metadata."),
    "Service": ("metadata.annotations.",),
    "ServiceAccount": ("metadata.annotations.",),
}
#: Annotations by which clients keep notes, not settings.
NOTES = re.compile(
    r"annotations\.(kubectl\.kubernetes\.io/|deployment\.kubernetes\.io/|meta\.helm\.sh/|argocd\.argoproj\.io/"
    r"|field\.cattle\.io/|meshops\.)"
)


@dataclasses.dataclass(frozen=True)
class ClusterSetting:
    """A setting that only the cluster holds, and its value afterwards (None: absent).

    ``name`` is the path of a Helm value where one sets the same, else the object and the path of the field.
    ``writer`` is the client that wrote it, empty if the installer did (components of an IstioOperator).
    """

    name: str
    old: t.Any
    new: t.Any
    writer: str = ""

    @property
    def pair(self) -> tuple[t.Any, t.Any]:
        """The value before and after, long texts shortened; both are hidden if the name is that of a secret."""
        return (HIDDEN, HIDDEN) if names_a_secret(self.name) else (shorten_value(self.old), shorten_value(self.new))

    def __str__(self) -> str:
        old, new = (_shown(value) for value in self.pair)
        return f"{self.name}: {old} -> {new} (written by {self.writer or 'the installer, from components'})"


def _shown(value: t.Any, limit: int = 80) -> str:
    text = "absent" if value is None else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= limit else f"{text[:limit]}..."


def without_revision(obj: Json, revision: str) -> Json:
    """Return an object as if it had no revision in names and labels, to compare the objects of two revisions."""
    if revision == DEFAULT:
        return obj
    text = json.dumps(obj)
    text = re.sub(rf"-{re.escape(revision)}(?![A-Za-z0-9])", "", text)
    return t.cast("Json", json.loads(text.replace(f'"{revision}"', f'"{DEFAULT}"')))


def find_edits(live: Json, after: Json) -> Iterator[ClusterSetting]:
    """Yield the fields of an object that another client wrote and that get lost or changed; their names are paths.

    Args:
        live: the object as it is, with managedFields.
        after: the object that takes its place, with the same names.
    """
    written = fields_of_others(live, known_writers(live))
    if not written:
        return
    for path, old, new in differences(_settings(live), _settings(after)):
        writer = writer_of_path(path, written)
        if writer and old is not None and not NOTES.search(path) and not _is_no_edit(live, path, old, new):
            yield ClusterSetting(path, old, new, writer)


def _is_no_edit(live: Json, path: str, old: object, new: object) -> bool:
    """Return whether a field gets the same value again, or another one in any installation."""
    if path.startswith("webhooks."):
        return _is_written_again(str(live.get("kind")), path.rpartition(".")[2], old, new)
    return _only_version(path, old, new)


def _is_written_again(kind: str, field: str, old: object, new: object) -> bool:
    """Return whether istiod or the API server writes a field of a webhook again, whichever client wrote it last.

    istiod fills in its certificate, and changes failurePolicy of its validator from Ignore to Fail once it is ready.
    """
    by_istiod = field == "caBundle" or (
        field == "failurePolicy" and kind == "ValidatingWebhookConfiguration" and (old, new) == ("Fail", "Ignore")
    )
    return by_istiod or (new is None and field in FILLED_IN and FILLED_IN[field] == old)


def _only_version(path: str, old: object, new: object) -> bool:
    """Return whether only the tag of an image changes, as in any upgrade; another client may have put it back."""
    if not path.endswith(".image") or not isinstance(old, str) or not isinstance(new, str):
        return False
    return old.rpartition(":")[0] == new.rpartition(":")[0]


def _settings(obj: Json) -> Json:
    """Return the parts of an object that are settings; the texts of ConfigMaps are compared by what is in them."""
    kind, metadata = str(obj.get("kind")), obj.get("metadata") or {}
    parts = {key: value for key, value in obj.items() if key not in NO_SETTINGS}
    if "data" in parts:
        parts["data"] = {key: value for key, value in (parts["data"] or {}).items() if key not in TEXTS}
    if kind in ANNOTATED:
        parts["metadata"] = {"annotations": metadata.get("annotations") or {}}
    return parts


def without_given(settings: Iterable[ClusterSetting], *given: Mapping[str, t.Any]) -> list[ClusterSetting]:
    """Return the settings that get a value which the user does not give in values or components of this run."""
    leaves = dict(pair for part in given for pair in flatten(part))
    values = [*leaves.values()]

    def is_given(setting: ClusterSetting) -> bool:
        if " " not in setting.name:
            name = f"{setting.name}."
            return any(f"{path}.".startswith(name) or name.startswith(f"{path}.") for path in leaves)
        # Values and components have other paths than the fields that they render.
        return setting.new is not None and all(leaf in values for dummy, leaf in flatten(setting.new))

    return [setting for setting in settings if not is_given(setting)]


#: Remedies for settings that an installation would lose, and for those that a move of a tag would reset.
GIVE_THEM = (
    "Set them in values or components (variables istio_values and istio_components of the playbooks), or name them in "
    "allow_setting_changes to accept that."
)
SET_THEM_AGAIN = (
    "istioctl sets a tag without them: name them in allow_setting_changes (variable istio_allow_setting_changes of the "
    "playbooks) to accept that, and set them again afterwards."
)


def require_accepted(settings: Iterable[ClusterSetting], allowed: Iterable[str], remedy: str = GIVE_THEM) -> None:
    """Refuse to lose settings that only the cluster holds, unless they are accepted by name.

    Args:
        allowed: option ``allow_setting_changes``: names of settings, objects or paths in them, or patterns.
        remedy: the sentence that says what to do about the others.

    Raises:
        SafetyError: it lists the settings.
    """
    patterns = [*allowed]
    lost = [setting for setting in settings if not is_accepted(setting, patterns)]
    if lost:
        listed = "; ".join(map(str, lost[:5])) + (f"; and {len(lost) - 5} more" if len(lost) > 5 else "")
        raise SafetyError(
            f"Settings that exist on the cluster only would get lost: {listed}. {remedy}",
            {"settings": {"cluster_only": {setting.name: list(setting.pair) for setting in lost}}},
        )


def is_accepted(setting: ClusterSetting, patterns: Iterable[str]) -> bool:
    """Return whether a name, the object of a field, its path alone, or a pattern of one of them accepts a setting."""
    parts = setting.name.split(" ")
    names = [setting.name, " ".join(parts[:2]), parts[-1]]
    return any(fnmatch.fnmatchcase(name, pattern.replace("[", "[[]")) for name in names for pattern in patterns)
