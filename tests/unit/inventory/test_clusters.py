# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plugin as ansible-core runs it: groups, variables, cache and errors, none of which contains a secret."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.inventory import clusters
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import OPTIONS, parse_options
from unit.inventory.kubeconfigs import SECRET, kubeconfig, write
from unit.paths import COLLECTIONS
from unit.support import builders as b
from unit.support.fake_api import FakeApi

EXAMPLES = list(yaml.safe_load_all(clusters.EXAMPLES))
NO_SERVER = "http://127.0.0.1:1"
EVIL = "{{ lookup('ansible.builtin.pipe', 'echo templated') }}"


def ansible(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ansible-core in a folder; neither its output nor its cache may contain a secret."""
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "K8S_AUTH_"))},
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
        "ANSIBLE_NOCOLOR": "true",
    }
    program = Path(sys.executable).with_name(command[0])
    done = subprocess.run(
        [program, *command[1:]], cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=120
    )
    cached = [file.read_text(encoding="utf-8") for file in folder.glob("cache/*")]
    assert SECRET not in "".join([done.stdout, done.stderr, *cached])
    return done


def listed(folder: Path) -> dict[str, t.Any]:
    """Return the output of ansible-inventory."""
    done = ansible(folder, "ansible-inventory", "-i", "fleet.istio.yml", "--list")
    assert done.returncode == 0, done.stderr
    hosts: dict[str, t.Any] = json.loads(done.stdout)
    return hosts


def inventory(folder: Path, **more: t.Any) -> None:
    """Write the inventory file."""
    source = {"type": "kubeconfig", "path": "kubeconfig.yaml"}
    write(folder / "fleet.istio.yml", {"plugin": "meshops.istio.clusters", "sources": [source], **more})


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("fleet.istio.yml", True),
        ("istio.yaml", True),
        ("clusters.yml", True),
        ("prod.clusters.yaml", True),
        ("inventory.yml", False),
        ("istio.json", False),
        ("absent.istio.yml", False),
    ],
)
def test_the_plugin_reads_files_by_their_names(tmp_path: Path, name: str, accepted: bool) -> None:
    if not name.startswith("absent"):
        (tmp_path / name).touch()
    assert clusters.InventoryModule().verify_file(str(tmp_path / name)) is accepted


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_valid(example: dict[str, t.Any]) -> None:
    core = {"plugin", "compose", "groups", "keyed_groups", "cache_plugin", "cache_connection", "cache_timeout"}
    assert parse_options(example, {*OPTIONS, *core}).sources


def test_the_documented_options_are_the_accepted_ones() -> None:
    documented = yaml.safe_load(clusters.DOCUMENTATION)["options"]
    assert {*documented, "cache", "strict"} == {*OPTIONS, "plugin"}
    assert {name: documented[name].get("default") for name in documented} == {
        **{name: OPTIONS[name].get("default") for name in OPTIONS if name in documented},
        "plugin": None,
    }


def test_rings_by_host_name(tmp_path: Path) -> None:
    for name in ("canary-1", "eu-1", "eu-2", "us-1", "us-1-readonly"):
        write(tmp_path / "kube" / f"{name}.yaml", kubeconfig({"admin": f"https://{name}:6443"}))
    example = EXAMPLES[1]
    (source,) = example["sources"]
    write(tmp_path / "fleet.istio.yml", {**example, "sources": [{**source, "path": "kube"}]})
    done = ansible(tmp_path, "ansible-inventory", "-i", "fleet.istio.yml", "--graph")
    assert done.stdout.splitlines() == [
        "@all:",
        "  |--@ungrouped:",
        "  |--@istio_ring_0:",
        "  |  |--canary-1",
        "  |--@istio_ring_1:",
        "  |  |--eu-1",
        "  |  |--eu-2",
        "  |--@istio_ring_2:",
        "  |  |--us-1",
    ]


def test_a_probe_is_cached_until_the_cache_is_flushed(tmp_path: Path) -> None:
    cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
    options = {
        "probe": True,
        "probe_timeout": 60,
        **cache,
        "compose": {"istio_expected_cluster_id": "istio_cluster_id"},
    }
    with FakeApi(*b.two_planes(), *b.namespaces()) as api:
        write(tmp_path / "kubeconfig.yaml", kubeconfig({"paris": api.url}))
        inventory(tmp_path, **options)
        first = listed(tmp_path)
        requests = len(api.seen)
        assert requests == 2
        assert listed(tmp_path) == first
        assert len(api.seen) == requests
        write(tmp_path / "play.yml", [{"hosts": "all"}])
        ansible(tmp_path, "ansible-playbook", "-i", "fleet.istio.yml", "--flush-cache", "--list-hosts", "play.yml")
        assert len(api.seen) == 2 * requests
        inventory(tmp_path, **options, istio_namespace="other")
        assert listed(tmp_path)["istio_not_installed"] == {"hosts": ["paris"]}
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert first["istio_version_1_30_3"] == first["istio_version_1_31_0"] == {"hosts": ["paris"]}
    variables = first["_meta"]["hostvars"]["paris"]
    assert variables["istio_expected_cluster_id"] == variables["istio_cluster_id"]


def test_the_variables_log_in_and_are_never_templates(tmp_path: Path) -> None:
    with FakeApi(*b.two_planes(), *b.namespaces()) as api:
        document = kubeconfig({EVIL: api.url})
        write(tmp_path / "kubeconfig.yaml", document)
        cache = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(tmp_path / "cache")}
        inventory(tmp_path, compose={"shown": "'<' ~ istio_context ~ '>'"}, **cache)
        play = {
            "hosts": "all",
            "gather_facts": False,
            "module_defaults": {
                "group/meshops.istio.istio": {
                    "kubeconfig": "{{ istio_kubeconfig }}",
                    "context": "{{ istio_context }}",
                }
            },
            "tasks": [
                {"meshops.istio.istio_info": {"proxies": False}, "register": "found"},
                {"ansible.builtin.debug": {"msg": "{{ shown }} {{ inventory_hostname }} {{ found.cluster.name }}"}},
            ],
        }
        write(tmp_path / "play.yml", [play])
        runs = [ansible(tmp_path, "ansible-playbook", "-i", "fleet.istio.yml", "play.yml", "-vvv") for dummy in "12"]
    shown = f"<{EVIL}> lookup-ansible.builtin.pipe-echo-templated {EVIL}"
    for done in runs:
        assert done.returncode == 0, done.stdout
        assert json.dumps(shown) in done.stdout


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        (
            f"users: [{{token: {SECRET}: [",
            {},
            "{0}/fleet.istio.yml: Reading kubeconfig {0}/kubeconfig.yaml failed: it is",
        ),
        (
            yaml.safe_dump(kubeconfig({"a": NO_SERVER})),
            {"strict": True, "keyed_groups": [{"prefix": "istio_ring", "key": "istio_cluster_labels['ring']"}]},
            "Could not generate group for host a",
        ),
    ],
)
def test_an_error_is_reported_and_ends_the_command(
    tmp_path: Path, text: str, more: dict[str, t.Any], message: str
) -> None:
    (tmp_path / "kubeconfig.yaml").write_text(text, encoding="utf-8")
    inventory(tmp_path, **more)
    done = ansible(tmp_path, "ansible-inventory", "-i", "fleet.istio.yml", "--list", "-vvv")
    assert done.returncode != 0
    # Before ansible-core 2.19, warnings are wrapped, also within words.
    assert "".join(message.format(tmp_path).split()) in "".join(done.stderr.split())


def test_a_missing_library_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "KUBERNETES_IMPORT_ERROR", "Traceback ...")
    with pytest.raises(ParameterError, match="The Python library kubernetes is missing"):
        clusters.InventoryModule()._hosts({}, "fleet.istio.yml", False)


def test_a_static_inventory_has_precedence_for_its_hosts(tmp_path: Path) -> None:
    write(tmp_path / "kubeconfig.yaml", kubeconfig({"paris": NO_SERVER}))
    inventory(tmp_path)
    static = {"all": {"vars": {"istio_version": "1.31.0"}, "hosts": {"paris": {"istio_context": "mine"}}}}
    write(tmp_path / "clusters.yml", static)
    done = ansible(tmp_path, "ansible-inventory", "-i", "fleet.istio.yml", "-i", "clusters.yml", "--host", "paris")
    assert done.returncode == 0, done.stderr
    variables = json.loads(done.stdout)
    assert (variables["istio_context"], variables["istio_version"]) == ("mine", "1.31.0")
