# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No text of a cluster is evaluated as a template, not even before ansible-core 2.19, where every text may be one."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.run.lock_lease import STATE_NAME
from unit.playbooks.playing import ROOT, start
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.locking import lease

#: Runs in the folder of the test.
EVIL = "{{ lookup('ansible.builtin.pipe', 'touch evaluated') }}"
MESH = (*b.two_planes(), *b.namespaces(shop=b.OLD), *b.deployed(revision=b.OLD))
CHECK = ("--check", "-e", "istio_finalize=true")
Change = t.Callable[[FakeApi], None]


def locked(api: FakeApi) -> None:
    """Another run has locked the cluster."""
    held = lease()
    held["spec"]["holderIdentity"] = EVIL
    api.objects.append(held)


def recorded(api: FakeApi) -> None:
    """An earlier run has failed."""
    values = {
        **{"run_id": "r1", "process": "p", "started_by": EVIL, "strategy": "canary", "state": "failed", "phase": EVIL},
        **{"started": "2026-01-01T00:00:00Z", "ended": "2026-01-01T00:00:00Z", "message": EVIL, "version": EVIL},
    }
    metadata = {"name": STATE_NAME, "namespace": "istio-system", "resourceVersion": "1"}
    api.objects.append({"kind": "ConfigMap", "metadata": metadata, "data": {"record": json.dumps(values)}})


def refused(api: FakeApi) -> None:
    """The API server, or a proxy before it, refuses a list."""
    api.scripts["GET", "/api/v1/pods"] = [failure(403, EVIL)] * 9


def image(api: FakeApi) -> None:
    """A proxy has an image that a user of the cluster chose."""
    for pod in b.of_kind(api.objects, "Pod"):
        for container in pod["spec"]["containers"]:
            container["image"] = f"registry.example.com/proxyv2:{EVIL}"


@pytest.mark.parametrize("change", [locked, recorded, refused, image])
@pytest.mark.parametrize(
    ("name", "flags"),
    [("status", ()), ("precheck", ()), ("verify", ()), ("canary", CHECK), ("rollback", ()), ("rollback", CHECK)],
)
def test_no_playbook_evaluates_a_text_of_a_cluster(
    tmp_path: Path, name: str, flags: tuple[str, ...], change: Change
) -> None:
    with FakeApi(*MESH) as paris, FakeApi(*MESH) as berlin:
        change(paris)
        hosts = {
            host: {"istio_host": api.url, "istio_api_key": "a-secret-token", "istio_version": b.NEW_VERSION}
            for host, api in (("paris", paris), ("berlin", berlin))
        }
        for variables in hosts.values():
            variables |= {"istio_installer": "external", "istio_fail_on": "never"}
        output = start(tmp_path, hosts, ROOT / "playbooks" / f"{name}.yml", "-c", "local", *flags)
    assert "PLAY RECAP" in output
    assert not (tmp_path / "evaluated").exists(), output
