# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task asks of those who look after the lock of its run between the tasks."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.lock import Lock


class Between:
    """Nobody looks after it, as outside the controller; see `Keeping`."""

    def keep(self, lock: Lock) -> None:
        """Have a lock renewed from now on, until it is given back or the run has ended."""

    def had(self, lock: Lock) -> bool:
        """Whether a task of the run took this lock, and none has given it back."""
        return False

    def took(self, lock: Lock) -> None:
        """Note that this task took it."""

    def gave_back(self, lock: Lock) -> None:
        """Note that the run gives it back, so that it may take it again."""
