# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the command line of the lab: `python -m lab`."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
