# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prose is plain English with the terms of Istio, Kubernetes and Ansible: a list of words that make a reader stop.

To keep such a word where it is right, name the file, the word and the reason in ALLOWED.
"""

from __future__ import annotations

import ast
import re
import subprocess
import typing as t
from pathlib import Path

import pytest

from unit.paths import ROOT

#: Pattern -> what to write instead.
WORDS: dict[str, str] = {
    r"nobody|no one": "name what does not do it: no istiod, no client, no user",
    r"somebody|someone|anybody|anyone|everybody|everyone": "name who it is: another client, the user, an operator",
    r"mend|mends|mended|mending": "fix",
    r"by the way": "as a side effect",
    r"told|tells?|telling": "state, show, report or return",
    r"said": "stated, reported or returned",
    r"theirs": "name the owner",
    r"(?<!there )is no(?! longer\b| more\b| such\b)": "is not a ...",
    r"(?:is|are) none of": "is not one of",
    r"as it were|so to speak": "leave it out",
    r"is one thing": "say what happens",
}
#: A sentence that begins like this and is no question has a clause for a subject.
HEADLESS = re.compile(r"(?:^[ *-]*|(?<=[.;:!] ))(?:What|Who|Whose|Whoever|Whatever) [^.?!]*\S?", re.MULTILINE)
#: Names of variables that do not say what they hold.
LOCALS = {"found", "one", "told", "said", "theirs", "what", "who", "mine", "ours"}
#: (file, word) -> why it is right there.
ALLOWED: dict[tuple[str, str], str] = {}

PATTERN = re.compile("|".join(rf"(?P<w{i}>\b(?:{word})\b)" for i, word in enumerate(WORDS)), re.IGNORECASE)
SUFFIXES = {".py", ".yml", ".md", ".j2", ".css", ".js", ".toml"}


def files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    return [
        ROOT / name
        for name in listed
        if Path(name).suffix in SUFFIXES
        and (ROOT / name).is_file()
        and not name.startswith(("tests/unit/fixtures/", "changelogs/"))
        and name != "tests/unit/test_plain_english.py"
    ]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(path: Path) -> t.Iterator[str]:
    """Yield the texts of a file that people read: all of it, but of Python only texts and comments."""
    source = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield source
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value
    yield from (match[1] for match in re.finditer(r"(?:^|\s)#:? (.*)$", source, re.MULTILINE))


def unclear_words(path: Path) -> t.Iterator[tuple[str, str]]:
    """Yield each word to replace, with the text around it."""
    for text in prose(path):
        for match in PATTERN.finditer(text):
            yield match[0].lower(), " ".join(text[max(0, match.start() - 40) : match.end() + 40].split())
        for match in HEADLESS.finditer(text):
            if not match[0].endswith("?"):
                yield match[0].strip(" *-").split()[0].lower(), " ".join(match[0][:80].split())


def unclear_locals(path: Path) -> t.Iterator[tuple[str, str]]:
    """Yield each variable or argument whose name does not say what it holds."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in LOCALS:
            yield node.id, f"line {node.lineno}"
        if isinstance(node, ast.arg) and node.arg in LOCALS:
            yield node.arg, f"line {node.lineno}"


def test_every_exception_is_needed() -> None:
    hits = {
        (name(path), hit[0])
        for path in files()
        for hit in (*unclear_words(path), *(unclear_locals(path) if path.suffix == ".py" else ()))
    }
    assert set(ALLOWED) - hits == set()


@pytest.mark.parametrize("path", files(), ids=name)
def test_prose_is_plain_english(path: Path) -> None:
    assert [hit for hit in unclear_words(path) if (name(path), hit[0]) not in ALLOWED] == []


@pytest.mark.parametrize(
    "path", [path for path in files() if path.suffix == ".py" and "/plugins/" in path.as_posix()], ids=name
)
def test_a_variable_says_what_it_holds(path: Path) -> None:
    assert [hit for hit in unclear_locals(path) if (name(path), hit[0]) not in ALLOWED] == []
