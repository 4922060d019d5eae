# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of the running revision are carried over; what cannot be known is refused (domain 2)."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import (
    InstallRequest,
    carried_values,
    flatten,
    merge,
    operator_document,
    settings_diff,
    without,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.support import builders as b

LEAF = st.sampled_from([None, True, 0, 1, "", "x", [], [1]])
VALUES = st.recursive(LEAF, lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8)
TREES = st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3)
TARGET = Version(1, 31, 0)


def revision(values: b.Json | None = None, tag: str = b.OLD_VERSION) -> Revision:
    """Revision 1-30-3 as it was installed."""
    objects = [b.istiod(), b.injector(), b.injector_map(tag=tag), b.values_map(b.OLD, values or {})]
    return b.mesh_of(objects).revisions[b.OLD]


@pytest.mark.parametrize(
    ("values", "carried"),
    [
        pytest.param({"pilot": {"env": {"A": "b"}}}, {"pilot": {"env": {"A": "b"}}}, id="the user's own settings"),
        pytest.param({"meshConfig": {"accessLogFile": "x"}}, {"meshConfig": {"accessLogFile": "x"}}, id="mesh config"),
        pytest.param({"global": {"hub": b.HUB}}, {"global": {"hub": b.HUB}}, id="a private hub"),
        pytest.param({"global": {"hub": "docker.io/istio"}}, {}, id="a release hub: istioctl has its own default"),
        pytest.param(
            {"revision": b.OLD, "defaultRevision": "x", "revisionTags": ["y"]}, {}, id="names of the source revision"
        ),
        pytest.param(
            {"global": {"tag": "1.30.3", "proxy": {"a": 1}}}, {"global": {"proxy": {"a": 1}}}, id="the old tag"
        ),
        pytest.param(
            {"global": {"istioNamespace": "x"}, "pilot": {"enabled": True}}, {}, id="what the installer writes"
        ),
        pytest.param({"profile": "ambient"}, {"profile": "ambient"}, id="G2: the defaults of a profile"),
        pytest.param(
            {"gateways": {"a": {"b": 1}}}, {"gateways": {"a": {"b": 1}}}, id="S12: settings of gateways, for a handover"
        ),
    ],
)
def test_carried_values(values: b.Json, carried: b.Json) -> None:
    assert carried_values(revision(values), b.NEW) == carried


def test_carrying_over_does_not_change_its_input() -> None:
    found = revision({"global": {"tag": "1.30.3"}})
    carried_values(found, b.NEW)
    assert found.user_values == {"global": {"tag": "1.30.3"}}


@pytest.mark.parametrize(
    ("path", "left"),
    [
        (("a",), {"b": {"c": {"d": 1}, "e": 2}}),
        (("b", "c", "d"), {"a": 1, "b": {"e": 2}}),
        (("b", "x"), {"a": 1, "b": {"c": {"d": 1}, "e": 2}}),
        (("a", "x"), {"a": 1, "b": {"c": {"d": 1}, "e": 2}}),
        (("x",), {"a": 1, "b": {"c": {"d": 1}, "e": 2}}),
    ],
)
def test_without(path: tuple[str, ...], left: b.Json) -> None:
    values: b.Json = {"a": 1, "b": {"c": {"d": 1}, "e": 2}}
    without(values, path)
    assert values == left


@given(base=TREES, over=TREES)
def test_merge_keeps_every_leaf_of_the_upper_one(base: b.Json, over: b.Json) -> None:
    found = dict(flatten(merge(base, over)))
    for path, leaf in flatten(over):
        if path and leaf != {}:
            assert found[path] == leaf


@given(base=TREES, over=TREES)
def test_merge_adds_no_other_leaf(base: b.Json, over: b.Json) -> None:
    known = [*flatten(base), *flatten(over), ("", {})]
    assert all(entry in known for entry in flatten(merge(base, over)))


@given(tree=TREES)
def test_merge_with_itself_or_nothing_is_identity(tree: b.Json) -> None:
    assert merge(tree, tree) == merge(tree, {}) == merge({}, tree) == tree


@given(tree=TREES)
def test_merge_does_not_change_its_input(tree: b.Json) -> None:
    before = repr(tree)
    merge(tree, {"a": {"b": {"c": 1}}})
    assert repr(tree) == before


@given(tree=TREES)
def test_flatten_keeps_every_leaf_under_its_path(tree: b.Json) -> None:
    for path, leaf in flatten(tree):
        inner: t.Any = tree
        for key in path.split(".") if path else ():
            inner = inner[key]
        assert inner == leaf


@pytest.mark.parametrize(
    ("over", "spec"),
    [
        pytest.param({}, {"revision": b.NEW}, id="a canary"),
        pytest.param({"revision": "default"}, {}, id="domain 2: the non-revisioned install has no revision"),
        pytest.param({"tag": "1.31.0-debug"}, {"revision": b.NEW, "tag": "1.31.0-debug"}, id="an image tag"),
        pytest.param(
            {"crds": False},
            {"revision": b.NEW, "components": {"base": {"enabled": False}}},
            id="S10: without CRDs, the way that works (C6)",
        ),
    ],
)
def test_operator_document(over: b.Json, spec: b.Json) -> None:
    wanted = InstallRequest(b.NEW, Version(1, 31, 0), b.SYSTEM, "minimal", {"a": 1})
    found = operator_document(dataclasses.replace(wanted, **over))
    assert found["spec"] == {"profile": "minimal", "values": {"a": 1}, **spec}
    assert found["metadata"] == {"namespace": b.SYSTEM}


@pytest.mark.parametrize(
    ("old", "new", "given_", "user", "defaults"),
    [
        pytest.param({"a": 1}, {"a": 1}, {"a": 1}, {}, {}, id="nothing differs"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {"b": 1}}, {"a.b": (1, 2)}, {}, id="a user's setting"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, {}, {}, {"a.b": (1, 2)}, id="a default of the charts"),
        pytest.param({"a": 1, "x": 0}, {"x": 0}, {"a": 1}, {"a": (1, None)}, {}, id="a user's setting is gone"),
        pytest.param({"x": 0}, {"a": 1, "x": 0}, {}, {}, {"a": (None, 1)}, id="a new default"),
        pytest.param({"a": [1]}, {"a": [1, 2]}, {"a": [1]}, {"a": ([1], [1, 2])}, {}, id="lists are one setting"),
        pytest.param(
            {"global": {"tag": "1.30.3", "hub": "x"}, "revision": "", "tag": "1.30.3"},
            {"global": {"tag": "1.31.0", "hub": "y"}, "revision": "a", "tag": "1.31.0"},
            {"global": {"hub": "x"}},
            {},
            {},
            id="settings that differ between any two versions",
        ),
    ],
)
def test_settings_diff(old: b.Json, new: b.Json, given_: b.Json, user: b.Json, defaults: b.Json) -> None:
    found = settings_diff(old, new, given_)
    assert (found.user, found.defaults) == (user, defaults)
    assert found.as_dict() == {
        "user": {path: list(pair) for path, pair in user.items()},
        "defaults": {path: list(pair) for path, pair in defaults.items()},
        "cluster_only": {},
    }


def test_lines_list_user_settings_first() -> None:
    found = settings_diff({"a": 1, "own": {"x": 7}}, {"a": 2, "own": {"x": 9}, "new": True}, {"own": {"x": 7}})
    assert found.lines() == ["user setting own.x: 7 -> 9", "default a: 1 -> 2", "default new: None -> True"]
    assert found.side(0) == {"a": 1, "own.x": 7}
    assert found.side(1) == {"a": 2, "new": True, "own.x": 9}


@given(old=TREES, new=TREES, own=TREES)
def test_every_difference_is_a_user_setting_or_a_default(old: b.Json, new: b.Json, own: b.Json) -> None:
    found = settings_diff(old, new, own)
    assert not set(found.user) & set(found.defaults)
    before, after = dict(flatten(old)), dict(flatten(new))
    everything = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    assert {*found.user, *found.defaults} == everything
