# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ensures that names from a cluster remain names when they become parts of commands and paths.

The API server validates the names of objects and labels. It validates neither annotations nor the Secrets of Helm.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, InstallerError

#: Source: helm/helm pkg/chart/common/util/validate_name.go (before Helm 4: pkg/chartutil).
_RELEASE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
RELEASE_CHARACTERS = 53
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~!$&'()*+,;=:@%-]+)+")


def is_release_name(text: str) -> bool:
    """Return whether Helm accepts a text as the name of a release."""
    return len(text) <= RELEASE_CHARACTERS and _RELEASE.fullmatch(text) is not None


def segment(name: str) -> str:
    """Return a name quoted as one segment of a path; a name such as ``..`` gets a path that does not exist."""
    quoted = urllib.parse.quote(name, safe=":")
    return quoted.replace(".", "%2E") if name in ("", ".", "..") else quoted


def require_path(path: str) -> None:
    """Refuse an API path in which a name would change the target.

    Raises:
        ClusterError: a segment is not a plain name.
    """
    if not _PATH.fullmatch(path):
        raise ClusterError(f"No request was sent to the path {path!r}: a part of it is not a valid object name.")


def arguments(command: str, values: Iterable[str], flags: Iterable[str], error: type[InstallerError]) -> list[str]:
    """Return the arguments of a command: its subcommands, then values that may come from a cluster, then our flags.

    Raises:
        InstallerError: (as ``error``) the command would read a value as an option.
    """
    values = list(values)
    for value in values:
        if value.startswith("-") or not value.isprintable():
            raise error(f"{command} was not run: {value!r} is not a name, but an option or not printable.")
    return [*command.split(), *values, *flags]
