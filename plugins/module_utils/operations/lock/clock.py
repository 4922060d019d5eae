# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time as the API server tells it: that of the controller may be another."""

from __future__ import annotations

import datetime
import time
from collections.abc import Collection
from email.utils import parsedate_to_datetime

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client


def server_now(client: Client) -> datetime.datetime:
    """Return the time of the API server's last answer, else that of this machine."""
    here = datetime.datetime.now(datetime.UTC)
    try:
        told = parsedate_to_datetime(client.server_date) if client.server_date else here
    except (ValueError, OverflowError):
        # what is before the server may write anything there
        return here
    return told if told.tzinfo else here


def stamp(client: Client, taken: Collection[str | None] = ()) -> str:
    """Return the time of the API server in whole seconds, and wait for one that is not taken."""
    first, began = server_now(client), time.monotonic()
    while True:
        now = first + datetime.timedelta(seconds=time.monotonic() - began)
        text = now.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if text not in taken:
            return text
        time.sleep(0.1)
