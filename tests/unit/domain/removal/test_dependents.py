# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that depends on a revision, kind by kind: in the gate, moves, the removal and the report."""

from __future__ import annotations

import dataclasses
import datetime
import json
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import COMPONENT_LABEL as COMPONENT
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.blockers import CODES
from ansible_collections.meshops.istio.plugins.module_utils.domain.removal.dependents import OVERDUE
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane import removal_inputs, retire
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules import (
    istio_precheck,
    istio_tag,
    namespace_revision,
    rollout_restart,
)
from unit.callback.results import SimulatedRun, base_result
from unit.operations.control_plane.test_retire import MOVED, Remover
from unit.paths import ROOT
from unit.support import builders as b
from unit.support.fake_api import FakeApi, failure
from unit.support.running import task

CONFIGURATIONS = "/apis/security.istio.io/v1/authorizationpolicies"
DOCS = ROOT


def later(seconds: float) -> str:
    """A time as the API server writes it."""
    return f"{datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%SZ}"


def syncz(api: FakeApi, *rows: dict[str, str], revision: str = b.OLD) -> None:
    """Let istiod of a revision know these proxies too."""
    others = api.syncz

    def answer(istiod: str) -> bytes:
        own = json.loads(others(istiod))
        return json.dumps([*own, *rows] if istiod.startswith(f"istiod-{revision}-") else own).encode()

    api.syncz = answer  # type: ignore[method-assign]


def proxy(name: str, **more: str) -> dict[str, str]:
    """A row of syncz."""
    return {"proxy": name, "proxy_type": "sidecar", "istio_version": b.OLD_VERSION, **more}


def silent(api: FakeApi) -> None:
    """No istiod answers."""
    api.syncz = lambda dummy: b"{}"  # type: ignore[method-assign]


def forbid(api: FakeApi) -> None:
    """AuthorizationPolicies may never be listed."""
    api.script("GET", CONFIGURATIONS, *[failure(403, "authorizationpolicies is forbidden")] * 20)


def gateway() -> list[b.Json]:
    """A gateway that the installation of the old revision created."""
    found = b.deployed("gateway", b.SYSTEM, revision=b.OLD)
    found[0]["metadata"]["labels"] = {REV: b.OLD, COMPONENT: "IngressGateways"}
    return found


@dataclasses.dataclass(frozen=True)
class Kind:
    """One dependent of the old revision, in a cluster in which the rest has moved."""

    code: str
    object: str
    objects: tuple[b.Json, ...] = ()
    of_api: Callable[[FakeApi], None] = lambda dummy: None
    #: Code of the gate before a move.
    gate: str = ""
    #: Whether a move is refused because of it.
    refused: bool = False


DENY = b.configuration("AuthorizationPolicy", "deny", "orders")
KINDS = {
    "a tag": Kind("tag", "tag prod", tuple(b.revision_tag("prod", b.OLD))),
    "a namespace": Kind("namespace", "namespace reports", (b.namespace("reports", {REV: b.OLD}),)),
    "the default validator": Kind("default_validator", "istiod-default-validator", (b.validator(b.OLD),)),
    "the default Service": Kind(
        "default_service", "istiod-revision-tag-default", (b.istiod_service(b.OLD, "default"),)
    ),
    "a proxy": Kind("live_proxy", "Pod shop/old", (b.pod("old", owner=None),)),
    "F6: a terminating proxy": Kind(
        "terminating_proxy", "Pod shop/old", (b.pod("old", owner=None, gone_at="2999-01-01T00:00:00Z"),)
    ),
    "F5: a machine": Kind("connected_proxy", "proxy vms/vm1", of_api=lambda api: syncz(api, proxy("vm1.vms"))),
    "F5: a pod of another cluster": Kind(
        "connected_proxy",
        "proxy shop/cart-1",
        of_api=lambda api: syncz(api, proxy("cart-1.shop", cluster_id="west")),
    ),
    "F5: a strayed pod": Kind(
        "connected_proxy",
        "Pod shop/strayed",
        (b.pod("strayed", revision=b.NEW, owner=None),),
        lambda api: syncz(api, proxy("strayed.shop")),
    ),
    "labels of pods": Kind(
        "selects_revision",
        "Deployment plain/web",
        (b.namespace("plain"), *b.deployed("web", "plain", pods=0, pod_labels={REV: b.OLD})),
    ),
    "F4: an AuthorizationPolicy": Kind(
        "configuration", "AuthorizationPolicy orders/deny", (DENY,), gate="MU053", refused=True
    ),
    "F4: a policy in the root namespace": Kind(
        "configuration",
        "AuthorizationPolicy istio-system/deny",
        (b.configuration("AuthorizationPolicy", "deny", b.SYSTEM),),
        gate="MU053",
        refused=True,
    ),
    "F4: a route of another namespace": Kind(
        "configuration",
        "HTTPRoute shop/r",
        (b.configuration("HTTPRoute", "r", "shop"),),
        gate="MU053",
    ),
    "F4: a Gateway": Kind(
        "configuration",
        "Gateway.gateway.networking.k8s.io orders/g",
        (b.configuration("Gateway", "g", "orders"),),
    ),
    "F4: machines of a WorkloadGroup": Kind(
        "configuration",
        "WorkloadGroup orders/legacy",
        (b.configuration("WorkloadGroup", "legacy", "orders"),),
        gate="MU053",
        refused=True,
    ),
    "a shared gateway": Kind("shared_component", "Deployment istio-system/gateway", tuple(gateway())),
    "an istiod that does not answer": Kind("not_checked", "connected proxy", of_api=silent, gate="MU090"),
    "configuration that may not be read": Kind("not_checked", "configuration", of_api=forbid, gate="MU090"),
}
EACH = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make reads repeat without a pause."""
    monkeypatch.setattr(removal_inputs, "PAUSE", 0)
    monkeypatch.setattr(
        "ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies.PAUSE", 0
    )


@pytest.fixture
def api() -> Iterator[FakeApi]:
    """A cluster in which everything has moved."""
    with FakeApi(*MOVED, *b.deployed(revision=b.NEW)) as found:
        yield found


@pytest.fixture
def remover(api: FakeApi, tmp_path: Path) -> Remover:
    """A user who removes the old revision from it."""
    return Remover(api, tmp_path)


def test_every_code_has_a_row_above() -> None:
    assert {kind.code for kind in KINDS.values()} == set(CODES)


def put(api: FakeApi, kind: Kind) -> None:
    """Let it depend on the old revision; an existing object of the same name is replaced."""
    names = {(obj["kind"], obj["metadata"]["name"]) for obj in kind.objects}
    kept = [obj for obj in api.objects if (obj["kind"], obj["metadata"]["name"]) not in names]
    api.objects = json.loads(json.dumps([*kept, *kind.objects]))
    kind.of_api(api)


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


@EACH
def test_the_gate_before_a_move(api: FakeApi, kind: Kind) -> None:
    put(api, kind)
    options = {"stage": "before", "version": b.NEW_VERSION, "revision": b.NEW, "source_revision": b.OLD}
    rows = task(api, istio_precheck.CORE, **options)["findings"]
    found = {row["code"] for row in rows} & {"MU053", "MU072", "MU090"}
    assert found == ({kind.gate} if kind.gate else set())


def before_the_move(api: FakeApi, kind: Kind) -> None:
    """The same cluster before namespace orders and tag stable move."""
    put(api, kind)
    spaces = [b.namespace("orders", {REV: b.OLD}), b.namespace("choosing")]
    share = b.deployed("web", "choosing", pod_labels={REV: b.OLD})
    api.objects += json.loads(json.dumps([*spaces, *share, *b.revision_tag("stable", b.OLD)]))


def moved_namespace(api: FakeApi, dummy: Path, **options: t.Any) -> b.Json:
    return task(api, namespace_revision.CORE, namespaces=["orders"], revision=b.NEW, **options)


def moved_tag(api: FakeApi, folder: Path, **options: t.Any) -> b.Json:
    api.get("Namespace", "orders")["metadata"]["labels"] = {REV: "stable"}
    for version in (b.OLD_VERSION, b.NEW_VERSION):
        api.istioctl(folder, version)

    def does(dummy: list[str]) -> tuple[int, str, str]:
        own = [obj for obj in api.objects if obj["metadata"].get("labels", {}).get("istio.io/tag") != "stable"]
        api.objects = [*own, *b.revision_tag("stable", b.NEW)]
        return 0, "", ""

    api.istioctl_does = does
    given = {"name": "stable", "revision": b.NEW, "istioctl": str(folder / "istioctl-{version}")}
    return task(api, istio_tag.CORE, **given, **options)


def moved_share(api: FakeApi, dummy: Path, **options: t.Any) -> b.Json:
    for obj in api.objects:
        if obj["metadata"].get("namespace") == "orders":
            obj["metadata"]["namespace"] = "choosing"
    given: b.Json = {"namespaces": ["choosing"], "percent": 100, "revision": b.NEW}
    return task(api, rollout_restart.CORE, **given, **options)


MOVES = {"namespace": moved_namespace, "tag": moved_tag, "share": moved_share}


@EACH
@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_move_is_refused_only_if_configuration_would_stop_applying(
    api: FakeApi, tmp_path: Path, kind: Kind, move: Callable[..., b.Json]
) -> None:
    before_the_move(api, kind)
    planned = move(api, tmp_path, check_mode=True)
    result = move(api, tmp_path)
    assert bool(result.get("failed")) is bool(planned.get("failed")) is kind.refused, result
    if kind.refused:
        assert result["failure"]["kind"] == "SafetyError"
        assert len(result["failure"]["configuration"]) == 1
        assert "would silently stop applying to workloads that move to 1-31-0" in result["msg"]
        assert not api.writes()
        allowed = move(api, tmp_path, allow=["MU053"])
        assert allowed["changed"], allowed
        assert "would silently stop applying" in " ".join(allowed["warnings"])


def test_restoring_is_never_refused(api: FakeApi) -> None:
    before_the_move(api, Kind("", "", (b.configuration("AuthorizationPolicy", "new", "orders", b.NEW),)))
    assert moved_namespace(api, Path())["changed"]
    back = task(api, namespace_revision.CORE, namespaces=["orders"], state="restored")
    assert back["changed"]
    assert (
        "AuthorizationPolicy orders/new would silently stop applying to workloads that move to 1-30-3"
        in back["warnings"][0]
    )


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_move_warns_of_configuration_that_was_not_read(
    api: FakeApi, tmp_path: Path, move: Callable[..., b.Json]
) -> None:
    before_the_move(api, Kind("", "", of_api=forbid))
    result = move(api, tmp_path, check_mode=True)
    assert result["changed"]
    assert result["warnings"][0].startswith("Not checked whether configuration stops applying by this move (finding")


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_move_is_refused_by_the_kinds_that_were_read(
    api: FakeApi, tmp_path: Path, move: Callable[..., b.Json]
) -> None:
    before_the_move(api, Kind("", "", (b.configuration("WorkloadGroup", "legacy", "orders"),), of_api=forbid))
    result = move(api, tmp_path, check_mode=True)
    assert result["failure"]["kind"] == "SafetyError"
    [lost] = result["failure"]["configuration"]
    assert lost.startswith("WorkloadGroup ")
    allowed = move(api, tmp_path, check_mode=True, allow=["MU053"])
    assert ["would silently stop applying" in text or "Not checked" in text for text in allowed["warnings"][:2]] == [
        True
    ] * 2


@pytest.mark.parametrize("page", ["docs/canary.md", "plugins/modules/istio_revision.py"])
def test_every_code_is_documented(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    told = [code for code in CODES if f"`{code}`" in text or f"V({code})" in text]
    assert told == [*CODES]


def leaves(seconds: float, **more: t.Any) -> b.Json:
    """A pod of the old revision that has to be gone in some seconds."""
    found = b.pod("old", owner=None, gone_at=later(seconds))
    found["spec"] |= more
    return found


def test_f6_a_pod_that_is_gone_soon_is_waited_for(remover: Remover, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retire, "LONGEST_PAUSE", 0)
    pod = leaves(20)
    remover.api.objects.append(pod)
    looks: list[str] = []

    def goes(run: t.Any, found: t.Any) -> bool:
        looks.append(found.name)
        if len(looks) == 3:
            remover.api.objects = [obj for obj in remover.api.objects if obj["metadata"]["name"] != "old"]
        return pod_exists(run, found)

    pod_exists = retire._pod_exists
    monkeypatch.setattr(retire, "_pod_exists", goes)
    said: list[str] = []
    result = remover.run(progress=said.append)
    assert (result["changed"], result["overridden"], looks) == (True, [], ["old"] * 3)
    assert any(line.startswith("waiting until terminating pods are gone, at the latest at") for line in said)


def test_f6_check_mode_does_not_wait(remover: Remover) -> None:
    remover.api.objects.append(leaves(20))
    assert remover.run(check_mode=True)["changed"]


@pytest.mark.parametrize(
    ("seconds", "remedy"),
    [
        pytest.param(7200, "wait until {due}, when it is gone at the latest", id="a game server"),
        pytest.param(-OVERDUE - 60, "it had to be gone at {due}: check node dead", id="a dead node"),
    ],
)
def test_f6_a_pod_that_is_not_gone_soon_is_a_blocker(remover: Remover, seconds: float, remedy: str) -> None:
    pod = leaves(seconds, nodeName="dead")
    remover.api.objects.append(pod)
    [blocker] = remover.run()["failure"]["blockers"]
    assert blocker["remedy"].startswith(remedy.format(due=pod["metadata"]["deletionTimestamp"]))


def test_f5_a_proxy_that_has_just_disconnected_is_not_a_blocker(remover: Remover) -> None:
    answers = [[proxy("old-1.shop")], []]
    remover.api.syncz = lambda dummy: json.dumps(answers.pop(0)).encode()  # type: ignore[method-assign]
    assert remover.run()["changed"]
    assert answers == []


def test_f5_hints_name_machines_and_clusters(remover: Remover) -> None:
    secret = {
        "kind": "Secret",
        "metadata": b.meta("istio-remote-secret-west", b.SYSTEM, {"istio/multiCluster": "true"}),
    }
    group = b.configuration("WorkloadGroup", "legacy", "vms", None)
    entry = b.configuration("WorkloadEntry", "legacy-10.0.0.1", "vms", None)
    remover.api.objects += [secret, group, entry]
    syncz(remover.api, proxy("vm1.vms"), proxy("cart.shop", cluster_id="west"))
    messages = [one["message"] + one["remedy"] for one in remover.run()["failure"]["blockers"]]
    known = "known here: WorkloadGroup vms/legacy, WorkloadEntry vms/legacy-10.0.0.1, cluster west"
    assert [known in message for message in messages] == [True, True]


def test_f5_an_istiod_that_never_ran_has_no_proxies(remover: Remover) -> None:
    remover.api.get("Deployment", f"istiod-{b.OLD}")["status"]["readyReplicas"] = 0
    assert remover.run()["changed"]


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        pytest.param({"phase": "Running"}, True, id="not ready"),
        pytest.param({"phase": "Running", "containerStatuses": [{"state": {"waiting": {}}}]}, False, id="it crashes"),
        pytest.param({"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}, True, id="it runs"),
        pytest.param({"phase": "Pending"}, False, id="it never started"),
    ],
)
def test_f5_an_istiod_that_runs_has_to_answer_ready_or_not(remover: Remover, status: b.Json, asked: bool) -> None:
    labels = {"app": "istiod", REV: b.OLD}
    pod = {"kind": "Pod", "metadata": b.meta(f"istiod-{b.OLD}-1", b.SYSTEM, labels), "status": status, "spec": {}}
    remover.api.objects.append(pod)
    remover.run(check_mode=True)
    asked_for = {seen.path for seen in remover.api.seen if seen.path.endswith("/portforward")}
    assert (f"/api/v1/namespaces/istio-system/pods/istiod-{b.OLD}-1/portforward" in asked_for) is asked


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
