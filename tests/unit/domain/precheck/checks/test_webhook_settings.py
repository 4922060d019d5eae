# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of the webhooks of tags, which istioctl resets when the run moves the tag."""

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from unit.support import builders as b
from unit.support.checking import UPGRADE, of

HOOK = "webhooks.[rev.namespace.sidecar-injector.istio.io]"
FINALIZES = dataclasses.replace(UPGRADE, finalize=True)


def tagged(tag: str, revision: str = b.OLD, **fields: str) -> list[b.Json]:
    """A control plane with a tag whose first webhook has some fields."""
    found = b.injector(revision, tag=tag)
    found["webhooks"][0].update(fields)
    return [*b.plane(b.OLD), *b.plane(b.NEW), found, *b.revision_tag(tag, revision)[1:], *b.namespaces()]


FIRES = [
    pytest.param(
        "MU146",
        "webhook istio-revision-tag-prod",
        tagged("prod", reinvocationPolicy="IfNeeded"),
        {},
        id="MU146: a policy of an administrator",
    ),
]


@pytest.mark.parametrize(
    ("objects", "upgrade", "expected"),
    [
        pytest.param(
            tagged("prod", failurePolicy="Ignore"), UPGRADE, [f"{HOOK}.failurePolicy: Ignore"], id="failurePolicy"
        ),
        pytest.param(
            tagged("prod", reinvocationPolicy="Never", failurePolicy="Fail"), UPGRADE, [], id="as istioctl sets it"
        ),
        pytest.param(tagged("prod", b.NEW, failurePolicy="Ignore"), UPGRADE, [], id="a tag that does not move"),
        pytest.param(tagged("default", failurePolicy="Ignore"), UPGRADE, [], id="the default stays"),
        pytest.param(
            tagged("default", failurePolicy="Ignore"),
            FINALIZES,
            [f"{HOOK}.failurePolicy: Ignore"],
            id="the default moves",
        ),
    ],
)
def test_mu146_names_what_gets_lost(objects: list[b.Json], upgrade: Upgrade, expected: list[str]) -> None:
    messages = [row.message for row in of("MU146", objects, upgrade)]
    assert len(messages) == len(expected)
    assert all(text in message for text, message in zip(expected, messages, strict=True))
