# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Labels of revisions, and the text of a journal."""

from __future__ import annotations

import json

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import Change
from unit.support import builders as b

A, B, C = ({REV: name} for name in ("1-29-2", b.OLD, b.NEW))


def written(*changes: Change) -> str:
    """The text that a journal has."""
    return json.dumps([change.as_dict() for change in changes])
