# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A fake helm that keeps its releases in the fake cluster."""

from __future__ import annotations

import copy
import json
import typing as t
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.domain.install.helm_releases import with_release_metadata
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

RELEASE, NOTES = "istiod-1-31-0", "meshops-istio-run"
LONG_AGO, LATER = "2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
READER: b.Json = {"kind": "ServiceAccount", "metadata": b.meta("istio-reader", b.SYSTEM)}


class Helm:
    """A cluster with a fake helm whose charts render what a test says; releases are kept as Helm keeps them."""

    def __init__(self, api: FakeApi, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.makes: dict[str, list[b.Json]] = {"base": [READER], "istiod": b.plane(b.NEW)}
        self.records: dict[str, list[b.Json]] = {}
        self.given: dict[str, b.Json] = {}
        self.log: list[str] = []
        self.creates: list[bool] = []
        api.helm_does = self.does
        for chart in ("base", "istiod"):
            (folder / chart).touch()

    def record(self, name: str, objects: list[b.Json], *, status: str = "deployed", updated: str = LONG_AGO) -> None:
        """Keep one more record of a release, as the storage does."""
        kept = self.records.setdefault(name, [])
        chart = "base-1.31.0" if name == "istio-base" else "istiod-1.31.0"
        row = {"name": name, "chart": chart, "revision": len(kept) + 1, "status": status, "updated": updated}
        kept.append({**row, "objects": [as_rendered(obj) for obj in objects]})
        secret = f"sh.helm.release.v1.{name}.v{len(kept)}"
        self.api.objects.append({"kind": "Secret", "metadata": b.meta(secret, b.SYSTEM)})

    def put(self, name: str, objects: list[b.Json]) -> None:
        """Put the objects of a release on the cluster."""
        places = {(obj["kind"], obj["metadata"]["name"]) for obj in objects}
        self.api.objects = [o for o in self.api.objects if (o["kind"], o["metadata"]["name"]) not in places]
        for obj in objects:
            made = with_release_metadata(obj, name, b.SYSTEM)
            made["metadata"]["resourceVersion"] = "7"
            self.api.objects.append(made)

    def does(self, arguments: list[str]) -> tuple[int, str, str]:
        """Carry out one command."""
        command, *rest = arguments
        if command == "version":
            return 0, "v4.2.4", ""
        if command == "show":
            return 0, "version: 1.31.0", ""
        self.sweep()
        if command == "list":
            last = [{**records[-1], "objects": None} for records in self.records.values() if records]
            return 0, json.dumps(last), ""
        if command == "history":
            return 0, json.dumps([{**row, "objects": None} for row in self.records[rest[0]]]), ""
        if command == "get":
            return 0, self.get(*rest), ""
        if command == "template":
            self.given[rest[0]] = json.loads(Path(arguments[arguments.index("--values") + 1]).read_text())
            return 0, documents([as_rendered(obj) for obj in self.makes[Path(rest[1]).name]]), ""
        self.log.append(f"{command} {rest[0]}")
        return self.upgrade(rest[0], arguments) if command == "upgrade" else self.uninstall(rest[0])

    def sweep(self) -> None:
        """Forget the records whose Secret is gone."""
        there = {secret["metadata"]["name"] for secret in b.of_kind(self.api.objects, "Secret")}
        for name, records in self.records.items():
            self.records[name] = [r for r in records if f"sh.helm.release.v1.{name}.v{r['revision']}" in there]

    def get(self, what: str, name: str, *flags: str) -> str:
        """Answer helm get."""
        if what == "values":
            return "null"
        if what == "metadata":
            return json.dumps({"applyMethod": "ssa"})
        asked = int(flags[1]) if flags[0] == "--revision" else self.records[name][-1]["revision"]
        return documents(next(row["objects"] for row in self.records[name] if row["revision"] == asked))

    def upgrade(self, name: str, arguments: list[str]) -> tuple[int, str, str]:
        """Answer helm upgrade: refuse a pending release as Helm does, else install."""
        assert "--force-conflicts" in arguments
        self.creates.append("--create-namespace" in arguments)
        if self.records.get(name) and self.records[name][-1]["status"].startswith("pending"):
            return 1, "", "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress"
        made = self.makes[Path(arguments[2]).name]
        for record in self.records.get(name, ()):
            record["status"] = "superseded"
        self.record(name, made)
        self.put(name, made)
        return 0, "", ""

    def uninstall(self, name: str) -> tuple[int, str, str]:
        """Answer helm uninstall: what the last record holds goes, whoever it leads to."""
        gone = {(obj["kind"], obj["metadata"]["name"]) for obj in self.records.pop(name)[-1]["objects"]}
        self.api.objects = [o for o in self.api.objects if (o["kind"], o["metadata"]["name"]) not in gone]
        return 0, "", ""

    def run(self, **options: t.Any) -> b.Json:
        """The result of a task."""
        given: b.Json = {"revision": b.NEW, "installer": "helm", "helm": self.api.helm(self.folder), "timeout": 1}
        if options.get("state") != "absent":
            given |= {"version": b.NEW_VERSION, "charts": str(self.folder)}
        return task(self.api, CORE, **{**given, **options})


def as_rendered(obj: b.Json) -> b.Json:
    """An object as a chart renders it."""
    found = copy.deepcopy(obj)
    found["metadata"].pop("uid", None)
    found["metadata"].pop("annotations", None)
    found.pop("status", None)
    return found


def documents(objects: list[b.Json]) -> str:
    """A manifest."""
    return "\n---\n".join(json.dumps(obj) for obj in objects)
