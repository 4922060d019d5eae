# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run tasks by ansible-core in this process, with the fixtures of pytest-ansible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.pytest_ansible,
    # Its fixtures are deprecated, and ansible-core warns that they pass a mapping.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:AnsibleCollectionFinder has already been configured"),
]

# Module -> its required arguments, apart from the login to a cluster.
MODULES: dict[str, dict[str, object]] = {
    "istio_info": {},
    "istio_precheck": {"version": "1.31.0", "revision": "1-31-0"},
    "istio_revision": {"revision": "1-31-0", "version": "1.31.0"},
    "istio_tag": {"name": "prod", "revision": "1-31-0"},
    "namespace_revision": {"namespaces": ["shop"], "revision": "1-31-0"},
    "rollout_restart": {"namespaces": ["shop"]},
}


@pytest.fixture
def run(ansible_adhoc: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Return a function that runs one task on the controller and returns its result."""
    host = ansible_adhoc(inventory="localhost,", connection="local", host_pattern="localhost").localhost

    def task(name: str, /, **arguments: object) -> dict[str, Any]:
        contacted = getattr(host, f"meshops.istio.{name}")(**arguments)
        return dict(contacted["localhost"])

    return task


@pytest.mark.parametrize("name", MODULES)
def test_no_task_selects_a_default_cluster(
    run: Callable[..., dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    result = run(name, **MODULES[name])
    assert result["failed"]
    assert result["failure"]["kind"] == "ParameterError"
    assert "kubeconfig" in result["msg"]


def test_a_missing_context_is_named(run: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("{apiVersion: v1, kind: Config, contexts: [], clusters: [], users: []}")
    result = run("istio_info", kubeconfig=str(kubeconfig), context="paris-1")
    assert result["failed"]
    assert "paris-1" in result["msg"]
