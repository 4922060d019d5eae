# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The last line of whole playbooks, which the report writes: it never says more than the cluster shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.playbooks.playing import ROOT, start
from unit.support import builders as b
from unit.support.fake_api import FakeApi

PLANES = [*b.plane(b.OLD), *b.plane(b.NEW)]
HALF = [*PLANES, *b.namespaces(shop=b.NEW, blog=b.OLD), *b.deployed(revision=b.NEW), *b.deployed("b", "blog")]
OLD = [*PLANES, *b.namespaces(shop=b.OLD), *b.deployed()]
MOVED = [*b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.namespaces(shop=b.NEW), *b.deployed(revision=b.NEW)]
GATEWAY = b.deployed("gw", "edge", pod_labels={"istio.io/rev": b.OLD, "sidecar.istio.io/inject": "true"})
UNREVISIONED = b.plane("default", b.NEW_VERSION)
INJECTED = [*UNREVISIONED, *b.namespaces(), b.namespace("shop", {"istio-injection": "enabled"})]
#: The control plane was replaced in place, and one proxy not.
REPLACED = [*INJECTED, *b.deployed(revision="default", image=b.proxy(b.OLD_VERSION))]
BARE = b.pod("alone", revision="default", image=b.proxy(b.OLD_VERSION), owner=None)
NEWER = [*PLANES, *b.namespaces(shop=b.NEW), *b.deployed(revision=b.NEW)]
#: A label that no injector owns.
DANGLING = [*PLANES, *b.namespaces(shop="gone"), *b.deployed()]
BROKEN = b.deployed("bad")
BROKEN[-1]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
EMPTY = b.namespaces(empty=b.OLD)[-1:]
BACK = {"istio_version": b.OLD_VERSION, "istio_finalize": False}
LEFT = [*MOVED, *b.plane(b.OLD), *b.namespaces(edge=None)[-1:], *GATEWAY]


@pytest.mark.parametrize(
    ("name", "flags", "objects", "last", "more"),
    [
        pytest.param("status", (), None, "1 cluster: unreachable.", {}, id="status of an unreachable cluster"),
        pytest.param("status", (), HALF, "1 cluster: read.", {}, id="status of a cluster that is half done"),
        pytest.param("verify", (), HALF, "1 cluster: failed.", {}, id="verify of a cluster that is half done"),
        pytest.param("verify", (), LEFT, "1 cluster: incomplete.", {}, id="verify with a gateway left behind"),
        pytest.param("verify", (), MOVED, "1 cluster: verified.", {}, id="verify of a finished upgrade"),
        pytest.param("precheck", (), OLD, "1 cluster: ready.", {}, id="precheck"),
        pytest.param("canary", ("--tags", "control_plane"), OLD, "1 cluster: left untouched.", {}, id="canary, stage"),
        pytest.param("canary", ("--tags", "data_plane"), OLD, "1 cluster: stopped partway.", {}, id="canary, stages"),
        pytest.param("canary", (), OLD, "1 cluster: done.", {}, id="canary"),
        pytest.param("canary", (), LEFT, "1 cluster: incomplete.", {}, id="canary with a gateway left behind"),
        pytest.param("canary", (), None, "1 cluster: unreachable.", {}, id="canary of an unreachable cluster"),
        pytest.param("canary", (), DANGLING, "1 cluster: refused by the precheck.", {}, id="canary, refused"),
        pytest.param(
            "canary", (), [*OLD, *BROKEN],
            "1 cluster: incomplete. Not restarted, because they were broken before: Deployment shop/bad.",
            {"istio_broken_workloads": "leave"}, id="canary that leaves what was broken",
        ),
        pytest.param(
            "canary", (), [*OLD, *EMPTY], "1 cluster: incomplete.",
            {"istio_exclude_namespaces": ["empty"]}, id="canary with limits",
        ),
        pytest.param(
            "verify", (), [*MOVED, *b.plane(b.OLD), *EMPTY], "1 cluster: incomplete.",
            {"istio_exclude_namespaces": ["empty"]}, id="verify with limits",
        ),
        pytest.param("in_place", (), REPLACED, "1 cluster: done.", {}, id="in_place"),
        pytest.param("in_place", (), [*REPLACED, BARE], "1 cluster: incomplete.", {}, id="in_place with a pod left"),
        pytest.param("in_place", ("--check",), REPLACED, "1 cluster: in check mode.", {}, id="in_place, check mode"),
        pytest.param("downgrade", (), NEWER, "1 cluster: done.", BACK, id="downgrade"),
        pytest.param(
            "downgrade", ("--tags", "control_plane"), NEWER, "1 cluster: left untouched.", BACK, id="downgrade, stage"
        ),
    ],
)  # fmt: skip
def test_the_last_line_of_a_playbook(
    tmp_path: Path, name: str, flags: tuple[str, ...], objects: list[b.Json] | None, last: str, more: b.Json
) -> None:
    with FakeApi(*(objects or ())) as api:
        url = "http://127.0.0.1:1" if objects is None else api.url
        cluster = {"istio_host": url, "istio_api_key": "a-secret-token", "istio_version": b.NEW_VERSION}
        report = {"ANSIBLE_CALLBACKS_ENABLED": "meshops.istio.fleet_report"}
        path = ROOT / "playbooks" / f"{name}.yml"
        variables = {**cluster, "istio_installer": "external", **more}
        output = start(tmp_path, {"paris": variables}, path, "-c", "local", *flags, more=report)
    assert f"{last} Report: " in output, output
