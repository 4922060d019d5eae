# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Over any other connection than the local one the module runs there, and says the same as the action plugin."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import yaml

from integration.objects import labels
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, Desk, Play, log_in
from lab import Cluster

Json = dict[str, Any]
pytestmark = pytest.mark.lab
ELSEWHERE = {"ansible_connection": "elsewhere"}
LIVE_LINE = "  [{}] "
#: Values that differ between runs, or show how the task was called.
VARYING = {"requests", "seconds", "invocation", "ansible_job_id", "results_file", "started", "finished", "stdout"}
VARYING |= {"stdout_lines", "stderr", "stderr_lines"}
#: Tasks that each module refuses; the check mode of the whole upgrade has tasks that they accept.
TASKS: list[tuple[str, Json]] = [
    ("istio_precheck", {"version": "1.33.0", "revision": "1-33-0"}),
    ("istio_revision", {"revision": REVISION, "state": "absent", "istioctl": "{{ istio_istioctl }}"}),
    ("istio_tag", {"name": "prod", "revision": "1-99-0", "istioctl": "{{ istio_istioctl }}"}),
    ("namespace_revision", {"namespaces": ["shop"], "revision": "1-99-0"}),
    ("rollout_restart", {"namespaces": ["nowhere"]}),
]


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """A fresh mesh."""
    desk.fresh([desk.lab.clusters[0]])
    return desk.lab.clusters[0]


BY_KUBECONFIG = {"kubeconfig": "{{ istio_kubeconfig }}", "context": "{{ istio_context }}"}


def playbook(desk: Desk, tasks: list[Json], login: Json | None = None) -> str:
    """Write a playbook of tasks that may fail, against the inventory's clusters."""
    play = {
        "hosts": "all",
        "connection": "local",
        "gather_facts": False,
        "ignore_errors": True,
        "module_defaults": {"group/meshops.istio.istio": login or BY_KUBECONFIG},
        "tasks": tasks,
    }
    path = desk.folder / f"tasks-{next(desk.numbers)}.yml"
    path.write_text(json.dumps([play]), encoding="utf-8")
    return str(path)


def said(play: Play, cluster: Cluster) -> list[tuple[str, str, Json]]:
    """The results of the collection's tasks, without the values that vary."""
    return [
        (one.action, one.status, {key: value for key, value in one.result.items() if key not in VARYING})
        for one in play.ours(cluster)
    ]


def test_modules_refuse_as_the_action_plugins_do(desk: Desk, cluster: Cluster) -> None:
    tasks: list[Json] = [{f"meshops.istio.{name}": arguments} for name, arguments in TASKS]
    book = playbook(desk, tasks)
    mark = cluster.audit_mark()
    inside = desk.play([cluster], playbook=book)
    there = desk.play([cluster], playbook=book, hosts={cluster.name: ELSEWHERE})
    assert cluster.writes_since(mark) == []
    assert LIVE_LINE.format(cluster.name) in inside.output
    assert LIVE_LINE.format(cluster.name) not in there.output
    assert len(said(inside, cluster)) == len(TASKS)
    for plugin, module in zip(said(inside, cluster), said(there, cluster), strict=True):
        assert plugin == module
    assert {status for dummy, status, dummy_result in said(there, cluster)} == {"failed"}


def test_an_async_task_runs_as_a_module_too(desk: Desk, cluster: Cluster) -> None:
    slow = {"meshops.istio.istio_info": {}, "async": 60, "poll": 1}
    play = desk.play([cluster], playbook=playbook(desk, [{"meshops.istio.istio_info": {}}, slow])).require_success()
    plugin, module = said(play, cluster)
    assert plugin == module
    assert play.ours(cluster)[1].result.get("ansible_job_id")


def test_check_mode_of_the_whole_upgrade_says_the_same(desk: Desk, cluster: Cluster) -> None:
    mark = cluster.audit_mark()
    flags = ("--check", "--diff")
    inside = desk.play([cluster], *flags, istio_wave_size=10).require_success()
    there = desk.play([cluster], *flags, istio_wave_size=10, hosts={cluster.name: ELSEWHERE}).require_success()
    assert cluster.writes_since(mark) == []
    assert LIVE_LINE.format(cluster.name) not in there.output
    assert len({action for action, dummy, dummy_result in said(inside, cluster)}) == 7
    for plugin, module in zip(said(inside, cluster), said(there, cluster), strict=True):
        assert plugin == module


def test_a_module_moves_a_namespace_and_takes_it_back(desk: Desk, cluster: Cluster) -> None:
    before = labels(cluster)
    moved = {"namespaces": ["catalog"], "revision": "prod"}
    back = {"namespaces": ["catalog"], "state": "restored"}
    tasks: list[Json] = [{"meshops.istio.namespace_revision": one} for one in (moved, moved, back, back)]
    play = desk.play([cluster], "--diff", playbook=playbook(desk, tasks), hosts={cluster.name: ELSEWHERE})
    play.require_success()
    assert [one["moved"] for one in play.of(cluster, "namespace_revision")] == [["catalog"], [], ["catalog"], []]
    assert labels(cluster) == before


@pytest.fixture(scope="module")
def login(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The token of a ServiceAccount that may do everything."""
    account = {"name": "engineer", "namespace": "default"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "istio-test-engineer"},
        "roleRef": role,
        "subjects": [{"kind": "ServiceAccount", **account}],
    }
    return log_in(cluster, account, [binding], tmp_path_factory.mktemp("login"))


def known_secrets(cluster: Cluster) -> list[str]:
    """The keys in the kubeconfig, as they stand there and as text."""
    users = yaml.safe_load(cluster.kubeconfig.read_text(encoding="utf-8"))["users"]
    encoded = [one["user"]["client-key-data"] for one in users]
    return encoded + [base64.b64decode(text).decode().splitlines()[1] for text in encoded]


@pytest.mark.parametrize("connection", ["local", "elsewhere"])
def test_a_token_logs_in_and_is_never_shown(desk: Desk, cluster: Cluster, login: Json, connection: str) -> None:
    own = {"ansible_connection": connection, **{f"istio_{key}": value for key, value in login.items()}}
    token = login["api_key"]
    install = {"revision": NEW_REVISION, "version": NEW_VERSION, "istioctl": "{{ istio_istioctl }}"}
    tasks: list[Json] = [{"meshops.istio.istio_info": {}}, {"meshops.istio.istio_revision": install}]
    by_token = {key: f"{{{{ istio_{key} }}}}" for key in login}
    book = playbook(desk, tasks, by_token)
    running = desk.start([cluster], "--check", "--diff", "-vvv", playbook=book, hosts={cluster.name: own})
    play = running.end().require_success()
    told = play.output + running.record.read_text(encoding="utf-8")
    assert len(play.of(cluster, "istio_revision")[0]["changes"]) > 20
    assert cluster.server in told
    for secret in (token, token.rpartition(".")[2], *known_secrets(cluster)):
        assert secret not in told
