# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each option that names a namespace, a revision or a tag refuses one of another mesh, and says which mesh that is."""

from __future__ import annotations

import importlib
import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.operations import modules
from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import ModuleCore
from unit.support import builders as b
from unit.support.checking import HEALTHY
from unit.support.fake_api import FakeApi
from unit.support.running import task

TWO = "istio-two"
#: Mesh two has revision two with tag green, which namespace team follows; namespace plain has no label.
OTHERS = [
    *b.in_mesh(TWO, [*b.plane("two"), *b.revision_tag("green", "two")]),
    b.namespace(TWO),
    b.namespace("team", {"istio.io/rev": "two"}),
    b.namespace("plain"),
    *(
        obj if obj["kind"] != "Pod" else b.pod("web-abc-0", "team", revision="two", home=TWO)
        for obj in b.deployed("web", "team")
    ),
]
OPTIONS = ("name", "namespaces", "revision", "source_revision", "limits")
TARGET = {"version": b.NEW_VERSION, "revision": b.NEW}
#: (module, option) -> options of tasks that name a part of mesh two; none where an option names nothing of a cluster.
NAMED: dict[tuple[str, str], list[b.Json]] = {
    ("istio_info", "limits"): [{"limits": {"namespaces": ["team"]}}, {"limits": {"waves": [["shop"], ["team"]]}}],
    ("istio_precheck", "limits"): [{**TARGET, "limits": {"namespaces": ["team"]}}],
    ("istio_precheck", "revision"): [{**TARGET, "revision": "two"}],
    ("istio_precheck", "source_revision"): [{**TARGET, "source_revision": "two"}],
    ("istio_revision", "revision"): [
        {**TARGET, "revision": "two"},
        {**TARGET, "revision": "green"},
        {**TARGET, "revision": "two", "strategy": "in_place"},
        {**TARGET, "revision": "two", "installer": "external"},
    ],
    ("istio_revision", "source_revision"): [{**TARGET, "source_revision": "two"}],
    ("istio_tag", "name"): [{"name": "green", "revision": b.OLD}, {"name": "two", "revision": b.OLD}],
    ("istio_tag", "revision"): [{"name": "early", "revision": "two"}],
    ("namespace_revision", "namespaces"): [
        {"namespaces": ["team"], "revision": b.OLD},
        {"namespaces": ["shop", "team"], "revision": b.OLD},
        {"namespaces": [TWO], "revision": b.OLD, "enroll": True},
    ],
    ("namespace_revision", "revision"): [{"namespaces": ["shop"], "revision": "two"}],
    ("rollout_restart", "namespaces"): [
        {"namespaces": ["team"]},
        {"namespaces": ["team"], "scope": "all"},
        {"namespaces": [TWO], "scope": "all"},
    ],
    ("rollout_restart", "revision"): [{"namespaces": ["plain"], "percent": 50, "revision": "two"}],
    # It selects workloads of this mesh that follow the source: none do, so nothing is reached.
    ("rollout_restart", "source_revision"): [],
}


def core_of(module: str) -> ModuleCore:
    """The core of a module."""
    return t.cast("ModuleCore", importlib.import_module(f"{modules.__name__}.{module}").CORE)


def test_the_table_has_every_option_that_names_a_part_of_a_mesh() -> None:
    names = [path.stem for path in Path(next(iter(modules.__path__))).glob("*.py") if path.stem != "__init__"]
    assert names
    specs = {name: core_of(name).spec.as_keywords()["argument_spec"] for name in names}
    assert {(name, option) for name, spec in specs.items() for option in OPTIONS if option in spec} == set(NAMED)


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("module", "options"), [(module, options) for (module, dummy), tasks in NAMED.items() for options in tasks], ids=str
)
def test_a_part_of_another_mesh_is_refused_by_its_name(
    module: str, options: b.Json, check_mode: bool, tmp_path: Path
) -> None:
    with FakeApi(*HEALTHY, *OTHERS) as api:
        path = "" if module == "istio_precheck" else api.istioctl(tmp_path)
        known = core_of(module).spec.as_keywords()["argument_spec"]
        tool = {"istioctl": path} if path and "istioctl" in known else {}
        result = task(api, core_of(module), check_mode=check_mode, **options, **tool)
        assert result["failed"]
        assert f"the mesh of namespace {TWO}" in result["msg"].replace("The mesh", "the mesh")
        assert api.writes() == []


def test_a_pattern_does_not_reach_another_mesh() -> None:
    with FakeApi(*HEALTHY, *OTHERS, b.namespace("tee", {"istio.io/rev": b.OLD})) as api:
        moved = task(api, core_of("namespace_revision"), namespaces=["te*"], revision="default", check_mode=True)
        assert moved["moved"] == ["tee"]
        assert not task(api, core_of("rollout_restart"), namespaces=["te*"], scope="all", check_mode=True).get("failed")


def test_a_tag_of_another_mesh_is_not_removed() -> None:
    """It is absent in this mesh already."""
    with FakeApi(*HEALTHY, *OTHERS) as api:
        result = task(api, core_of("istio_tag"), name="green", state="absent")
        assert result["changed"] is False
        assert result["warnings"] == [
            f"Tag green belongs to another mesh and stays: the mesh of namespace {TWO} has a tag green "
            f"(istio-revision-tag-green-{TWO}). To remove it there, run with istio_namespace={TWO}."
        ]


def test_workloads_of_another_mesh_stay_in_a_namespace_of_both() -> None:
    """Namespace both has no label: its pods select revisions by labels of their own."""
    objects = [*HEALTHY, *OTHERS, b.namespace("both")]
    objects += b.deployed("ours", "both", pod_labels={"istio.io/rev": b.OLD})
    labels = {"istio.io/rev": "two", "app": "theirs"}
    pod = b.pod("theirs-abc-0", "both", revision="two", home=TWO, labels=labels, owner=("ReplicaSet", "theirs-abc"))
    theirs = b.deployed("theirs", "both", revision="two", pod_labels={"istio.io/rev": "two"})
    objects += [pod if obj["kind"] == "Pod" else obj for obj in theirs]
    with FakeApi(*objects) as api:
        result = task(api, core_of("rollout_restart"), namespaces=["both"], scope="all", check_mode=True)
    assert [action for action in result["actions"] if "theirs" in action] == []
    assert [action for action in result["actions"] if "ours" in action] != []
