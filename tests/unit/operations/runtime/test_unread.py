# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The result of a task has a warning about each input that this user may not read."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.istio_operators import ISTIO_OPERATORS
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.istiod_writers import (
    require_no_in_cluster_operator,
)
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import istio_revision
from unit.support import builders as b
from unit.support.api_answers import failure
from unit.support.fake_api import FakeApi
from unit.support.restarts import MOVED, restart
from unit.support.running import run_of

pytestmark = pytest.mark.usefixtures("quick")

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"


def test_a_restart_names_policies_that_this_user_may_not_read() -> None:
    with FakeApi(*MOVED, *b.deployed()) as api:
        api.script("GET", POLICIES, *[failure(403, "may not list policies")] * 9)
        (warning,) = restart(api)["warnings"]
    assert "Policies on new pods are left out: " in warning
    assert "may not list policies" in warning


@pytest.mark.parametrize(("status", "warnings"), [(403, 1), (404, 0)])
def test_an_operator_that_could_not_be_looked_for_is_not_absent(status: int, warnings: int) -> None:
    with FakeApi(*b.plane(b.OLD), *b.namespaces()) as api:
        api.script("GET", ISTIO_OPERATORS, failure(status, "no answer for you"))
        run = run_of(api, istio_revision.CORE, revision=b.OLD, version=b.NEW_VERSION)
        require_no_in_cluster_operator(run, b.OLD)
    assert len([text for text in run.warnings if "in-cluster operator" in text]) == warnings
