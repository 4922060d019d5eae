# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubeconfig files of tests; each login is the secret that no output may contain."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from pathlib import Path

import yaml

SECRET = "s3cr3t-t0ken"


def kubeconfig(servers: Mapping[str, str], *, prefix: str = "") -> dict[str, t.Any]:
    """Return a kubeconfig with one context for each server. Contexts, clusters and users have different names."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(servers), ""),
        "clusters": [{"name": f"{name}.local", "cluster": {"server": server}} for name, server in servers.items()],
        "users": [{"name": f"{name}-admin", "user": {"token": SECRET}} for name in servers],
        "contexts": [
            {"name": f"{prefix}{name}", "context": {"cluster": f"{name}.local", "user": f"{name}-admin"}}
            for name in servers
        ],
    }


def write(path: Path, document: object) -> Path:
    """Write a document as YAML, and return the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path
