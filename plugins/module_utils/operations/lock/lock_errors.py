# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The errors of a lock that another run holds, or that this run has lost."""

from __future__ import annotations

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import LockedError
from ansible_collections.meshops.istio.plugins.module_utils.common.timestamps import format_time
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import Lease


def held_error(cluster: str, lease: Lease) -> LockedError:
    """Return the error for a lock that another run holds."""
    return LockedError(
        f"Cluster {cluster} is being worked on by {lease.holder} since {format_time(lease.acquired)}; nothing was "
        f"written. Wait for that run. If it is dead, its lock runs out at {format_time(lease.expires)}.",
        {"lock": lease.as_dict()},
    )


def lost_error(cluster: str, lease: Lease | None) -> LockedError:
    """Return the error for a lock that this run has lost; ``lease`` is the lock as it is now."""
    if lease is None:
        return LockedError(
            f"The lock of cluster {cluster}, which this run held, is gone; nothing more was written. It was deleted, "
            "or another run took it after it had expired and has ended since. Run again."
        )
    return LockedError(
        f"Cluster {cluster} is being worked on by {lease.holder} since {format_time(lease.acquired)}, who took the "
        "lock of this run; nothing more was written. Wait for that run, and run again.",
        {"lock": lease.as_dict()},
    )
