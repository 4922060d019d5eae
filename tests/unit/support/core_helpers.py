# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Helpers for tests that ansible-core has since 2.19 only."""

from __future__ import annotations

import contextlib
import importlib
import json
import typing as t
from collections.abc import Iterator
from unittest import mock

import ansible.template
from ansible.module_utils import basic

from ansible_collections.meshops.istio.plugins.plugin_utils.compat import MARKS_TEMPLATES


@contextlib.contextmanager
def patch_module_args(arguments: dict[str, t.Any]) -> Iterator[None]:
    """Give arguments to a module in this process."""
    if MARKS_TEMPLATES:
        with importlib.import_module("ansible.module_utils.testing").patch_module_args(arguments):
            yield
        return
    raw = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
    with mock.patch.object(basic, "_ANSIBLE_ARGS", raw):
        yield


def as_template(text: str) -> t.Any:
    """Return a text that is a template."""
    return ansible.template.trust_as_template(text) if MARKS_TEMPLATES else text
