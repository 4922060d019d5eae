# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Defines how a task hands the lock of its run to a keeper, which renews the lock between two tasks."""

from __future__ import annotations

import typing as t

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client


class RunLock(t.Protocol):
    """The part of a lock that a keeper needs."""

    process: str
    seconds: int
    warnings: list[str]

    @property
    def client(self) -> Client:
        """The cluster."""

    @property
    def namespace(self) -> str:
        """Namespace of the lock."""


class KeeperInterface(t.Protocol):
    """The functions of a keeper that a lock uses."""

    def start_renewal(self, lock: RunLock) -> None:
        """Have a lock renewed from now on, until it is released or the run has ended."""

    def was_taken(self, lock: RunLock) -> bool:
        """Return whether a task of the run took this lock and no task has released it."""

    def mark_taken(self, lock: RunLock) -> None:
        """Record that this task took the lock."""

    def mark_released(self, lock: RunLock) -> None:
        """Record that the run releases the lock, so that it may take it again."""


class NoKeeper:
    """Does nothing: a task outside the controller has no keeper. In the controller, see `KeeperClient`."""

    def start_renewal(self, lock: RunLock) -> None:
        """Do not have the lock renewed after the task."""

    def was_taken(self, lock: RunLock) -> bool:
        """Return that no other task of the run is known to have taken this lock."""
        return False

    def mark_taken(self, lock: RunLock) -> None:
        """Record nothing."""

    def mark_released(self, lock: RunLock) -> None:
        """Record nothing."""
