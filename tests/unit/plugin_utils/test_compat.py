# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Both sides of each difference between versions of ansible-core, as far as one version can show them."""

from __future__ import annotations

import signal
import subprocess
import sys
import types
import typing as t
from collections.abc import Iterator

import pytest
from ansible.errors import AnsibleLookupError
from ansible.template import Templar

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.plugin_utils import compat
from unit.paths import COLLECTIONS

EVIL = "{{ lookup('ansible.builtin.pipe', 'echo templated') }}"


@pytest.mark.parametrize("prefix", ["", "_"], ids=["2.19 and newer", "before 2.19"])
def test_the_parts_of_a_result(prefix: str) -> None:
    host = types.SimpleNamespace(name="paris")
    result = types.SimpleNamespace(**{f"{prefix}host": host, f"{prefix}task": "task", f"{prefix}result": {"a": 1}})
    assert compat.result_parts(result) == ("paris", "task", {"a": 1})


@pytest.mark.parametrize("value", [EVIL, [EVIL], {"a": {EVIL: EVIL}}], ids=["text", "list", "mapping"])
def test_a_value_that_is_never_a_template(value: t.Any) -> None:
    marked = compat.never_template(value)
    assert marked == value
    assert Templar(loader=None, variables={"marked": marked}).template(marked) == value


class Marked(str):
    """A text with a type of its own, as the one of ansible-core before 2.19."""

    def __str__(self) -> str:  # pylint: disable=invalid-str-returned
        return self


def test_texts_of_a_type_of_their_own_become_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compat, "MARKS_TEMPLATES", False)
    plain = compat.plain_texts({Marked("a"): [Marked("b"), 1, None, True]})
    assert plain == {"a": ["b", 1, None, True]}
    assert [type(text) for text in (*plain, plain["a"][0])] == [str, str]


def test_errors_of_the_collection_are_errors_of_a_lookup() -> None:
    with pytest.raises(AnsibleLookupError, match="^a sentence$"), compat.lookup_errors():
        raise ParameterError("a sentence")


@pytest.fixture
def sigterm() -> Iterator[signal.Signals]:
    """Restore the handler of a signal."""
    before = signal.getsignal(signal.SIGTERM)
    yield signal.SIGTERM
    signal.signal(signal.SIGTERM, before)


def test_a_handler_is_returned_as_it_is_and_an_ignored_signal_has_none(sigterm: signal.Signals) -> None:
    def handler(*dummy: object) -> None:
        return None

    signal.signal(sigterm, handler)
    assert compat.handler_or_default(sigterm) is handler
    signal.signal(sigterm, signal.SIG_IGN)
    assert compat.handler_or_default(sigterm) is None


def test_the_default_of_the_system_ends_the_process() -> None:
    module = "ansible_collections.meshops.istio.plugins.plugin_utils"
    code = f"import signal; from {module} import compat; compat.handler_or_default(signal.SIGTERM)(15, None)"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(COLLECTIONS)}, check=False, timeout=60)
    assert done.returncode == -signal.SIGTERM
