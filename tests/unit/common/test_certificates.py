# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Until when certificates are valid, and that none can stop a check."""

from __future__ import annotations

import base64
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.common.certificates import expiry_date
from unit.support.certificates import bundle, certificate

DAY = datetime.date(2036, 11, 20)
SHORT = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"


@pytest.mark.parametrize(
    "day", [DAY, datetime.date(2049, 12, 31), datetime.date(2050, 1, 1), datetime.date(1999, 2, 3)]
)
def test_the_day_is_the_one_of_the_certificate(day: datetime.date) -> None:
    assert expiry_date(bundle(day)) == day


def test_the_last_of_several_counts() -> None:
    assert expiry_date(bundle(DAY, datetime.date(2020, 1, 1))) == DAY


@pytest.mark.parametrize("text", ["", "Q0E=", "not base64", base64.b64encode(SHORT).decode()])
def test_what_is_no_certificate_is_not_judged(text: str) -> None:
    assert expiry_date(text) is None


@given(st.integers(0, 300), st.binary(min_size=1, max_size=8))
def test_damage_never_crashes(at: int, noise: bytes) -> None:
    der = base64.b64decode(b"".join(CERTIFICATE.splitlines()[1:-1]))
    damaged = base64.b64encode(der[:at] + noise + der[at + len(noise) :])
    pem = b"-----BEGIN CERTIFICATE-----\n" + damaged + b"\n-----END CERTIFICATE-----"
    found = expiry_date(base64.b64encode(pem).decode())
    assert found is None or isinstance(found, datetime.date)


CERTIFICATE = certificate(DAY)
