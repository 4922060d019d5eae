# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write kubeconfig files as JSON, which is also YAML."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from .pki import KeyPair

Json = dict[str, Any]


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def certificate_user(user: KeyPair) -> Json:
    """Return a user with a client certificate."""
    return {"client-certificate-data": _data(user.certificate), "client-key-data": _data(user.key)}


def context(name: str, server: str, ca: Path, user: Json) -> Json:
    """Return a kubeconfig with one context, whose cluster and user have the same name."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": _data(ca)}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }


def merge(configs: list[Json]) -> Json:
    """Return one kubeconfig with all contexts and, on purpose, no current context."""
    lists = ("clusters", "users", "contexts")
    return {"apiVersion": "v1", "kind": "Config"} | {key: [config[key][0] for config in configs] for key in lists}


def write(path: Path, config: Json) -> Path:
    """Write a file that only this user can read."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(config, indent=1), encoding="utf-8")
    return path
