# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ConfigMaps of one revision that cannot be read: a finding about that revision, and nothing is based on them."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.readiness import not_ready_reason
from unit.support import builders as b
from unit.support.checking import HEALTHY, of

INJECTOR, VALUES = f"istio-sidecar-injector-{b.OLD}", f"values-{b.OLD}"


def broken(name: str, key: str, text: str) -> list[b.Json]:
    """A healthy mesh, except for one text in one ConfigMap."""
    found: list[b.Json] = []
    for obj in HEALTHY:
        hit = obj["kind"] == "ConfigMap" and obj["metadata"]["name"] == name
        found.append({**obj, "data": {**obj["data"], key: text}} if hit else obj)
    return found


FIRES = [
    pytest.param(
        "MU018",
        f"ConfigMap {b.SYSTEM}/{INJECTOR}",
        broken(INJECTOR, "values", "{"),
        {},
        id="MU018: an injector configuration that is not JSON",
    ),
    pytest.param(
        "MU018",
        f"ConfigMap {b.SYSTEM}/{VALUES}",
        broken(VALUES, "merged-values", "["),
        {},
        id="MU018: values that are not JSON",
    ),
]


@pytest.mark.parametrize(
    ("name", "key", "text", "why"),
    [
        (INJECTOR, "values", "{{ .Values }}", "Expecting property name enclosed in double quotes"),
        (INJECTOR, "values", "[7]", "values is not a map"),
        (INJECTOR, "values", '{"global": "x"}', "values.global is not a map"),
        (INJECTOR, "values", '{"global": {"proxy": []}}', "values.global.proxy is not a map"),
        (INJECTOR, "config", "a: [", "while parsing a flow node"),
        (INJECTOR, "config", "policy", "config is not a map"),
        (INJECTOR, "config", "neverInjectSelector: 7", "config.neverInjectSelector is not a list of label selectors"),
        (
            INJECTOR,
            "config",
            "alwaysInjectSelector: [x]",
            "alwaysInjectSelector is not a list of label selectors",
        ),
        (
            INJECTOR,
            "config",
            "neverInjectSelector: [{matchExpressions: [{key: a, operator: Like}]}]",
            "unknown label selector operator 'Like'",
        ),
        (VALUES, "original-values", "x", "Expecting value"),
        (VALUES, "merged-values", "[7]", "merged-values is not a map"),
    ],
)
def test_what_cannot_be_read_and_why(name: str, key: str, text: str, why: str) -> None:
    objects = broken(name, key, text)
    (row,) = of("MU018", objects)
    assert row.object == f"ConfigMap {b.SYSTEM}/{name}"
    assert row.message.startswith(
        f"The injector configuration or the installed values of revision {b.OLD} are unknown: "
    )
    assert why in row.message
    # Nothing is moved to this revision.
    assert f"its ConfigMap {name} cannot be read: " in str(not_ready_reason(b.mesh_of(objects), b.OLD, None))


def test_other_revisions_are_still_read() -> None:
    mesh = b.mesh_of([*broken(INJECTOR, "values", "{"), *b.plane(b.NEW)])
    assert mesh.revisions[b.OLD].config is None
    assert mesh.revisions[b.NEW].config is not None
    assert mesh.revisions[b.OLD].unreadable.keys() == {INJECTOR}


def test_one_text_of_the_values_does_not_count_without_the_other() -> None:
    """Otherwise the user's values would be lost without an error; without both texts, an installation refuses."""
    found = b.mesh_of(broken(VALUES, "original-values", "{")).revisions[b.OLD]
    assert (found.user_values, found.merged_values) == ({}, {})
