# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Executables that ask the fake API what to do; istioctl answers to its version by itself."""

from __future__ import annotations

import sys
from pathlib import Path

VERSION = """[ "$1" = version ] && echo '{{"clientVersion": {{"version": "{version}"}}}}' && exit 0"""
SCRIPT = """#!/bin/sh
{first}
exec {python} -IS -c '
import json, socket, sys
data = json.dumps(sys.argv[1:]).encode()
with socket.create_connection(("127.0.0.1", {port})) as peer:
    peer.sendall(b"POST /{key}/{tool} HTTP/1.0\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(data) + data)
    answer = json.loads(b"".join(iter(lambda: peer.recv(65536), b"")).partition(b"\\r\\n\\r\\n")[2])
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["code"])
' "$@"
"""


def write_istioctl(folder: Path, version: str, port: int, key: str) -> str:
    """Write an istioctl of a version for the cluster with a key; returns its path."""
    return _write(folder / f"istioctl-{version}", "istioctl", VERSION.format(version=version), port, key)


def write_helm(folder: Path, port: int, key: str) -> str:
    """Write a helm for the cluster with a key; returns its path."""
    return _write(folder / "helm", "helm", "", port, key)


def _write(path: Path, tool: str, first: str, port: int, key: str) -> str:
    path.write_text(SCRIPT.format(python=sys.executable, first=first, port=port, key=key, tool=tool))
    path.chmod(0o755)
    return str(path)
