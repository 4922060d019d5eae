# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the end of support of Istio's minor versions, as far as it has been announced.

Source: istio.io, "Supported releases": support ends six weeks after the release of the next but one minor version, on
a day that is announced then (istio/istio.io #16881, #17406, #17599; 1.31.0 was released on 2026-08-31).
"""

from __future__ import annotations

import datetime

from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version

#: Minor version (of major 1) -> last day of its support. Older versions ended before; newer ones have no date yet.
SUPPORT_ENDS = {
    24: datetime.date(2025, 6, 24),
    25: datetime.date(2025, 9, 22),
    26: datetime.date(2025, 12, 22),
    27: datetime.date(2026, 4, 7),
    28: datetime.date(2026, 6, 29),
    29: datetime.date(2026, 10, 12),
}


def support_ended(version: Version, today: datetime.date) -> str | None:
    """Return a sentence about when the support of a version ended, or None if it is not known to have ended."""
    oldest = min(SUPPORT_ENDS)
    expiry_date = SUPPORT_ENDS.get(version.minor)
    if version.major == 1 and version.minor < oldest:
        return f"Support for Istio 1.{version.minor} ended before {SUPPORT_ENDS[oldest]}."
    if version.major != 1 or expiry_date is None or today <= expiry_date:
        return None
    return f"Support for Istio 1.{version.minor} ended on {expiry_date}."
