# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the clock of the API server: that of the controller may differ."""

from __future__ import annotations

import datetime
import time
from collections.abc import Collection
from email.utils import parsedate_to_datetime

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.common.timestamps import format_time


def server_now(client: Client) -> datetime.datetime:
    """Return the time of the API server's last answer, or the local time if that answer had none."""
    local = datetime.datetime.now(datetime.UTC)
    try:
        server = parsedate_to_datetime(client.server_date) if client.server_date else local
    except (ValueError, OverflowError):
        # A proxy before the server may write any text into the header.
        return local
    return server if server.tzinfo else local


def unique_timestamp(client: Client, used: Collection[str | None] = ()) -> str:
    """Return the time of the API server in whole seconds; wait until it is not one of the used ones."""
    first, began = server_now(client), time.monotonic()
    while True:
        text = format_time(first + datetime.timedelta(seconds=time.monotonic() - began))
        if text not in used:
            return text
        time.sleep(0.1)
