# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installing, replacing and removing a revision by Helm (S3, S4, S11, S12), with a fake helm that keeps releases."""

from __future__ import annotations

import copy
import json
import os
import signal
import time
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.install.helm_releases import with_release_metadata
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import task

RELEASE, NOTES = "istiod-1-31-0", "meshops-istio-run"
LONG_AGO, LATER = "2026-01-01T00:00:00Z", "2999-01-01T00:00:00Z"
READER: b.Json = {"kind": "ServiceAccount", "metadata": b.meta("istio-reader", b.SYSTEM)}


class Helm:
    """A cluster with a fake helm whose charts render what a test says; releases are kept as Helm keeps them."""

    def __init__(self, api: FakeApi, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.makes: dict[str, list[b.Json]] = {"base": [READER], "istiod": b.plane(b.NEW)}
        self.records: dict[str, list[b.Json]] = {}
        self.given: dict[str, b.Json] = {}
        self.log: list[str] = []
        self.creates: list[bool] = []
        api.helm_does = self.does
        for chart in ("base", "istiod"):
            (folder / chart).touch()

    def record(self, name: str, objects: list[b.Json], *, status: str = "deployed", updated: str = LONG_AGO) -> None:
        """Keep one more record of a release, as the storage does."""
        kept = self.records.setdefault(name, [])
        chart = "base-1.31.0" if name == "istio-base" else "istiod-1.31.0"
        row = {"name": name, "chart": chart, "revision": len(kept) + 1, "status": status, "updated": updated}
        kept.append({**row, "objects": [as_rendered(obj) for obj in objects]})
        secret = f"sh.helm.release.v1.{name}.v{len(kept)}"
        self.api.objects.append({"kind": "Secret", "metadata": b.meta(secret, b.SYSTEM)})

    def put(self, name: str, objects: list[b.Json]) -> None:
        """Put the objects of a release on the cluster."""
        places = {(obj["kind"], obj["metadata"]["name"]) for obj in objects}
        self.api.objects = [o for o in self.api.objects if (o["kind"], o["metadata"]["name"]) not in places]
        for obj in objects:
            made = with_release_metadata(obj, name, b.SYSTEM)
            made["metadata"]["resourceVersion"] = "7"
            self.api.objects.append(made)

    def does(self, arguments: list[str]) -> tuple[int, str, str]:
        """Carry out one command."""
        command, *rest = arguments
        if command == "version":
            return 0, "v4.2.4", ""
        if command == "show":
            return 0, "version: 1.31.0", ""
        self.sweep()
        if command == "list":
            last = [{**records[-1], "objects": None} for records in self.records.values() if records]
            return 0, json.dumps(last), ""
        if command == "history":
            return 0, json.dumps([{**row, "objects": None} for row in self.records[rest[0]]]), ""
        if command == "get":
            return 0, self.get(*rest), ""
        if command == "template":
            self.given[rest[0]] = json.loads(Path(arguments[arguments.index("--values") + 1]).read_text())
            return 0, documents([as_rendered(obj) for obj in self.makes[Path(rest[1]).name]]), ""
        self.log.append(f"{command} {rest[0]}")
        return self.upgrade(rest[0], arguments) if command == "upgrade" else self.uninstall(rest[0])

    def sweep(self) -> None:
        """Forget the records whose Secret is gone."""
        there = {secret["metadata"]["name"] for secret in b.of_kind(self.api.objects, "Secret")}
        for name, records in self.records.items():
            self.records[name] = [r for r in records if f"sh.helm.release.v1.{name}.v{r['revision']}" in there]

    def get(self, what: str, name: str, *flags: str) -> str:
        """Answer helm get."""
        if what == "values":
            return "null"
        if what == "metadata":
            return json.dumps({"applyMethod": "ssa"})
        asked = int(flags[1]) if flags[0] == "--revision" else self.records[name][-1]["revision"]
        return documents(next(row["objects"] for row in self.records[name] if row["revision"] == asked))

    def upgrade(self, name: str, arguments: list[str]) -> tuple[int, str, str]:
        """Answer helm upgrade: refuse a pending release as Helm does, else install."""
        assert "--force-conflicts" in arguments
        self.creates.append("--create-namespace" in arguments)
        if self.records.get(name) and self.records[name][-1]["status"].startswith("pending"):
            return 1, "", "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress"
        made = self.makes[Path(arguments[2]).name]
        for record in self.records.get(name, ()):
            record["status"] = "superseded"
        self.record(name, made)
        self.put(name, made)
        return 0, "", ""

    def uninstall(self, name: str) -> tuple[int, str, str]:
        """Answer helm uninstall: what the last record holds goes, whoever it leads to."""
        gone = {(obj["kind"], obj["metadata"]["name"]) for obj in self.records.pop(name)[-1]["objects"]}
        self.api.objects = [o for o in self.api.objects if (o["kind"], o["metadata"]["name"]) not in gone]
        return 0, "", ""

    def run(self, **options: t.Any) -> b.Json:
        """The result of a task."""
        given: b.Json = {"revision": b.NEW, "installer": "helm", "helm": self.api.helm(self.folder), "timeout": 1}
        if options.get("state") != "absent":
            given |= {"version": b.NEW_VERSION, "charts": str(self.folder)}
        return task(self.api, CORE, **{**given, **options})


def as_rendered(obj: b.Json) -> b.Json:
    """An object as a chart renders it."""
    found = copy.deepcopy(obj)
    found["metadata"].pop("uid", None)
    found["metadata"].pop("annotations", None)
    found.pop("status", None)
    return found


def documents(objects: list[b.Json]) -> str:
    """A manifest."""
    return "\n---\n".join(json.dumps(obj) for obj in objects)


@pytest.fixture
def helm(tmp_path: Path, quick: None) -> Iterator[Helm]:
    """A cluster before its canary, installed by Helm."""
    with FakeApi(*b.namespaces(shop=b.OLD)) as api:
        found = Helm(api, tmp_path)
        old = [*b.plane(b.OLD)]
        found.record("istiod-1-30-3", old)
        found.put("istiod-1-30-3", old)
        found.record("istio-base", [])
        api.objects.append(b.validator(b.OLD))
        yield found


def test_a_canary_is_installed_and_proven(helm: Helm) -> None:
    result = helm.run()
    assert result["actions"] == ["install revision 1-31-0 (1.31.0): create 6 objects"]
    assert helm.log == ["upgrade istio-base", f"upgrade {RELEASE}"]
    assert helm.given == {
        "istio-base": {"defaultRevision": b.OLD},
        RELEASE: {"revision": b.NEW, "pilot": {"env": b.DECIDED}},
    }
    assert result["diff"]["after"]["control_planes"] == {b.OLD: "1.30.3", b.NEW: "1.31.0"}


@pytest.mark.parametrize("there", [True, False])
def test_a_missing_namespace_is_created(helm: Helm, there: bool) -> None:
    if not there:
        helm.api.objects = [*b.namespaces()[:2], b.namespace("free")]
        helm.records.clear()
    helm.run()
    assert helm.creates == [not there] * 2


def test_check_mode_lists_the_changes_and_a_second_run_makes_none(helm: Helm) -> None:
    planned = helm.run(check_mode=True)
    assert helm.log == []
    assert planned["diff"] == helm.run()["diff"]
    again = helm.run()
    assert (again["changed"], again["changes"], len(helm.log)) == (False, [], 2)


def test_only_the_release_that_differs_is_upgraded(helm: Helm) -> None:
    helm.run()
    helm.makes["istiod"][0]["spec"]["replicas"] = 3
    planned = helm.run(check_mode=True)
    assert [(c["kind"], c["fields"]) for c in planned["changes"]] == [("Deployment", ["spec.replicas"])]
    helm.makes["istiod"][0]["status"] = {**helm.makes["istiod"][0]["status"], "replicas": 3, "updatedReplicas": 3}
    helm.makes["istiod"][0]["status"]["readyReplicas"] = 3
    assert helm.run()["changed"]
    assert helm.log == ["upgrade istio-base", f"upgrade {RELEASE}", f"upgrade {RELEASE}"]


def test_fields_that_an_upgrade_removes_are_part_of_the_plan(helm: Helm) -> None:
    """Helm 3 compares manifests; a server-side apply alone would not show it here."""
    helm.run()
    for obj in b.of_kind(helm.makes["istiod"], "ConfigMap"):
        obj["data"].pop("config", None)
    (change,) = helm.run(check_mode=True)["changes"]
    assert (change["name"], change["fields"]) == ("istio-sidecar-injector-1-31-0", ["data.config"])


def test_s12_an_upgrade_that_deletes_is_refused(helm: Helm) -> None:
    helm.makes["istiod"].append({"kind": "NetworkPolicy", "metadata": b.meta("istiod", b.SYSTEM)})
    helm.run()
    kept = helm.makes["istiod"].pop()
    assert "would delete objects" in helm.run()["msg"]
    for obj in b.of_kind(helm.api.objects, "NetworkPolicy"):
        obj["metadata"]["annotations"]["helm.sh/resource-policy"] = "keep"
    assert helm.run()["changed"] is False
    helm.api.objects = [obj for obj in helm.api.objects if obj["kind"] != kept["kind"]]
    assert helm.run()["changed"] is False


def test_s10_newer_crds_leave_their_release_alone(helm: Helm) -> None:
    newer = {"app.kubernetes.io/part-of": "istio", "app.kubernetes.io/version": "1.31.1"}
    notes = {"meta.helm.sh/release-name": "istio-base"}
    crd = {"kind": "CustomResourceDefinition", "metadata": b.meta("gateways.networking.istio.io", "", newer, notes)}
    helm.api.objects.append(crd)
    helm.run()
    assert helm.log == [f"upgrade {RELEASE}"]


def test_s11_metadata_of_a_moved_default_is_not_a_change(helm: Helm) -> None:
    helm.makes["base"] = [READER, b.validator(b.OLD)]
    helm.record("istio-base", helm.makes["base"])
    helm.put("istio-base", helm.makes["base"])
    assert helm.run()["changed"]
    (found,) = b.of_kind(helm.api.objects, "ValidatingWebhookConfiguration")
    found["metadata"]["labels"]["app.kubernetes.io/instance"] = RELEASE
    helm.makes["base"][1]["metadata"]["labels"]["app.kubernetes.io/instance"] = "istio-base"
    assert helm.run()["changed"] is False
    found["webhooks"] = [{"name": "w", "clientConfig": {}}]
    helm.makes["base"][1]["webhooks"] = [{"name": "w", "clientConfig": {}, "timeoutSeconds": 5}]
    assert {c["name"] for c in helm.run(check_mode=True)["changes"]} == {"istiod-default-validator"}


def test_s11_a_tag_that_was_moved_is_not_moved_back(helm: Helm) -> None:
    helm.makes["istiod"].append(b.injector(b.NEW, tag="prod"))
    helm.run()
    next(o for o in helm.api.objects if o["metadata"]["name"] == "istio-revision-tag-prod")["metadata"]["labels"][
        "istio.io/rev"
    ] = b.OLD
    assert f"Release {RELEASE} would move tag prod from 1-30-3 to 1-31-0 as a side effect" in helm.run()["msg"]


def test_a_deactivated_injector_is_deactivated_again(helm: Helm) -> None:
    """Domain 4: ``tag set default`` deactivates the webhooks of an install without a revision, Helm does not know."""
    helm.makes["istiod"] = b.plane("default", b.NEW_VERSION)
    helm.api.objects = [*b.namespaces(), *b.revision_tag("default", "default")]
    helm.put("istiod", b.plane("default", "1.31.0", parked=True))
    helm.record("istiod", b.plane("default", "1.31.0"))
    for obj in b.of_kind(helm.makes["istiod"], "ConfigMap"):
        obj["data"]["more"] = "x"
    result = helm.run(revision="default", strategy="in_place")
    assert {change["kind"] for change in result["changes"]} == {"ConfigMap", "ServiceAccount"}
    assert b.mesh_of(helm.api.objects).injectors[-1].deactivated


PENDING = ["pending-install", "pending-upgrade"]


def leave(helm: Helm, status: str, **given: t.Any) -> None:
    """Leave a release as a helm does that is killed."""
    if status != "pending-install":
        helm.run()
    helm.put(RELEASE, helm.makes["istiod"])
    helm.record(RELEASE, helm.makes["istiod"], status=status, **given)


def announce(helm: Helm, *, began: str = LONG_AGO, revision: int | None = None) -> None:
    """Note that the last revision of the release was begun by a helm of ours."""
    number = helm.records[RELEASE][-1]["revision"] if revision is None else revision
    data = {f"helm.{RELEASE}.json": json.dumps({"revision": number, "began": began, "seconds": 61})}
    kept = [obj for obj in b.of_kind(helm.api.objects, "ConfigMap") if obj["metadata"]["name"] == NOTES]
    for obj in kept:
        helm.api.objects.remove(obj)
    helm.api.objects.append({"kind": "ConfigMap", "metadata": b.meta(NOTES, b.SYSTEM), "data": data})


@pytest.mark.parametrize("status", PENDING)
def test_s9_a_release_that_a_killed_helm_of_this_collection_left_is_finished(helm: Helm, status: str) -> None:
    leave(helm, status)
    announce(helm)
    planned = helm.run(check_mode=True)
    assert [c for c in planned["changes"] if c["kind"] == "Release"] == [
        {
            "kind": "Release", "namespace": b.SYSTEM, "name": RELEASE, "change": "update", "fields": ["status"],
            "field_count": 1,
        }
    ]  # fmt: skip
    assert planned["diff"]["after"]["objects"][f"Release {b.SYSTEM}/{RELEASE}"] == {"status": "deployed"}
    assert helm.run()["changed"]
    assert [row["status"] for row in helm.records[RELEASE]][-1] == "deployed"
    assert helm.run()["changed"] is False
    assert notes(helm) == {}


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize("noted", [None, 7], ids=["nothing is known of it", "we were at another revision"])
@pytest.mark.parametrize("status", [*PENDING, "uninstalling"])
def test_a_release_that_another_client_left_is_refused_and_named(
    helm: Helm, status: str, noted: int | None, check_mode: bool
) -> None:
    leave(helm, status)
    if noted:
        announce(helm, revision=noted)
    before = copy.deepcopy(helm.records)
    result = helm.run(check_mode=check_mode)
    assert result["failure"]["release"] == {"name": RELEASE, "status": status, "since": LONG_AGO}
    assert f"Release {RELEASE} on cluster {helm.api.url} is {status} since {LONG_AGO}" in result["msg"]
    assert "istio_end_pending_releases" in result["msg"]
    assert helm.records == before


@pytest.mark.parametrize("status", PENDING)
def test_the_user_can_end_a_pending_release_by_its_name(helm: Helm, status: str) -> None:
    leave(helm, status)
    assert helm.run(end_pending_releases=["another"])["failed"]
    assert helm.run(end_pending_releases=[RELEASE])["changed"]
    assert [row["status"] for row in helm.records[RELEASE]][-1] == "deployed"


def test_a_clock_that_is_behind_ends_nothing_and_does_not_wait_for_ever(helm: Helm) -> None:
    leave(helm, "pending-upgrade", updated=LATER)
    assert helm.run()["failure"]["release"]["since"] == LATER


def test_a_release_that_another_client_works_on_is_not_removed(helm: Helm) -> None:
    leave(helm, "pending-upgrade")
    before = copy.deepcopy(helm.records)
    assert "is pending-upgrade since" in helm.run(state="absent")["msg"]
    assert helm.records == before


def notes(helm: Helm) -> b.Json:
    """The notes about helms of this collection."""
    found = [obj for obj in b.of_kind(helm.api.objects, "ConfigMap") if obj["metadata"]["name"] == NOTES]
    return found[0]["data"] if found else {}


def test_a_run_that_is_killed_in_helm_leaves_a_note(helm: Helm) -> None:
    upgrade = helm.upgrade

    def killed(name: str, arguments: list[str]) -> tuple[int, str, str]:
        if name != RELEASE:
            return upgrade(name, arguments)
        helm.record(name, [], status="pending-install")
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        return 1, "", "killed"

    helm.upgrade = killed  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        helm.run()
    helm.upgrade = upgrade  # type: ignore[method-assign]
    (noted,) = map(json.loads, notes(helm).values())
    assert (noted["revision"], noted["seconds"]) == (1, 61)
    said: list[str] = []

    def progress(line: str) -> None:
        if line.startswith("waiting"):
            said.append(line)
            announce(helm)  # time goes by

    assert helm.run(progress=progress)["changed"]
    (line,) = said
    assert line.startswith(f"waiting for release {RELEASE}: it is pending-install since")


def test_a_helm_that_failed_leaves_no_note(helm: Helm) -> None:
    helm.upgrade = lambda *dummy: (1, "", "Error: no")  # type: ignore[method-assign]
    assert helm.run()["failed"]
    assert notes(helm) == {}


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"revision": 1}', '{"revision": 1, "began": 7, "seconds": "x"}'])
def test_a_note_that_cannot_be_read_proves_nothing(helm: Helm, text: str) -> None:
    leave(helm, "pending-install")
    announce(helm)
    for obj in b.of_kind(helm.api.objects, "ConfigMap"):
        if obj["metadata"]["name"] == NOTES:
            obj["data"] = {f"helm.{RELEASE}.json": text}
    assert helm.run()["failure"]["release"]["name"] == RELEASE


def test_a_release_that_another_client_works_on_is_waited_for(helm: Helm) -> None:
    helm.run()
    helm.record(RELEASE, helm.makes["istiod"], status="pending-upgrade", updated=LATER)
    said: list[str] = []

    def progress(line: str) -> None:
        said.append(line)
        if line.startswith("waiting for release"):
            helm.records[RELEASE][-1]["status"] = "deployed"

    assert helm.run(progress=progress)["changed"] is False
    assert [line for line in said if line.startswith("waiting")] == [
        f"waiting for release {RELEASE}: it is pending-upgrade since 00:00:00"
    ]


def test_a_pending_state_without_a_secret_is_reported(helm: Helm) -> None:
    helm.record(RELEASE, helm.makes["istiod"], status="pending-install")
    announce(helm)
    helm.sweep = lambda: None  # type: ignore[method-assign]
    helm.api.objects = [obj for obj in helm.api.objects if obj["kind"] != "Secret"]
    assert f"but its record is not in Secret sh.helm.release.v1.{RELEASE}.v1" in helm.run()["msg"]


def test_a_failed_release_is_upgraded_again(helm: Helm) -> None:
    helm.run()
    helm.record(RELEASE, helm.makes["istiod"], status="failed")
    assert helm.run()["actions"] == ["install revision 1-31-0 (1.31.0): update 1 objects"]
    assert helm.run()["changed"] is False


def test_a_killed_removal_is_ended_before_an_installation(helm: Helm) -> None:
    helm.record(RELEASE, [], status="uninstalling")
    announce(helm)
    assert helm.run()["changed"]
    assert helm.log == ["upgrade istio-base", f"uninstall {RELEASE}", f"upgrade {RELEASE}"]


def test_a_failing_helm_is_reported(helm: Helm) -> None:
    helm.upgrade = lambda *dummy: (1, "", "Error: UPGRADE FAILED: no")  # type: ignore[method-assign]
    result = helm.run()
    assert "did not come up" in result["msg"]
    assert "UPGRADE FAILED: no" in result["msg"]
    assert result["changed"]


@pytest.mark.parametrize(
    ("installed", "installer", "message"),
    [
        ("helm", "istioctl", "was installed by Helm release istiod-1-30-3, not by istioctl: set installer=helm"),
        ("istioctl", "helm", "was installed by istioctl, not by helm: set installer=istioctl"),
    ],
)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_the_other_installer_is_refused(helm: Helm, installed: str, installer: str, message: str, state: str) -> None:
    if installed == "istioctl":
        for obj in helm.api.objects:
            if obj["metadata"].pop("annotations", None):
                obj["metadata"]["labels"]["operator.istio.io/managed"] = "Reconcile"
    helm.api.get("Namespace", "shop")["metadata"]["labels"] = {}
    helm.api.objects = [obj for obj in helm.api.objects if obj["metadata"]["name"] != "istiod-default-validator"]
    istioctl = helm.api.istioctl(helm.folder)
    revision = b.OLD if state == "absent" else b.NEW
    result = helm.run(installer=installer, istioctl=istioctl, revision=revision, state=state)
    assert f"Revision 1-30-3 {message} (variable istio_installer" in result["msg"]
    assert helm.log == []


def test_a_profile_of_istioctl_is_refused(helm: Helm) -> None:
    assert "Parameter profile: demo is a profile of istioctl" in helm.run(profile="demo")["msg"]


def alone(helm: Helm) -> None:
    """Nothing needs revision 1-30-3 any more."""
    helm.api.get("Namespace", "shop")["metadata"]["labels"] = {}
    helm.api.objects = [obj for obj in helm.api.objects if obj["metadata"]["name"] != "istiod-default-validator"]


def test_s4_a_revision_that_nothing_needs_is_retired_and_the_crds_are_kept(helm: Helm) -> None:
    alone(helm)
    result = helm.run(revision=b.OLD, state="absent")
    assert result["actions"] == ["retire revision 1-30-3 (1.30.3)"]
    assert helm.log == ["uninstall istiod-1-30-3"]
    assert list(helm.records) == ["istio-base"]


@pytest.mark.parametrize("check_mode", [True, False])
def test_s4_a_release_with_a_tag_of_another_revision_is_kept(helm: Helm, check_mode: bool) -> None:
    alone(helm)
    held = [*b.plane(b.OLD), b.injector(b.OLD, tag="prod")]
    helm.record("istiod-1-30-3", held)
    helm.api.objects += [*b.plane(b.NEW), b.injector(b.NEW, tag="prod")]
    result = helm.run(revision=b.OLD, state="absent", check_mode=check_mode)
    assert "Tag prod points at 1-31-0, but release istiod-1-30-3 of revision 1-30-3 holds it" in result["msg"]
    assert helm.log == []
