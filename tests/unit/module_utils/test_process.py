# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the wrappers of istioctl and Helm share, beside what their own tests show."""

from __future__ import annotations

import json
from pathlib import Path

from ansible_collections.meshops.istio.plugins.module_utils.client._process import json_file


def test_a_document_is_private_and_removed() -> None:
    with json_file({"kind": "IstioOperator"}) as path:
        assert json.loads(Path(path).read_text()) == {"kind": "IstioOperator"}
        assert Path(path).stat().st_mode & 0o077 == 0
    assert not Path(path).exists()
