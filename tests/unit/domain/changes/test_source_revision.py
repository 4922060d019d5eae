# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The revision that a run starts from: of a canary, an in-place upgrade and a downgrade."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.changes.source_revision import (
    canary_source,
    source_revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import PREVIOUS_REVISION
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version
from unit.support import builders as b


def remembering(tag: b.Json, previous: str) -> b.Json:
    """A tag that knows where it pointed before."""
    tag["metadata"]["annotations"] = {PREVIOUS_REVISION: previous}
    return tag


KILLED = [*b.plane(b.NEW), remembering(b.injector(b.NEW, tag="default"), b.OLD)]
BOTH = [*b.plane(b.OLD), *b.plane("1-29-0", "1.29.0")]


@pytest.mark.parametrize(
    ("objects", "wanted", "expected"),
    [
        pytest.param(KILLED, None, b.OLD, id="what a killed removal left, without its injector"),
        pytest.param(KILLED, b.OLD, b.OLD, id="the same that is asked for again"),
        pytest.param([*b.two_planes(), *b.namespaces(shop="prod")], None, b.OLD, id="the one that namespaces follow"),
        pytest.param(
            [*BOTH, *b.revision_tag("default", b.OLD), *b.namespaces(shop="1-29-0")],
            None,
            "1-29-0",
            id="before the default",
        ),
        pytest.param(b.two_planes(), None, b.OLD, id="no namespace selects any: the default"),
        pytest.param(
            [*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag("default", b.NEW)], None, b.OLD, id="the only other one"
        ),
        pytest.param(b.plane(b.OLD), None, b.OLD, id="the only one"),
        pytest.param(BOTH, None, None, id="no namespace selects any, and no default"),
        pytest.param(b.plane(b.NEW), None, None, id="no other revision"),
        pytest.param([], None, None, id="an empty cluster"),
        pytest.param([*b.plane(b.NEW), *b.plane(b.OLD)[1:]], None, b.OLD, id="what a killed removal left"),
        pytest.param(
            [*b.plane("1-29-0"), *b.plane(b.OLD)[1:]], None, "1-29-0", id="remains of a removal are not a source"
        ),
        pytest.param(b.plane(b.OLD)[1:], None, None, id="nothing runs"),
        pytest.param(b.two_planes(), b.NEW, b.NEW, id="the one that is asked for"),
    ],
)
def test_canary_source(objects: list[b.Json], wanted: str | None, expected: str | None) -> None:
    assert canary_source(b.snapshot_of(objects), b.NEW, wanted) == expected


@pytest.mark.parametrize(
    ("wanted", "message"), [("gone", "There is no revision gone"), (None, "Namespaces follow several revisions")]
)
def test_a_source_is_not_guessed(wanted: str | None, message: str) -> None:
    with pytest.raises(SafetyError, match=message):
        canary_source(b.snapshot_of([*BOTH, *b.namespaces(shop=b.OLD, orders="1-29-0")]), b.NEW, wanted)


IN_PLACE, DOWN = "in_place", "downgrade"


@pytest.mark.parametrize(
    ("strategy", "objects", "revision", "version", "expected"),
    [
        pytest.param("canary", b.two_planes(), b.NEW, "1.31.0", b.OLD, id="a canary comes from another revision"),
        pytest.param(IN_PLACE, b.plane("default"), "default", "1.31.0", "default", id="in place from itself"),
        pytest.param(IN_PLACE, b.two_planes(), b.OLD, "1.31.0", b.OLD, id="in place, whatever stands beside it"),
        pytest.param(DOWN, b.plane(b.NEW), b.OLD, "1.30.3", b.NEW, id="a downgrade beside the newer one"),
        pytest.param(DOWN, b.plane("default", "1.31.0"), b.OLD, "1.30.3", "default", id="of a mesh upgraded in place"),
        pytest.param(DOWN, b.plane("default", "1.31.0"), "default", "1.30.3", "default", id="a downgrade in place"),
        pytest.param(DOWN, b.plane(b.OLD), b.OLD, "1.30.3", None, id="a downgrade that is done"),
        pytest.param(
            DOWN,
            [*b.plane(b.OLD, "1.30.3-distroless"), *b.plane(b.NEW, "1.31.0-distroless")],
            b.OLD,
            "1.30.3",
            b.NEW,
            id="R15: a variant has the version of its release",
        ),
        pytest.param(
            DOWN, [*b.plane(b.OLD, "1.30.3-solo"), *b.plane(b.NEW)], b.OLD, "1.30.3", b.NEW, id="the build of a vendor"
        ),
        pytest.param(
            DOWN, b.plane("default", "1.22.8-asm.10"), "default", "1.22.8-asm.9", "default", id="to an older build"
        ),
        pytest.param(DOWN, b.plane("default", "latest"), "default", "1.30.3", "default", id="no version is known"),
        pytest.param(
            DOWN, [*b.plane(b.OLD, "latest"), *b.plane(b.NEW)], b.OLD, "1.30.3", b.NEW, id="beside another revision"
        ),
    ],
)
def test_source_revision(
    strategy: str, objects: list[b.Json], revision: str, version: str, expected: str | None
) -> None:
    target = parse_version(version)
    assert target is not None
    assert source_revision(b.snapshot_of(objects), strategy, revision, target, None) == expected


@pytest.mark.parametrize("objects", [[], b.plane(b.OLD), [b.injector("default")]])
def test_without_the_revision_an_in_place_upgrade_is_refused(objects: list[b.Json]) -> None:
    with pytest.raises(SafetyError, match="There is no revision default to upgrade in place"):
        source_revision(b.snapshot_of(objects), IN_PLACE, "default", Version(1, 31, 0), None)
