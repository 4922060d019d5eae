# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files that are generated from tables of the code are up to date."""

from __future__ import annotations

import re

import pytest
import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from tools import pages


@pytest.mark.parametrize("name", pages.PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (pages.ROOT / name).read_text(encoding="utf-8") == pages.PAGES[name](), "run: make pages"


def test_codes_are_unique_and_rows_are_complete() -> None:
    codes = [check.code for check in pages.CHECKS]
    assert len(set(codes)) == len(codes)
    for check in pages.CHECKS:
        assert re.fullmatch(r"MU\d{3}", check.code)
        assert check.title
        assert check.why
        assert check.remedy


def test_rules_are_grouped_by_api_group_and_verbs() -> None:
    wanted = [
        Permission("list", "apps", "deployments", "x"),
        Permission("list", "apps", "daemonsets", "x"),
        Permission("list", "", "pods", "x"),
        Permission("create", "", "pods", "y"),
        Permission("list", "", "pods", "again"),
    ]
    assert pages.rules(wanted) == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "list"]},
        {"apiGroups": ["apps"], "resources": ["daemonsets", "deployments"], "verbs": ["list"]},
    ]


def test_the_examples_are_whole_objects() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", pages.permissions(), re.DOTALL)
    assert len(blocks) == len(pages.SETS)
    for block in blocks:
        assert [one["kind"] for one in yaml.safe_load_all(block)] == ["ClusterRole", "Role"]
