# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a core against the fake API as a task would: options validated by its own specification, defaults filled in."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Callable

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.meshops.istio.plugins.module_utils.operations.runtime.task import (
    ModuleCore,
    TaskContext,
    execute,
)
from unit.support import builders as b
from unit.support.fake_api import FakeApi


def params(core: ModuleCore, **options: t.Any) -> b.Json:
    """All parameters of a task with some options; refuses what the specification refuses."""
    keywords = core.spec.as_keywords()
    checked = ArgumentSpecValidator(keywords.pop("argument_spec"), **keywords).validate(options)
    assert not checked.error_messages, checked.error_messages
    return dict(checked.validated_parameters)


def task(
    api: FakeApi,
    core: ModuleCore,
    *,
    check_mode: bool = False,
    progress: Callable[[str], None] = print,
    **options: t.Any,
) -> b.Json:
    """The result of a task, which can be written as JSON; in check mode nothing may be written."""
    before = len(api.writes())
    given = params(core, **{"host": api.url, **options})
    result = execute(core, given, check_mode=check_mode, diff=True, progress=progress)
    json.dumps(result)
    assert not check_mode or len(api.writes()) == before
    return result


def run_of(api: FakeApi, core: ModuleCore, *, check_mode: bool = False, **options: t.Any) -> TaskContext:
    """A run as the core of a core gets it."""
    return TaskContext.create(api.client(), params(core, **{"host": api.url, **options}), check_mode)
