# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse a rendered manifest into API objects."""

from __future__ import annotations

import re
import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import InstallerError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.yaml_loader import load_yaml

_DOCUMENT = re.compile(r"^---\s*$", re.MULTILINE)
_CRD = re.compile(r"^kind: CustomResourceDefinition\s*$", re.MULTILINE)


def parse_manifest(text: str, *, with_crds: bool) -> list[Json]:
    """Return the objects of a rendered manifest.

    CRDs make up 95 % of the text, so they are parsed only with ``with_crds``.

    Raises:
        InstallerError: the text is not YAML, or a document in it is not an API object.
    """
    documents = (part for part in _DOCUMENT.split(text) if part.strip())
    selected = (part for part in documents if with_crds or not _CRD.search(part))
    try:
        return [_require_object(obj) for obj in map(load_yaml, selected) if obj]
    except ValueError as exc:
        raise InstallerError(f"A manifest cannot be read: {exc}.") from exc


def _require_object(obj: t.Any) -> Json:
    """Return a document as an object; Helm stores manifests in a Secret, which any user of the cluster may change."""
    metadata = obj.get("metadata") if isinstance(obj, dict) else None
    if not isinstance(metadata, dict) or not all(
        isinstance(text, str) for text in (obj.get("kind"), metadata.get("name"))
    ):
        raise ValueError("one of its documents is not an API object")
    if not isinstance(metadata.get("namespace", ""), str):
        raise ValueError(f"the namespace of {obj['kind']} {metadata['name']} is not a string")
    return t.cast("Json", obj)
