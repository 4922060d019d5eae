# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lookup of the fleet in hosts and serial of plays, and in tasks."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from unit.playbooks.playing import RESULT, start

Json = dict[str, t.Any]
RINGS = {"istio_ring_1": "cd", "istio_ring_0": "a", "no_ring": "e", "istio_ring_2": "b"}
ORDER = ["a", "c", "d", "b", "e"]
#: The clusters of a batch, and the lookup in a task.
SHOWN = "{{ {'batch': ansible_play_batch, 'fleet': lookup('meshops.istio.fleet')} | to_json }}"


def run(folder: Path, *flags: str, hosts: str = "clusters", facts: Json | None = None, **extra: t.Any) -> list[Json]:
    """Leave facts on all clusters, visit the clusters of the lookup, and return what each batch has.

    A play has no inventory variables when Ansible renders its hosts, so the variables are given by -e.
    """
    inventory, site = folder / "inventory.json", folder / "site.yml"
    children = {name: {"hosts": {host: {} for host in names}} for name, names in RINGS.items()}
    inventory.write_text(json.dumps({"all": {"children": children}}), encoding="utf-8")
    base = {"connection": "local", "gather_facts": False}
    leave = {"name": "Leave facts", "ansible.builtin.set_fact": facts or {"left": True}}
    show = {"name": "Show", "ansible.builtin.debug": {"msg": SHOWN}, "run_once": True}
    plays = [
        {**base, "name": "Read", "hosts": "all", "tasks": [leave]},
        {
            **base,
            "name": "Visit",
            "hosts": f"{{{{ lookup('meshops.istio.fleet').{hosts} }}}}",
            "serial": "{{ lookup('meshops.istio.fleet').batch_sizes }}",
            "tasks": [show],
        },
    ]
    site.write_text(json.dumps(plays), encoding="utf-8")
    output = start(folder, {}, site, "-i", str(inventory), "-e", json.dumps(extra), *flags)
    messages = [json.loads(result).get("msg") for dummy, dummy_host, result in RESULT.findall(output)]
    batches = [json.loads(message) for message in messages if message]
    assert batches, output
    return batches


def test_a_play_visits_the_clusters_ring_by_ring(tmp_path: Path) -> None:
    batches = run(tmp_path)
    assert [one["batch"] for one in batches] == [["a"], ["c", "d"], ["b"], ["e"]]
    fleet = batches[0]["fleet"]
    assert (fleet["clusters"], fleet["batch_sizes"], fleet["several"]) == (ORDER, [1, 2, 1, 1], True)
    assert fleet["ring_of_cluster"] == {
        "a": "istio_ring_0", "b": "istio_ring_2", "c": "istio_ring_1", "d": "istio_ring_1", "e": "",
    }  # fmt: skip


def test_a_run_may_be_limited_in_both_ways(tmp_path: Path) -> None:
    batches = run(tmp_path, "--limit", "c,b,e", istio_hosts="all:!e", istio_serial="1")
    assert [one["batch"] for one in batches] == [["c"], ["b"]]
    assert batches[0]["fleet"]["clusters"] == ["a", "c", "d", "b"]


@pytest.mark.parametrize(
    ("hosts", "visited"), [("pending_clusters", ["a", "b", "e"]), ("clusters_to_plan", ["a", "c", "b", "e"])]
)
def test_clusters_that_are_up_to_date_are_left_out(tmp_path: Path, hosts: str, visited: list[str]) -> None:
    (fleet, *dummy) = [one["fleet"] for one in run(tmp_path, hosts=hosts, facts={"__istio_up_to_date": ["c", "d"]})]
    assert (fleet[hosts], fleet["up_to_date"], fleet["batch_sizes"]) == (visited, ["c", "d"], [1, 1, 1])


def test_a_user_may_visit_clusters_that_are_up_to_date(tmp_path: Path) -> None:
    facts = {"__istio_up_to_date": ["c", "d"]}
    batches = run(tmp_path, hosts="pending_clusters", facts=facts, istio_skip_up_to_date="false")
    assert [one["batch"] for one in batches] == [["a"], ["c", "d"], ["b"], ["e"]]


def test_a_term_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    task = {"name": "Show", "ansible.builtin.debug": {"msg": "{{ lookup('meshops.istio.fleet', 'rings') }}"}}
    site.write_text(json.dumps([{"name": "Read", "hosts": "all", "gather_facts": False, "tasks": [task]}]))
    assert "Unknown term rings; give batch, inventory_problems, " in start(tmp_path, {"a": {}}, site, "-c", "local")
