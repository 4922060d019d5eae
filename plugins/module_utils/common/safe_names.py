# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that a cluster told us, in commands and paths: they never become anything else.

The API server checks the names of objects and labels. It checks neither annotations nor what Helm keeps in its Secrets.
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
    """Whether Helm would take a text as the name of a release."""
    return len(text) <= RELEASE_CHARACTERS and _RELEASE.fullmatch(text) is not None


def segment(name: str) -> str:
    """Return a name as one part of a path; one that would lead elsewhere leads to nothing."""
    quoted = urllib.parse.quote(name, safe=":")
    return quoted.replace(".", "%2E") if name in ("", ".", "..") else quoted


def require_path(path: str) -> None:
    """Refuse a path of the API that a name in it would lead elsewhere.

    Raises:
        ClusterError: it has more than plain names.
    """
    if not _PATH.fullmatch(path):
        raise ClusterError(f"Nothing was asked for under the path {path!r}: a name in it is no name of an object.")


def arguments(command: str, values: Iterable[str], flags: Iterable[str], error: type[InstallerError]) -> list[str]:
    """Return the arguments of a command: its own words, then values that may come from a cluster, then our flags.

    Raises:
        InstallerError: (as ``error``) a value would be taken for an option.
    """
    values = list(values)
    for value in values:
        if value.startswith("-") or not value.isprintable():
            raise error(f"{command} was not run: {value!r} would be an option of it, or is no text, instead of a name.")
    return [*command.split(), *values, *flags]
