# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles in docs/permissions.md are enough for a whole upgrade, and a missing one is reported before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import (
    ISTIOCTL_COMMANDS,
    NEEDED_BY_INSTALLER,
    READ,
    READ_FOR_CHECKS,
)
from integration.meshes import assert_sound, drop_unrestartable
from integration.safety import no_write, refusal
from integration.support import NEW_REVISION, NEW_VERSION, Desk, log_in
from lab import Cluster
from tools.pages import roles

Json = dict[str, Any]
pytestmark = pytest.mark.lab
NAMESPACE = "istio-system"
RBAC = "rbac.authorization.k8s.io"
Login = Callable[[str, Iterable[Permission]], Json]


@pytest.fixture(scope="module")
def cluster(desk: Desk) -> Cluster:
    """Istio 1.30.3 and the population, ready to be finalized."""
    desk.fresh(desk.lab.clusters[:1])
    drop_unrestartable(desk.lab.clusters[0])
    return desk.lab.clusters[0]


@pytest.fixture
def login(cluster: Cluster, tmp_path: Path) -> Login:
    """Make a ServiceAccount with exactly some permissions, and return the auth options that log in as it."""

    def of(name: str, wanted: Iterable[Permission]) -> Json:
        account = {"name": name, "namespace": NAMESPACE}
        subjects = [{"kind": "ServiceAccount", **account}]
        granted = roles(name, wanted, NAMESPACE)
        bindings = [
            {
                **{key: role[key] for key in ("apiVersion", "metadata")},
                "kind": f"{role['kind']}Binding",
                "roleRef": {"apiGroup": RBAC, "kind": role["kind"], "name": name},
                "subjects": subjects,
            }
            for role in granted
        ]
        return log_in(cluster, account, [*granted, *bindings], tmp_path)

    return of


def test_a_reader_may_look_and_is_told_what_an_upgrade_needs(desk: Desk, cluster: Cluster, login: Login) -> None:
    reader = login("reader", (*READ, *READ_FOR_CHECKS))
    target: Json = {"version": NEW_VERSION, "revision": NEW_REVISION}
    with no_write(cluster):
        looked = desk.tool(None, "istio_precheck", **reader, **target)
        asked = desk.tool(None, "istio_precheck", **reader, **target, installer="istioctl")
    assert [row for row in looked["findings"] if row["severity"] != "info"] == []
    assert [row["object"] for row in looked["findings"] if row["code"] == "MU090"] == ["check MU060", "check MU134"]
    assert looked["requests"]["writes"] == asked["requests"]["writes"] == 0
    assert "MU009" in str(asked["msg"])
    (row,) = (one for one in asked["findings"] if one["object"] == "permissions to move namespaces")
    assert row["message"] == "This user may not patch namespaces."


def test_the_role_of_an_installer_is_enough_for_the_whole_upgrade(desk: Desk, cluster: Cluster, login: Login) -> None:
    asking = [one for wanted in ISTIOCTL_COMMANDS.values() for one in wanted]
    options = login("installer", (*NEEDED_BY_INSTALLER["istioctl"], *READ_FOR_CHECKS, *asking))
    own = {"istio_kubeconfig": "", "istio_context": "", **{f"istio_{key}": value for key, value in options.items()}}
    play = desk.play([cluster], istio_finalize=True, hosts={cluster.name: own})
    play.require_success()
    assert_sound(cluster, NEW_VERSION, NEW_REVISION)
    gates = [one["findings"] for one in play.of(cluster, "istio_precheck")]
    assert [[row for row in rows if row["severity"] != "info"] for rows in gates] == [[], []]


def test_a_missing_right_is_said_before_anything_is_touched(desk: Desk, cluster: Cluster, login: Login) -> None:
    most = [one for one in NEEDED_BY_INSTALLER["istioctl"] if (one.verb, one.resource) != ("patch", "statefulsets")]
    options = login("almost", (*most, *READ_FOR_CHECKS))
    with no_write(cluster):
        result = desk.tool(None, "istio_precheck", **options, version="1.31.1", revision="1-31-1", installer="istioctl")
    assert result["failed"], refusal
    assert "permissions to restart workloads: This user may not patch statefulsets.apps." in result["msg"]
