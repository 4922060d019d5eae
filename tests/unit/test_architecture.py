# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The documents for contributors name only rooms, files and targets that exist."""

from __future__ import annotations

import re

import pytest

from unit.paths import MODULE_UTILS, PLUGINS, ROOT

DOCUMENTS = ["docs/architecture.md", "CONTRIBUTING.md"]
#: Where the first part of a path may be.
ROOTS = (ROOT, PLUGINS, MODULE_UTILS)


def quoted(document: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", (ROOT / document).read_text(encoding="utf-8")))


def exists(path: str) -> bool:
    return any((root / path).exists() or (root / f"{path}.py").exists() for root in ROOTS)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_exist(document: str) -> None:
    paths = {text for text in quoted(document) if re.fullmatch(r"[a-z_]+(/[a-z_<>.-]+)+/?", text) and "<" not in text}
    assert paths
    assert [path for path in sorted(paths) if not exists(path)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(document: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {match[1] for text in quoted(document) if (match := re.match(r"make ([a-z-]+)", text))}
    assert [target for target in sorted(targets) if f"\n{target}:" not in makefile] == []


def test_every_room_is_in_the_map() -> None:
    table = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for layer in ("domain", "operations"):
        rooms = {path.name for path in (MODULE_UTILS / layer).iterdir() if path.is_dir() and path.name != "__pycache__"}
        assert [room for room in sorted(rooms) if f"`{room}`" not in table and f"`{room}/" not in table] == []
