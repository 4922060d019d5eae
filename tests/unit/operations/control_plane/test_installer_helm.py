# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installing, replacing and removing a revision by Helm (S3, S4, S11, S12), with a fake helm that keeps releases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.fake_helm import READER, RELEASE, Helm


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
    assert result["actions"] == ["remove revision 1-30-3 (1.30.3)"]
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
