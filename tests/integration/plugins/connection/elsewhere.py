# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For the tests alone: a connection that is not local, so that modules are packed, sent and run as processes."""

from __future__ import annotations

from ansible.plugins.connection.local import Connection as LocalConnection

DOCUMENTATION = """
name: elsewhere
short_description: Run modules on this machine as if it were another one
description: The local connection under another name.
options: {}
"""


class Connection(LocalConnection):
    """The local connection under another name."""

    transport = "elsewhere"
