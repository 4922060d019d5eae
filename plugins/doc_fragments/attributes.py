# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes of all modules of meshops.istio."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment meshops.istio.attributes, with variants."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the planned changes without writing.
  diff_mode:
    description: Shows the changes in diff mode, in check mode the planned ones.
  idempotent:
    description: When run again with the same options and without other changes, it changes nothing and reports
      C(changed=false).
"""

    INFO = r"""
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the planned changes without writing.
    support: full
    details: It only reads, so check mode makes no difference.
  diff_mode:
    description: Shows the changes in diff mode, in check mode the planned ones.
    support: N/A
    details: It changes nothing.
  idempotent:
    description: When run again with the same options and without other changes, it changes nothing and reports
      C(changed=false).
    support: full
    details: It always reports C(changed=false).
"""

    ACTION = r"""
attributes:
  action:
    description: Has an action plugin of the same name, which can run inside the controller.
    support: full
    details:
      - With a local connection it runs inside the controller, which is faster, and prints progress lines.
      - Over any other connection, with C(become) or with C(async), it runs as an ordinary module, without progress
        lines.
"""

    ACTION_GROUP = r"""
attributes:
  action_group:
    description: Is part of an action group, so that C(module_defaults) can set its options.
    support: full
    membership:
      - meshops.istio.istio
"""
