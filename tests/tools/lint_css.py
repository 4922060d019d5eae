# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lint a style sheet: its syntax, repeated properties, !important, and custom properties that are unknown or unused."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import tinycss2

#: Line of the style sheet, and the problem.
Problem = tuple[int, str]


def rules(nodes: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield the content of each rule, also of those inside @media."""
    for node in nodes:
        if node.type == "at-rule" and node.content is not None:
            yield from rules(tinycss2.parse_rule_list(node.content, skip_comments=True, skip_whitespace=True))
        elif node.type == "qualified-rule":
            yield tinycss2.parse_blocks_contents(node.content, skip_comments=True, skip_whitespace=True)
        elif node.type == "error":
            yield [node]


def declarations(text: str) -> Iterator[list[Any]]:
    """Yield the declarations and errors of each rule of a style sheet."""
    return rules(tinycss2.parse_stylesheet(text, skip_comments=True, skip_whitespace=True))


def problems(text: str) -> list[Problem]:
    """Return the problems of a style sheet."""
    result: list[Problem] = []
    defined: dict[str, int] = {}
    used: dict[str, int] = {}
    for rule in declarations(text):
        names: set[str] = set()
        for node in rule:
            if node.type != "declaration":
                message = node.message if node.type == "error" else f"unexpected {node.type}"
                result.append((node.source_line, f"syntax error: {message}"))
                continue
            if node.name in names:
                result.append((node.source_line, f"property {node.name} is repeated in its rule"))
            if node.important:
                result.append((node.source_line, f"property {node.name} is !important"))
            names.add(node.name)
            if node.name.startswith("--"):
                defined.setdefault(node.name, node.source_line)
            for name in re.findall(r"var\((--[\w-]+)", tinycss2.serialize(node.value)):
                used.setdefault(name, node.source_line)
    result += [(line, f"custom property {name} is not defined") for name, line in used.items() if name not in defined]
    result += [(line, f"custom property {name} is not used") for name, line in defined.items() if name not in used]
    return sorted(result)


def main(arguments: list[str]) -> int:
    """Print the problems of some style sheets, and return 1 if there are any."""
    lines = [
        f"{path}:{line}: {message}" for path in arguments for line, message in problems(Path(path).read_text("utf-8"))
    ]
    print("\n".join(lines), end="\n" if lines else "", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
