# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes the record of the last run in the state ConfigMap."""

from __future__ import annotations

import json

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import NotFoundError
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.run_record import RECORD_KEY, Record, read_record
from ansible_collections.meshops.istio.plugins.module_utils.operations.lock.state_map import set_state


class RecordStore:
    """The record of one cluster."""

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def read(self) -> Record | None:
        """Return the record of the last run that changed the cluster, or None if there is no readable one."""
        path = f"/api/v1/namespaces/{self._namespace}/configmaps/{STATE_NAME}"
        try:
            return read_record(self._client.get(path, doing="Reading the record of the last run"))
        except NotFoundError:
            return None

    def write(self, record: Record) -> None:
        """Replace the record."""
        text = json.dumps(record, indent=1, sort_keys=True)
        set_state(self._client, self._namespace, {RECORD_KEY: text}, doing="Writing the record of the run")
