# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compute exactly what an installation would change, by comparing rendered objects with the live ones.

The recipe: render as the installer does, add what only the installer adds, let the API server compute each result by a
server-side dry-run apply under the installer's field manager, and compare.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Callable, Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ApiError, NotFoundError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.kinds import RESOURCES, object_path
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json, ObjectRef, name_of, ref_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import (
    ObjectChange,
    comparable,
    field_differences,
    leaf_values,
)

#: The status and the words of the API server for a change of a field that cannot be changed.
INVALID, IMMUTABLE = 422, "field is immutable"
#: Takes a rendered object and the live one, and returns the rendered object as the installer would apply it.
AdaptObject = Callable[[Json, Json], Json]


@dataclasses.dataclass(frozen=True)
class Installation:
    """The changes that an installer would make in a cluster, and the function that makes them.

    ``default_after`` is the revision that the tag default points at afterwards. ``run_installer`` takes the timeout in
    seconds.
    """

    rendered: list[Json]
    changes: list[ObjectChange]
    default_after: str | None
    manager: str
    adapt: AdaptObject
    run_installer: Callable[[int], None]


def find_changes(
    client: Client,
    rendered: Iterable[Json],
    adapt: AdaptObject,
    manager: str,
    former: Mapping[ObjectRef, Json] | None = None,
) -> list[ObjectChange]:
    """Return what applying the rendered objects would create or update; queries the API server, writes nothing.

    ``former`` holds the objects of the previous manifest, for an installer that removes the fields that it no longer
    renders.
    """
    previous = former or {}
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        changes = pool.map(lambda obj: find_change(client, obj, adapt, manager, previous.get(ref_of(obj))), rendered)
        return sorted(filter(None, changes), key=lambda c: (c.kind, c.namespace, c.name))


def find_change(
    client: Client, rendered: Json, adapt: AdaptObject, manager: str, former: Json | None = None
) -> ObjectChange | None:
    """Return what applying one rendered object would change, or None."""
    kind, name = rendered["kind"], name_of(rendered)
    path = object_path(kind, rendered["metadata"].get("namespace", ""), name)
    namespace = rendered["metadata"].get("namespace", "") if RESOURCES[kind].namespaced else ""
    doing = f"Comparing {kind} {name}"
    try:
        live = client.get(path, doing=doing)
    except NotFoundError:
        return ObjectChange(kind, namespace, name, "create")
    adapted = adapt(rendered, live)
    result = comparable(_dry_run(client, path, adapted, manager, doing))
    fields = field_differences(comparable(live), result)
    if former is not None:
        # A client-side merge removes these fields whoever owns them; a server-side apply has removed them already.
        dropped = set(leaf_values(former)) - set(leaf_values(adapted))
        fields |= {path: (value, None) for path, value in leaf_values(result).items() if path in dropped}
    return ObjectChange(kind, namespace, name, "update", fields, live, result) if fields else None


def _dry_run(client: Client, path: str, obj: Json, manager: str, doing: str) -> Json:
    """Return the object as the installer would leave it.

    Raises:
        SafetyError: a field cannot be changed, such as the selector of a Deployment.
    """
    try:
        return client.apply(path, obj, manager=manager, doing=doing)
    except ApiError as exc:
        if exc.status != INVALID or IMMUTABLE not in exc.message:
            raise
        raise SafetyError(
            f"{ref_of(obj)} on cluster {client.connection.label} cannot be updated, because a field that cannot be "
            "changed would change, such as the selector of its pods. It was installed with settings that no Helm value "
            "holds, often labels in components of an IstioOperator: give these components in parameter components "
            f"(variable istio_components of the playbooks). The API server says: {exc.message}"
        ) from exc
