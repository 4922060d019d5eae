# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An object that could not be read may exist, so an error of the cluster is never lost.

Each handler of such an error raises, or uses what the error says; the others are listed here, each with its reason.
"""

from __future__ import annotations

import ast
import typing as t

import pytest

from unit.paths import PLUGINS

#: Errors that say nothing about an object; NotFoundError does: it is not there.
LOST = {
    "ApiError",
    "ClusterError",
    "ForbiddenError",
    "MeshError",
    "PodError",
    "UnansweredError",
    "UnauthorizedError",
    "InstallerError",
}
#: File and function -> why nothing is lost there.
ALLOWED = {
    (
        "operations/control_plane/installer_istioctl.py",
        "objects_of",
    ): "without the former istioctl, each text that another client wrote is named",
    ("operations/lock/keeper_process.py", "renew"): "it tries again before the lock expires",
    ("operations/lock/keeper_process.py", "release"): "the run has ended; its lock expires",
    ("operations/lock/lock.py", "finish"): "the task reports its own failure; the lock expires",
    ("operations/lock/lock.py", "interrupt"): "the run was interrupted; its lock expires",
    ("operations/lock/renewal.py", "_renew_until_end"): "it tries again until the lock is lost, which ends the task",
    (
        "operations/modules/istio_run_record.py",
        "fingerprint",
    ): "left_proxies is null, and the next run checks everything",
    ("operations/read/owner_chains.py", "owner_of"): "the nearest owner that is known is named",
    ("operations/read/owner_chains.py", "_resource"): "the nearest owner that is known is named",
    ("operations/restart/watch_thread.py", "_follow"): "it follows again; a rollout that is not seen is read",
    ("operations/restart/watch_thread.py", "_list_again"): "it lists again; a rollout that is not seen is read",
    (
        "operations/restart/workload_tracker.py",
        "__enter__",
    ): "events only end a wait sooner; the rollout itself is judged",
    ("operations/restart/workload_undo.py", "_read_again"): "the write that follows reports it",
    ("operations/restart/workload_undo.py", "read"): "the write that follows reports it",
}


def caught(node: ast.expr | None) -> set[str]:
    """Names of the errors that a handler or a suppression catches."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)} if node else {"MeshError"}


def keeps(handler: ast.ExceptHandler) -> bool:
    """Whether a handler raises, or uses its error."""
    parts = [part for statement in handler.body for part in ast.walk(statement)]
    return any(
        isinstance(part, ast.Raise) or (isinstance(part, ast.Name) and part.id == handler.name) for part in parts
    )


def losses(function: ast.FunctionDef) -> t.Iterator[str]:
    """Each expression in a function by which an error of the cluster is lost."""
    for node in ast.walk(function):
        match node:
            case ast.ExceptHandler(type=kinds) if caught(kinds) & LOST and not keeps(node):
                yield f"except {ast.unparse(kinds) if kinds else ''}"
            case ast.Call(func=ast.Attribute(attr="suppress"), args=kinds) if LOST & {
                name for kind in kinds for name in caught(kind)
            }:
                yield ast.unparse(node)


def found_in(source: str) -> t.Iterator[tuple[str, str]]:
    for function in ast.walk(ast.parse(source)):
        if isinstance(function, ast.FunctionDef):
            for expression in losses(function):
                yield function.name, expression


def everywhere() -> t.Iterator[tuple[str, str, str]]:
    for path in sorted(PLUGINS.rglob("*.py")):
        for name, expression in found_in(path.read_text(encoding="utf-8")):
            yield path.relative_to(PLUGINS).as_posix().removeprefix("module_utils/"), name, expression


def test_no_error_of_the_cluster_is_lost() -> None:
    assert [one for one in everywhere() if one[:2] not in ALLOWED] == []


def test_nothing_is_allowed_that_is_not_there() -> None:
    assert set(ALLOWED) - {one[:2] for one in everywhere()} == set()


@pytest.mark.parametrize(
    ("body", "lost"),
    [
        ("try:\n        return read()\n    except ForbiddenError:\n        return []", 1),
        ("try:\n        return read()\n    except (NotFoundError, ApiError):\n        return []", 1),
        ("with contextlib.suppress(ClusterError):\n        return read()", 1),
        ("try:\n        return read()\n    except ApiError as exc:\n        return exc.message", 0),
        ("try:\n        return read()\n    except ApiError:\n        raise", 0),
        ("try:\n        return read()\n    except NotFoundError:\n        return []", 0),
    ],
)
def test_it_sees_what_it_is_for(body: str, lost: int) -> None:
    assert len(list(found_in(f"def decide():\n    {body}\n"))) == lost
