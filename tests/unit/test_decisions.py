# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No decision hangs on a sentence: who rewords one must not change what is done to a cluster.

This looks for comparisons and searches of what is written for people, such as a reason, a message or the name of an
object as results have it, and of texts that are composed for a comparison.
"""

from __future__ import annotations

import ast
import typing as t

import pytest

from unit.paths import MODULE_UTILS

ROOT = MODULE_UTILS
#: Attributes, variables and keys that hold what is written for people.
WRITTEN = {"reason", "message", "title", "remedy", "sentence", "object", "place", "msg", "detail", "evidence"}
SEARCHES = {
    "startswith",
    "endswith",
    "removeprefix",
    "removesuffix",
    "partition",
    "rpartition",
    "find",
    "search",
    "match",
}
#: Functions that do it for good reasons, each with its reason; file and function.
ALLOWED = {
    ("client/helm.py", "charts"): "a place of charts is what the user gives, a folder or a URL",
    ("common/secrets.py", "_login"): "a place is a part of a URL there",
    (
        "domain/precheck/istioctl_findings.py",
        "_same_webhook",
    ): "istioctl has one code for two problems, distinguished by its text only",
    ("domain/precheck/istioctl_findings.py", "_same_permission"): "istioctl has the resource in its text only",
    ("domain/precheck/istioctl_findings.py", "_pods_in"): "istioctl has the pods in its text only",
    ("domain/workloads/pod_status.py", "_own"): "the reason of a container is a word of the API of Kubernetes",
    (
        "domain/workloads/pod_status.py",
        "pod_unready",
    ): "the scheduler has the resource in its text only (noderesources/fit.go)",
    (
        "operations/changes/namespace_patches.py",
        "send",
    ): "the reason of this refusal is in its text only",
    ("domain/mesh/parsing.py", "read_mesh"): "a place is a tuple there",
    (
        "domain/workloads/rollout_status.py",
        "rollout_failure",
    ): "the reason of a condition is a word of the API of Kubernetes",
    (
        "operations/read/readiness.py",
        "wait_until_ready",
    ): "reports a reason again only if it has changed; None means ready",
    (
        "domain/removal/planned_removal.py",
        "blockers_after_plan",
    ): "names of objects that the plan of earlier steps gives",
    ("domain/install/component_settings.py", "_comparable"): "the prefix of an annotation is not a sentence",
    ("domain/install/image_tags.py", "carried_tag"): "the tag of an image is not a sentence",
    ("domain/mesh/parsing.py", "is_gone"): "a place is a tuple there",
    ("domain/precheck/istioctl_findings.py", "_is_about_other_mesh"): "istioctl has the object in its text only",
    ("domain/versions/istio_version.py", "parse_version"): "a version is not a sentence",
    (
        "operations/control_plane/manifest_diff.py",
        "_dry_run",
    ): "the API server names an immutable field in its text only",
    (
        "operations/restart/rollout_checks.py",
        "failure_of",
    ): "the reason of a condition is a word of the API of Kubernetes",
}


def written(node: ast.AST) -> bool:
    """Whether an expression is a text for people, or composes a text."""
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Subscript(slice=ast.Constant(value=str() as name)):
            return name in WRITTEN
        case ast.JoinedStr():
            return True
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name()]):
            return True
    return False


def hangs_on_text(node: ast.AST) -> bool:
    match node:
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            # Whether there is a text at all does not depend on its words.
            empty = any(isinstance(one, ast.Constant) and one.value in (None, "") for one in sides)
            return not empty and any(map(written, sides))
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=args):
            return name in SEARCHES and any(
                written(one) for one in [value, *args] if not isinstance(one, ast.JoinedStr)
            )
    return False


def found_in(source: str) -> t.Iterator[tuple[str, str]]:
    """Each function that decides by a text, with the expression."""
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if hangs_on_text(node):
                    yield function.name, ast.unparse(node)


def everywhere() -> t.Iterator[tuple[str, str, str]]:
    for path in sorted(ROOT.rglob("*.py")):
        for name, expression in found_in(path.read_text(encoding="utf-8")):
            yield path.relative_to(ROOT).as_posix(), name, expression


def test_no_decision_hangs_on_a_sentence() -> None:
    assert [one for one in everywhere() if one[:2] not in ALLOWED] == []


def test_nothing_is_allowed_that_is_not_there() -> None:
    assert set(ALLOWED) - {one[:2] for one in everywhere()} == set()


@pytest.mark.parametrize(
    "expression",
    [
        "'dangling' in proxy_status.injection.reason",
        "place in fixed",
        "place == f'webhook {name}'",
        "place.removeprefix('check ')",
        "f'{name} (revision' in one.message",
        "str(found) in asking",
        "row['message'].startswith('x')",
        "_WORDS.search(other.message)",
        "one.object == other.object",
    ],
)
def test_it_sees_what_it_is_for(expression: str) -> None:
    assert list(found_in(f"def decide():\n    return {expression}\n"))


@pytest.mark.parametrize(
    "expression", ["code is InjectionReason.DANGLING_LABEL", "reason is None", "one.ref == other.ref"]
)
def test_it_leaves_values_alone(expression: str) -> None:
    assert not list(found_in(f"def decide():\n    return {expression}\n"))
