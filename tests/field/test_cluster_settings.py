# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases R20, R21 and G2: settings that only the cluster holds are in the plan, and are lost only by consent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from field.meshes import base, nonrev, proxies, web
from field.playbooks import canary, changed, play
from integration.meshes import ADMISSION, bare
from integration.objects import INJECTION, REV
from integration.support import NEW_REVISION, NEW_VERSION, REVISION, VERSION, Desk, Play
from integration.workloads import namespace
from lab import Cluster

Json = dict[str, Any]
CORE = "/api/v1/namespaces/istio-system"
ISTIOD = f"/apis/apps/v1/namespaces/istio-system/deployments/istiod-{REVISION}"
DEPLOYMENT = f"Deployment istio-system/istiod-{REVISION} spec.template."
WEBHOOK = f"MutatingWebhookConfiguration istio-sidecar-injector-{REVISION}"
#: All that is edited by hand below, by the names that accept its loss.
EDITED = {
    "meshConfig.outboundTrafficPolicy",
    "meshConfig.extensionProviders",
    f"{DEPLOYMENT}spec.nodeSelector",
    f"{DEPLOYMENT}spec.priorityClassName",
    f"{DEPLOYMENT}spec.containers.[discovery].env.[PILOT_PUSH_THROTTLE]",
    f"{DEPLOYMENT}metadata.annotations.example.com/note",
    f"{WEBHOOK} webhooks.[rev.namespace.sidecar-injector.istio.io].timeoutSeconds",
}


def edit(cluster: Cluster, path: str, patch: Json, kind: str = "strategic-merge-patch") -> None:
    """Change an object as ``kubectl edit`` does."""
    content_type = f"application/{kind}+json"
    cluster.request("PATCH", path, patch, {"fieldManager": "kubectl-edit"}, content_type=content_type)


def edit_text(cluster: Cluster, name: str, key: str, change: Json) -> None:
    """Change the YAML in a ConfigMap by hand."""
    path = f"{CORE}/configmaps/{name}"
    text = yaml.safe_load(cluster.request("GET", path)["data"][key])
    for part, value in change.items():
        text[part] = {**text.get(part, {}), **value} if isinstance(value, dict) else value
    edit(cluster, path, {"data": {key: yaml.safe_dump(text)}}, "merge-patch")


def edit_by_hand(cluster: Cluster) -> None:
    """Change the mesh, istiod's Deployment and a webhook of the source revision."""
    otel = {"name": "otel", "opentelemetry": {"service": "otel.obs.svc.cluster.local", "port": 4317}}
    policy = {"mode": "REGISTRY_ONLY"}
    edit_text(cluster, f"istio-{REVISION}", "mesh", {"outboundTrafficPolicy": policy, "extensionProviders": [otel]})
    env = {"containers": [{"name": "discovery", "env": [{"name": "PILOT_PUSH_THROTTLE", "value": "50"}]}]}
    pod = {"nodeSelector": {"kubernetes.io/os": "linux"}, "priorityClassName": "system-cluster-critical", **env}
    note = {"annotations": {"example.com/note": "by hand"}}
    edit(cluster, ISTIOD, {"spec": {"template": {"metadata": note, "spec": pod}}})
    hooks = {"webhooks": [{"name": "rev.namespace.sidecar-injector.istio.io", "timeoutSeconds": 7}]}
    edit(cluster, f"{ADMISSION}/mutatingwebhookconfigurations/istio-sidecar-injector-{REVISION}", hooks)
    cluster.wait_ready()
    cluster.wait_webhooks(REVISION)


def lost(run: Play, cluster: Cluster) -> set[str]:
    """The names of the settings that a run refused to lose."""
    return set(run.failed(cluster)[-1]["failure"]["settings"]["cluster_only"])


def test_r20_edits_by_hand_are_named_and_lost_only_by_consent(desk: Desk, based: Cluster) -> None:
    edit_by_hand(based)
    for flags in (["--check", "--diff"], []):
        run = canary(desk, based, *flags)
        assert run.returncode != 0
        assert lost(run, based) == EDITED
        assert "written by kubectl-edit" in run.failure(based)
    assert not [obj for obj in based.items("/apis/apps/v1/deployments") if NEW_REVISION in obj["metadata"]["name"]]
    given = {
        "meshConfig": {
            "outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"},
            "extensionProviders": [{"name": "otel", "opentelemetry": {"service": "o.obs.svc", "port": 4317}}],
        },
        "pilot": {"env": {"PILOT_PUSH_THROTTLE": "50"}, "nodeSelector": {"kubernetes.io/os": "linux"}},
    }
    accepted = [f"{DEPLOYMENT}spec.priorityClassName", f"{DEPLOYMENT}metadata.annotations.*", WEBHOOK]
    partly = canary(desk, based, istio_values=given, istio_allow_setting_changes=accepted[1:])
    assert lost(partly, based) == {accepted[0]}
    predicted = canary(desk, based, "--check", "--diff", istio_values=given, istio_allow_setting_changes=accepted)
    predicted.require_success()
    assert "system-cluster-critical" in predicted.output
    options = {"istio_values": given, "istio_allow_setting_changes": accepted}
    canary(desk, based, **options).require_success()
    assert {image.rpartition(":")[2] for image in proxies(based).values()} == {NEW_VERSION}
    assert changed(canary(desk, based, **options).require_success(), based) == 0


def test_r20_in_place_names_the_same(desk: Desk, unrevisioned: Cluster) -> None:
    edit_text(unrevisioned, "istio", "mesh", {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}})
    run = play(desk, unrevisioned, "in_place")
    assert lost(run, unrevisioned) == {"meshConfig.outboundTrafficPolicy"}
    accepted = ["meshConfig.outboundTrafficPolicy*"]
    play(desk, unrevisioned, "in_place", istio_allow_setting_changes=accepted).require_success()
    again = play(desk, unrevisioned, "in_place", istio_allow_setting_changes=accepted).require_success()
    assert changed(again, unrevisioned) == 0


def test_r21_a_template_that_only_the_old_injector_has(desk: Desk, empty: Cluster) -> None:
    base(empty)
    template = "metadata:\n  labels:\n    held: 'true'\n"
    name = f"istio-sidecar-injector-{REVISION}"
    edit_text(empty, name, "config", {"templates": {"hold": template}})
    empty.apply([web("held", notes={"inject.istio.io/templates": "sidecar,hold"})])
    empty.wait_ready()
    run = canary(desk, empty)
    assert run.returncode != 0
    assert lost(run, empty) == {"sidecarInjectorWebhook.templates.hold"}
    options = {"istio_values": {"sidecarInjectorWebhook": {"templates": {"hold": template}}}}
    canary(desk, empty, **options).require_success()
    assert {image.rpartition(":")[2] for image in proxies(empty).values()} == {NEW_VERSION}
    assert changed(canary(desk, empty, **options).require_success(), empty) == 0


@pytest.mark.parametrize("revision", [REVISION, None])
def test_an_edit_in_a_template_of_istio_is_named(desk: Desk, empty: Cluster, revision: str | None) -> None:
    if revision:
        base(empty)
    else:
        nonrev(empty)
    name = f"istio-sidecar-injector-{revision}" if revision else "istio-sidecar-injector"
    text = yaml.safe_load(empty.request("GET", f"{CORE}/configmaps/{name}")["data"]["config"])
    sidecar = text["templates"]["sidecar"].replace("metadata:", "metadata: # by hand", 1)
    edit_text(empty, name, "config", {"templates": {"sidecar": sidecar}})
    playbook, accepted = "canary" if revision else "in_place", ["sidecarInjectorWebhook.templates.sidecar"]
    run = play(desk, empty, playbook)
    assert lost(run, empty) == set(accepted)
    assert "written by kubectl-edit" in run.failure(empty)
    # Without the istioctl of the former version each template may have been edited.
    alone = Path(desk.folder, "istioctl-of-the-target")
    alone.unlink(missing_ok=True)
    alone.symlink_to(desk.lab.istioctl_template.replace("{version}", NEW_VERSION))
    unknown = play(desk, empty, playbook, istio_istioctl=str(alone))
    assert set(accepted) <= lost(unknown, empty)
    play(desk, empty, playbook, istio_allow_setting_changes=accepted).require_success()
    assert {image.rpartition(":")[2] for image in proxies(empty).values()} == {NEW_VERSION}
    assert changed(play(desk, empty, playbook, istio_allow_setting_changes=accepted).require_success(), empty) == 0


@pytest.mark.parametrize("installer", ["istioctl", "helm"])
@pytest.mark.parametrize("revision", [REVISION, None], ids=["canary", "in place"])
def test_a_mesh_as_its_installer_left_it_has_no_such_setting(
    desk: Desk, empty: Cluster, installer: str, revision: str | None
) -> None:
    if installer == "helm":
        bare(empty)
        empty.helm_install(VERSION, revision)
    else:
        empty.install_istio(VERSION, revision)
    label = {REV: revision} if revision else {INJECTION: "enabled"}
    empty.apply([namespace("shop", **label), web()])
    empty.wait_ready()
    options: Json = {"istio_installer": installer, "istio_helm": str(desk.lab.helm)}
    options["istio_charts"] = desk.lab.charts_template
    run = play(desk, empty, "canary" if revision else "in_place", **options).require_success()
    results = run.of(empty, "istio_revision")
    assert [result["settings"]["cluster_only"] for result in results if "settings" in result] == [{}]
    assert {image.rpartition(":")[2] for image in proxies(empty).values()} == {NEW_VERSION}


def test_a_setting_of_the_default_tag_is_lost_only_by_consent(desk: Desk, based: Cluster) -> None:
    hook, selecting = "rev.namespace.sidecar-injector.istio.io", "object.sidecar-injector.istio.io"
    selector = {"matchExpressions": [{"key": "team", "operator": "Exists"}]}
    conditions = [{"name": "no-dns", "expression": "object.metadata.name != 'dns'"}]
    tag = f"{ADMISSION}/mutatingwebhookconfigurations/istio-revision-tag-default"
    hooks = {
        "webhooks": [
            {"name": hook, "reinvocationPolicy": "IfNeeded", "timeoutSeconds": 7, "matchConditions": conditions},
            {"name": selecting, "namespaceSelector": selector},
        ]
    }
    edit(based, tag, hooks)
    before = based.request("GET", tag)["webhooks"]
    assert "MU146" in play(desk, based, "precheck", istio_finalize=True).output
    run = canary(desk, based, istio_finalize=True)
    names = {name.partition(" webhooks.")[2] for name in lost(run, based)}
    assert names == {
        f"[{hook}].reinvocationPolicy",
        "[object.sidecar-injector.istio.io].namespaceSelector.matchExpressions",
    }
    assert based.request("GET", tag)["webhooks"] == before
    accepted = ["MutatingWebhookConfiguration istio-revision-tag-default"]
    canary(desk, based, istio_finalize=True, istio_allow_setting_changes=accepted).require_success()
    after = {found["name"]: found for found in based.request("GET", tag)["webhooks"]}
    assert after[hook]["reinvocationPolicy"] == "Never"
    # istioctl does not render these fields, so they stay.
    assert (after[hook]["timeoutSeconds"], after[hook]["matchConditions"]) == (7, conditions)
    again = canary(desk, based, istio_finalize=True, istio_allow_setting_changes=accepted)
    assert changed(again.require_success(), based) == 0


def test_a_setting_of_the_default_tag_is_named_in_place(desk: Desk, unrevisioned: Cluster) -> None:
    tag = f"{ADMISSION}/mutatingwebhookconfigurations/istio-revision-tag-default"
    hook = "namespace.sidecar-injector.istio.io"
    edit(unrevisioned, tag, {"webhooks": [{"name": hook, "reinvocationPolicy": "IfNeeded"}]})
    run = play(desk, unrevisioned, "in_place")
    name = f"MutatingWebhookConfiguration istio-revision-tag-default webhooks.[{hook}].reinvocationPolicy"
    assert lost(run, unrevisioned) == {name}
    play(desk, unrevisioned, "in_place", istio_allow_setting_changes=[name]).require_success()
    again = play(desk, unrevisioned, "in_place", istio_allow_setting_changes=[name]).require_success()
    assert changed(again, unrevisioned) == 0


@pytest.mark.parametrize("revision", [None, REVISION])
def test_components_of_an_operator_are_named(desk: Desk, empty: Cluster, revision: str | None) -> None:
    pilot = "components.pilot.k8s"
    sets = [
        f"{pilot}.env[0].name=PILOT_JWT_PUB_KEY_REFRESH_INTERVAL",
        f"{pilot}.env[0].value=19m",
        f"{pilot}.hpaSpec.minReplicas=2",
    ]
    sets += [f"{pilot}.resources.requests.cpu=123m", f"{pilot}.nodeSelector.kubernetes\\.io/os=linux"]
    empty.install_istio(VERSION, revision, sets=sets)
    run = play(desk, empty, "canary" if revision else "in_place")
    name = f"istiod-{revision}" if revision else "istiod"
    spec = f"Deployment istio-system/{name} spec.template.spec."
    assert lost(run, empty) == {
        f"{spec}containers.[discovery].env.[PILOT_JWT_PUB_KEY_REFRESH_INTERVAL]",
        f"{spec}containers.[discovery].resources",
        f"{spec}nodeSelector",
        f"HorizontalPodAutoscaler istio-system/{name} spec.minReplicas",
    }
    k8s = {
        "env": [{"name": "PILOT_JWT_PUB_KEY_REFRESH_INTERVAL", "value": "19m"}],
        "hpaSpec": {"minReplicas": 2},
        "resources": {"requests": {"cpu": "123m"}},
        "nodeSelector": {"kubernetes.io/os": "linux"},
    }
    components = {"pilot": {"k8s": k8s}}
    play(desk, empty, "canary" if revision else "in_place", istio_components=components).require_success()


def test_g2_an_ambient_mesh_stays_ambient_in_place(desk: Desk, empty: Cluster) -> None:
    empty.install_istio(VERSION, None, profile="ambient")
    play(desk, empty, "in_place").require_success()
    istiod = empty.request("GET", "/apis/apps/v1/namespaces/istio-system/deployments/istiod")
    container = istiod["spec"]["template"]["spec"]["containers"][0]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert env["PILOT_ENABLE_AMBIENT"] == "true"
    assert container["image"].endswith(f":{NEW_VERSION}-distroless")
    agent = empty.request("GET", f"{CORE}/configmaps/istio-cni-config")
    assert agent["data"]["AMBIENT_ENABLED"] == "true"
    assert changed(play(desk, empty, "in_place").require_success(), empty) == 0


def test_g2_losing_ambient_needs_consent(desk: Desk, empty: Cluster) -> None:
    empty.install_istio(VERSION, None, profile="ambient")
    run = play(desk, empty, "in_place", istio_profile="default", istio_values={"profile": ""})
    assert run.returncode != 0
    assert "PILOT_ENABLE_AMBIENT" in run.failure(empty)
