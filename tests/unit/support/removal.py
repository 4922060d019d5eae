# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster in which everything has moved, and a user who removes the old revision from it."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import TAG_LABEL as TAG
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import TaskContext
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import run_of, task

MOVED = [*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.namespaces(shop=b.NEW)]
OF_OLD = {
    "MutatingWebhookConfiguration istio-sidecar-injector-1-30-3",
    "ConfigMap istio-system/istio-sidecar-injector-1-30-3",
    "ConfigMap istio-system/values-1-30-3",
    "Deployment istio-system/istiod-1-30-3",
    "Service istio-system/istiod-1-30-3",
}


class Remover:
    """A cluster with a fake istioctl that uninstalls as the real one does: by revision and component."""

    def __init__(self, api: FakeApi, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.commands: list[str] = []
        api.istioctl_does = self.does

    def does(self, arguments: list[str]) -> tuple[int, str, str]:
        """Carry out one command."""
        self.commands.append(arguments[0])
        revision = arguments[arguments.index("--revision") + 1]
        self.api.objects = [obj for obj in self.api.objects if not taken(obj, revision)]
        return 0, "", ""

    def run(self, *objects: b.Json, **options: t.Any) -> b.Json:
        """The result of a task that removes the old revision."""
        if objects:
            self.api.objects = list(objects)
        for version in (b.OLD_VERSION, b.NEW_VERSION):
            self.api.istioctl(self.folder, version)
        given: b.Json = {"istioctl": str(self.folder / "istioctl-{version}"), "timeout": 60}
        return task(self.api, CORE, **{"revision": b.OLD, "state": "absent", **given, **options})

    def run_of(self, installer: str) -> TaskContext:
        """A run as the core gets it."""
        return run_of(self.api, CORE, revision=b.OLD, state="absent", installer=installer)

    @property
    def names(self) -> set[str]:
        """The objects that belong to a revision."""
        return {obj["metadata"]["name"] for obj in self.api.objects if REV in obj["metadata"].get("labels", {})}


def taken(obj: b.Json, revision: str) -> bool:
    """Whether an uninstall takes an object along; a tag that ``tag set`` made has no component (domain 9)."""
    labels = obj["metadata"].get("labels", {})
    return labels.get(REV) == revision and TAG not in labels and obj["kind"] not in ("Namespace", "NetworkPolicy")
