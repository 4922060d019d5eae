# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about a revision that its removal needs in addition to the snapshot."""

from __future__ import annotations

import dataclasses
import datetime
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.scoped_configuration import Labelled
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.owned_objects import OwnedObject
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.connected_proxies import Connected


@dataclasses.dataclass(frozen=True)
class RemovalInputs:
    """Facts about a revision in addition to the snapshot; ``unread`` maps what could not be read to the reason."""

    owned: Sequence[OwnedObject] = ()
    cron_jobs: Sequence[Mapping[str, t.Any]] = ()
    configuration: Sequence[Labelled] = ()
    connected: Sequence[Connected] = ()
    unread: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Machines and remote clusters that are registered here: a proxy without a pod may belong to them.
    hints: Sequence[str] = ()
    now: datetime.datetime | None = None
    #: Seconds to wait for terminating pods.
    patience: float = 0

    @property
    def shared(self) -> frozenset[ObjectRef]:
        """Workloads of the whole mesh that are removed with the revision: each is a blocker itself."""
        return frozenset(obj.ref for obj in self.owned if obj.shared)
