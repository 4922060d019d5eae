# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A credential plugin that gives scripted answers."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection, connection
from unit.support import builders as b

VERSION = "client.authentication.k8s.io/v1"
SHOP = "/api/v1/namespaces/shop"
SECRET = "s3cr3t-of-a-plugin"


class Plugin:
    """A credential plugin that gives what is next in a folder, and the kubeconfig that names it."""

    def __init__(self, folder: Path, server: str, script: str = "") -> None:
        self.folder, self.path = folder, folder / "config"
        self.calls = folder / "calls"
        script = script or 'n=$(wc -l < calls); cat "answer-$n" 2>/dev/null || cat answer-1'
        (folder / "plugin").write_text(f"#!/bin/sh\necho call >> calls\n{script}\n", encoding="utf-8")
        (folder / "plugin").chmod(0o700)
        self.exec: b.Json = {"apiVersion": VERSION, "command": str(folder / "plugin")}
        self.write(server)

    def write(self, server: str, **user: t.Any) -> None:
        """Write the kubeconfig."""
        document = {
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "users": [{"name": "u", "user": user or {"exec": self.exec}}],
        }
        self.path.write_text(json.dumps(document), encoding="utf-8")

    def gives(self, *answers: b.Json) -> t.Self:
        """Let the calls be answered in turn, the first answer after all."""
        for number, status in enumerate(answers, 1):
            body = {"apiVersion": VERSION, "kind": "ExecCredential", "status": status}
            (self.folder / f"answer-{number}").write_text(json.dumps(body), encoding="utf-8")
        return self

    @property
    def called(self) -> int:
        """How often it ran."""
        return len(self.calls.read_text(encoding="utf-8").split())

    def connection(self) -> Connection:
        """Where a task connects to."""
        return connection({"kubeconfig": str(self.path), "context": "c"})
