# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions, tags and images are compared in domain/versions only, so that no two places have another notion of them.

This walks over the code of all plugins, and looks for comparisons and searches of what holds a version, an image or its
tag, and for keys of them in a lookup.
"""

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

import pytest

from unit.paths import MODULE_UTILS

PLUGINS = MODULE_UTILS.parent
ROOM = "module_utils/domain/versions/"
#: Attributes, variables and keys that hold a version, an image or an image tag.
HELD = {
    "version",
    "versions",
    "istio_version",
    "installed_version",
    "installed_by",
    "target_version",
    "source_version",
    "crd_versions",
    "release",
    "suffix",
    "image",
    "proxy_image",
    "expected_image",
    "image_tag",
    "major",
    "minor",
    "patch",
}
#: Functions whose result holds one.
MAKERS = {"image_tag", "parse_version", "parse_image", "proxy_version", "counted_version"}
#: Functions that answer a question about one, so that their result holds none.
QUESTIONS = {"bool", "has_wanted_tag", "image_version", "is_full_image", "len", "same_build", "same_image"}
SEARCHES = {
    "endswith",
    "find",
    "fullmatch",
    "get",
    "match",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rpartition",
    "rsplit",
    "search",
    "split",
    "startswith",
}
#: Functions that do it for good reasons; file and function.
ALLOWED = {
    ("module_utils/client/credentials.py", "_status"): "the version of the API of a credential plugin",
    ("module_utils/client/helm.py", "applies_server_side"): "the major version of Helm",
    ("module_utils/client/helm.py", "charts"): "a chart must have exactly the version that is installed",
    ("module_utils/client/istioctl.py", "find_istioctl"): "istioctl must have exactly the version that is installed",
    (
        "module_utils/operations/control_plane/cluster_settings.py",
        "_compare",
    ): "texts are compared only if exactly the same version has written both",
    ("module_utils/operations/read/owner_chains.py", "_resource"): "the version of an API of Kubernetes",
    ("module_utils/domain/injection/pod.py", "_proxy"): "a placeholder and the last part of a name, not a version",
    (
        "module_utils/operations/control_plane/in_place_swap.py",
        "_incomplete_reason",
    ): "the image that the API server has stored",
    (
        "module_utils/operations/control_plane/in_place_swap.py",
        "_other_image",
    ): "the image that the API server has stored",
    ("module_utils/domain/mesh/parsing.py", "installer_version"): "the order of versions",
    ("module_utils/domain/snapshot/snapshot.py", "count_proxies"): "counts by version",
    (
        "module_utils/domain/precheck/checks/target.py",
        "_find_preserved_behavior",
    ): "a table by minor versions",
    (
        "module_utils/domain/precheck/checks/target.py",
        "_find_unsupported_compatibility",
    ): "a table by minor versions",
    ("module_utils/domain/precheck/checks/upgrade_notes.py", "changes_between"): "a table by minor versions",
    ("module_utils/domain/precheck/checks/upgrade_notes.py", "how_to_preserve"): "a table by minor versions",
    ("module_utils/domain/precheck/checks/upgrade_notes.py", "ignored_settings"): "a table by minor versions",
    ("module_utils/domain/precheck/checks/upgrade_notes.py", "is_decided"): "a table by minor versions",
}


def holds(node: ast.AST) -> bool:
    """Whether an expression is a version, an image or a tag."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name in HELD
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args):
            return name in MAKERS or (name not in QUESTIONS and any(map(holds, args)))
        case ast.BinOp(left=left, right=right):
            return holds(left) or holds(right)
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return any(map(holds, parts))
    return False


def compares(node: ast.AST) -> bool:
    match node:
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            # A check whether there is a version at all does not compare it with another one.
            empty = any(isinstance(side, ast.Constant) and side.value in (None, "") for side in sides)
            return not empty and any(map(holds, sides))
        case ast.Call(func=ast.Attribute(value=value, attr="get"), args=[key, *_]):
            return holds(key) and not isinstance(value, ast.Constant)
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=args):
            return name in SEARCHES and (holds(value) or any(map(holds, args)))
        case ast.Call(func=ast.Name(id="max" | "min" | "sorted"), args=args):
            return any(map(holds, args))
    return False


def found_in(source: str) -> t.Iterator[tuple[str, str]]:
    """Each function that compares, with the expression."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if compares(node):
                    yield function.name, ast.unparse(node)


def everywhere() -> t.Iterator[tuple[str, str, str]]:
    for path in sorted(PLUGINS.rglob("*.py")):
        place = path.relative_to(PLUGINS).as_posix()
        if not place.startswith(ROOM):
            for name, expression in found_in(path.read_text(encoding="utf-8")):
                yield place, name, expression


def test_versions_are_compared_in_one_room() -> None:
    assert [found for found in everywhere() if found[:2] not in ALLOWED] == []


def test_nothing_is_allowed_that_is_not_there() -> None:
    assert set(ALLOWED) - {found[:2] for found in everywhere()} == set()


def test_playbooks_compare_no_versions() -> None:
    root = PLUGINS.parent
    files: list[Path] = [path for folder in ("playbooks", "roles") for path in sorted((root / folder).rglob("*.yml"))]
    assert files
    compared = ("version(", "version ==", "version !=", "version |", "is version", "tag ==", "regex_escape")
    found = [
        f"{path.relative_to(root)}: {line.strip()}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if any(text in line for text in compared) and not line.lstrip().startswith("#")
    ]
    # Names of revisions and arguments are made of the version there.
    named = ("istio_revision", "fleet_status(", "regex_escape) ~ '@'")
    assert [line for line in found if not any(text in line for text in named)] == []


@pytest.mark.parametrize(
    "expression",
    [
        "plane.version == version",
        "proxy.partition('-')[0] == version",
        "without_image_type(pod.proxy_image) != without_image_type(image)",
        "versions.get(target_version, 0)",
        "plane['version'] in installed",
        "image.endswith('-distroless')",
        "running.release != upgrade.version.release",
        "(version.major, version.minor) >= SINCE",
        "parse_version(plane.version) != version",
        "image_tag(pod.proxy_image) == tag",
        "newest > upgrade.version",
        "max(versions)",
    ],
)
def test_it_sees_what_it_is_for(expression: str) -> None:
    assert list(found_in(f"def decide():\n    return {expression}\n"))


@pytest.mark.parametrize(
    "expression",
    ["version is None", "version.matches(wanted)", "has_wanted_tag(plane.version, tag)", "params.get('x')"],
)
def test_it_leaves_questions_alone(expression: str) -> None:
    assert not list(found_in(f"def decide():\n    return {expression}\n"))
