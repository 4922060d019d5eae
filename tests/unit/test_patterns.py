# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A pattern must match the whole text: `$` lets a line break at the end pass, and `match` anything after it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import (
    istio_precheck,
    istio_revision,
    istio_tag,
)
from unit.paths import ROOT
from unit.support.running import params

FILES = sorted((ROOT / "plugins").rglob("*.py"))
#: Where only the beginning is read, or a part is looked for: nothing is allowed by these.
PARTS = {
    ("manifest.py", "_CRD.search"),
    ("helm.py", "re.match"),
    ("helm.py", "_CHART_VERSION.search"),
    ("watch_events.py", "HEAD.match"),
    # these name a secret, which is hidden then, and the mesh that a proxy belongs to
    ("secrets.py", "re.search"),
    ("secrets.py", "_SECRET_NAME.search"),
    # one of these signs is one too many, wherever it stands
    ("secrets.py", "_UNSENDABLE.search"),
    ("secrets.py", "_CONTROL.search"),
    ("pod.py", "DISCOVERY.search"),
    ("extensions.py", "re.search"),
    ("istioctl_findings.py", "_START.search"),
    ("istioctl_findings.py", "_NEXT.match"),
    ("istioctl_findings.py", "_RESOURCE.search"),
    ("istioctl_findings.py", "_POD_NAMES.search"),
    # paths of annotations that are not compared
    ("cluster_settings.py", "NOTES.search"),
    # the API server names in its text who refused a pod
    ("refusals.py", "_ADMISSION.search"),
    ("refusals.py", "_INJECTED.search"),
    ("refusals.py", "_INVALID.search"),
    ("refusals.py", "_LIMITS.search"),
    ("refusals.py", "_POD_SECURITY.search"),
    ("refusals.py", "_POLICY.search"),
    ("refusals.py", "_QUOTA.search"),
    ("refusals.py", "_NO_DRY_RUN.search"),
    ("refusals.py", "_WEBHOOK.search"),
}


def calls(file: Path) -> list[ast.Call]:
    """Every call of a method in a file."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]


def test_f34_only_whole_texts_are_allowed() -> None:
    found = {
        (file.name, ast.unparse(call.func))
        for file in FILES
        for call in calls(file)
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("match", "search")
    }
    assert found == PARTS


def test_f34_no_pattern_ends_with_a_dollar() -> None:
    """Those of whole lines (re.MULTILINE) may: they cut a text into parts."""
    patterns = [
        call for file in FILES for call in calls(file) if ast.unparse(call.func).startswith("re.") and call.args
    ]
    assert len(patterns) > 20
    ending = [
        ast.unparse(call)
        for call in patterns
        if "$'" in ast.unparse(call.args[0]) and "re.MULTILINE" not in ast.unparse(call)
    ]
    assert not ending


GIVEN = {
    "name of a tag": (istio_tag, {"name": "prod", "revision": "1-31-0"}, "name"),
    "revision of a tag": (istio_tag, {"name": "prod", "revision": "1-31-0"}, "revision"),
    "revision": (istio_revision, {"revision": "1-31-0", "version": "1.31.0"}, "revision"),
    "version": (istio_revision, {"revision": "1-31-0", "version": "1.31.0"}, "version"),
    "version of the gate": (istio_precheck, {"revision": "1-31-0", "version": "1.31.0"}, "version"),
}


@pytest.mark.parametrize("case", GIVEN)
@pytest.mark.parametrize("more", ["\n", " ", "\n--x", "\x00"])
def test_f34_what_follows_an_allowed_text_is_refused(case: str, more: str) -> None:
    core, given, option = GIVEN[case]
    core.check(params(core.CORE, host="https://a.invalid", **given))
    with pytest.raises(ParameterError, match=f"Parameter {option}"):
        core.check(params(core.CORE, host="https://a.invalid", **{**given, option: given[option] + more}))


#: The only places that parse foreign data, with the parser: each of them raises the error that its callers expect.
PARSERS = {
    ("json_answers.py", "json.loads"),
    ("untrusted.py", "json.loads"),
    # texts that this code has composed itself from objects
    ("cluster_settings.py", "json.loads"),
    ("question_keys.py", "json.loads"),
    # what a worker of the same run says
    ("keeper_process.py", "json.loads"),
    ("credentials.py", "datetime.datetime.fromisoformat"),
    ("untrusted.py", "datetime.datetime.fromisoformat"),
    ("helm.py", "datetime.datetime.strptime"),
    ("connected_proxies.py", "json.loads"),
    # what an installer has rendered, what a user has given, and what the report has written itself
    ("install_plan.py", "json.loads"),
    ("waivers.py", "datetime.date.fromisoformat"),
    ("maintenance_window.py", "datetime.datetime.fromisoformat"),
    ("action.py", "json.loads"),
    ("killed_run.py", "json.loads"),
}


def test_f18_what_anybody_wrote_is_parsed_in_one_place() -> None:
    names = ("loads", "load", "fromisoformat", "strptime")
    found = {
        (file.name, ast.unparse(call.func))
        for file in FILES
        for call in calls(file)
        if isinstance(call.func, ast.Attribute) and call.func.attr in names
    }
    assert found - {("yaml_loader.py", "yaml.load")} == PARSERS
