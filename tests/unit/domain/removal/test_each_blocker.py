# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that depends on a revision, kind by kind: in the removal, its check mode, the report and the documents."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blocker_codes import CODES
from unit.callback.results import SimulatedRun, base_result
from unit.paths import ROOT
from unit.support import builders as b
from unit.support.dependents import EACH, KINDS, Kind, put
from unit.support.removal import Remover

DOCS = ROOT


def test_every_code_has_a_row_above() -> None:
    assert {kind.code for kind in KINDS.values()} == set(CODES)


@EACH
@pytest.mark.parametrize("check_mode", [True, False], ids=["check mode", "real"])
def test_each_kind_alone_blocks_a_removal(remover: Remover, kind: Kind, check_mode: bool) -> None:
    put(remover.api, kind)
    result = remover.run(check_mode=check_mode)
    found = result["failure"]["blockers"]
    assert [(one["code"], one["object"]) for one in found] == [(kind.code, kind.object)]
    assert all(one["message"] and one["remedy"] for one in found)
    assert (result["changed"], remover.commands) == (False, [])


@EACH
def test_the_report_of_a_run_has_each_kind_with_its_remedy(remover: Remover, kind: Kind) -> None:
    put(remover.api, kind)
    result = remover.run(check_mode=True)
    simulated_run = SimulatedRun("paris-1")
    # The report identifies a cluster by the name in the results.
    simulated_run.task("paris-1", "istio_revision", {**result, "cluster": base_result()["cluster"]})
    assert simulated_run.cluster()["failures"][0]["blockers"] == result["failure"]["blockers"]


@EACH
def test_each_kind_is_overridden_by_its_own_code_with_a_warning(remover: Remover, kind: Kind) -> None:
    put(remover.api, kind)
    result = remover.run(allow_blockers=[kind.code])
    assert [(one["code"], one["object"]) for one in result["overridden"]] == [(kind.code, kind.object)]
    assert [text.partition(" blockers")[0] for text in result["warnings"]] == [
        f"Removing revision 1-30-3 despite {kind.code}"
    ]


@pytest.mark.parametrize("page", ["docs/canary.md", "plugins/modules/istio_revision.py"])
def test_every_code_is_documented(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    told = [code for code in CODES if f"`{code}`" in text or f"V({code})" in text]
    assert told == [*CODES]


#: Blockers of the state that is there, by what finalize says that it will free itself.
FREED = [
    pytest.param({}, {"tag", "namespace", "live_proxy", "default_validator"}, id="nothing"),
    pytest.param(
        {"revision": b.NEW, "tags": ["default"]}, {"namespace", "live_proxy"}, id="the default, and nothing else"
    ),
    pytest.param(
        {"revision": b.NEW, "version": b.NEW_VERSION, "tags": ["default"], "namespaces": ["shop"]},
        set(),
        id="all of it, in check mode of a whole run",
    ),
]


@pytest.mark.parametrize(("planned", "codes"), FREED)
def test_a_part_that_is_not_planned_is_reported_as_it_is(remover: Remover, planned: b.Json, codes: set[str]) -> None:
    """A real run of finalize looks at what is there: what earlier stages planned may not have come true."""
    remover.api.objects = [
        *b.plane(b.OLD),
        *b.plane(b.NEW),
        *b.revision_tag("default", b.OLD),
        *b.namespaces(shop=b.OLD),
        *b.deployed(revision=b.OLD),
    ]
    result = remover.run(check_mode=True, **({"planned": planned} if planned else {}))
    assert {one["code"] for one in (result.get("failure") or {}).get("blockers", [])} == codes


def test_a_moved_default_restarts_only_workloads_that_follow_it_by_own_labels(remover: Remover) -> None:
    """Finalize restarts these; pods of a namespace with istio-injection=enabled stay on the old revision."""
    by_namespace = [b.namespace("on", {"istio-injection": "enabled"}), *b.deployed("a", "on", revision=b.OLD)]
    own = {"sidecar.istio.io/inject": "true"}
    by_label = [b.namespace("free"), *b.deployed("a", "free", revision=b.OLD, pod_labels=own)]
    planes = [*b.plane(b.OLD), *b.plane(b.NEW), *b.revision_tag("default", b.OLD), *b.namespaces()]
    remover.api.objects = [*planes, *by_namespace, *by_label]
    result = remover.run(check_mode=True, planned={"revision": b.NEW, "tags": ["default"]})
    found = [(one["code"], one["object"]) for one in result["failure"]["blockers"]]
    assert found == [("live_proxy", "Deployment on/a")]
