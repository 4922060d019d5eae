# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings that only the cluster holds: who wrote them, which get lost, and the names by which they are accepted."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.common.objects import FIELD_MANAGER
from ansible_collections.meshops.istio.plugins.module_utils.common.secrets import HIDDEN
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.cluster_settings import (
    ClusterSetting,
    find_edits,
    is_accepted,
    require_accepted,
    without_given,
    without_revision,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.written_fields import fields_of_others
from unit.support import builders as b
from unit.support.edits import EDITOR, INSTALLED, deployment, field, webhook, written

POD = ("f:spec", "f:template", "f:spec")
ENV = (*POD, "f:containers", 'k:{"name":"discovery"}', "f:env", 'k:{"name":"A"}')
HOOK = ("f:webhooks", 'k:{"name":"a"}')
SELECTED = {"nodeSelector": {"disk": "ssd"}}
VARIABLE = "spec.template.spec.containers.[discovery].env.[A]"


@pytest.mark.parametrize(
    ("live", "fields", "after", "lost"),
    [
        pytest.param(
            deployment(**SELECTED), field(*POD, "f:nodeSelector"), deployment(),
            [("spec.template.spec.nodeSelector", {"disk": "ssd"}, None)], id="a field that gets lost",
        ),
        pytest.param(deployment(**SELECTED), field(*POD, "f:nodeSelector"), deployment(**SELECTED), [], id="kept"),
        pytest.param(
            deployment(env=[{"name": "A", "value": "1"}]), field(*ENV, below={".": {}, "f:name": {}, "f:value": {}}),
            deployment(env=[{"name": "B"}]), [(VARIABLE, {"name": "A", "value": "1"}, None)], id="an entry of a list",
        ),
        pytest.param(
            deployment(env=[{"name": "A", "value": "1"}]), field(*ENV, "f:value"),
            deployment(env=[{"name": "A", "value": "2"}]), [(f"{VARIABLE}.value", "1", "2")], id="a changed value",
        ),
        pytest.param(
            webhook(timeoutSeconds=7), field(*HOOK, "f:timeoutSeconds"), webhook(),
            [("webhooks.[a].timeoutSeconds", 7, None)], id="a webhook",
        ),
        pytest.param(
            webhook(reinvocationPolicy="IfNeeded"), field(*HOOK, "f:reinvocationPolicy"),
            webhook(reinvocationPolicy="Never"), [("webhooks.[a].reinvocationPolicy", "IfNeeded", "Never")],
            id="reinvocationPolicy",
        ),
        pytest.param(
            webhook(timeoutSeconds=7, failurePolicy="Fail"), field(*HOOK, "f:timeoutSeconds"),
            webhook(timeoutSeconds=7, failurePolicy="Ignore"), [], id="another field of the installer",
        ),
        pytest.param(
            webhook(matchConditions=[{"name": "c", "expression": "true"}]),
            field(*HOOK, "f:matchConditions", 'k:{"name":"c"}'), webhook(),
            [("webhooks.[a].matchConditions", [{"name": "c", "expression": "true"}], None)], id="matchConditions",
        ),
        pytest.param(
            webhook(namespaceSelector={"matchExpressions": [1]}), field(*HOOK, "f:namespaceSelector"),
            webhook(namespaceSelector={"matchExpressions": [2]}),
            [("webhooks.[a].namespaceSelector.matchExpressions", [1], [2])], id="a selector",
        ),
        pytest.param(
            webhook(failurePolicy="Ignore"), field(*HOOK, "f:failurePolicy"), webhook(failurePolicy="Fail"),
            [("webhooks.[a].failurePolicy", "Ignore", "Fail")], id="failurePolicy",
        ),
        pytest.param(
            {**webhook(failurePolicy="Fail"), "kind": "ValidatingWebhookConfiguration"},
            field(*HOOK, "f:failurePolicy"), webhook(failurePolicy="Ignore"), [], id="istiod sets it to Fail again",
        ),
        pytest.param(
            webhook(clientConfig={"caBundle": "x"}), field(*HOOK, "f:clientConfig", "f:caBundle"),
            webhook(clientConfig={}), [], id="istiod fills in its certificate again",
        ),
        pytest.param(
            webhook(timeoutSeconds=10, matchPolicy="Equivalent"),
            field(*HOOK, below={"f:timeoutSeconds": {}, "f:matchPolicy": {}}), webhook(), [],
            id="what the API server fills in",
        ),
    ],
)  # fmt: skip
def test_edits_of_other_clients_that_get_lost(live: b.Json, fields: b.Json, after: b.Json, lost: list[t.Any]) -> None:
    edits = find_edits(written(live, EDITOR, fields), after)
    assert [(edit.name, edit.old, edit.new, edit.writer) for edit in edits] == [(*row, EDITOR) for row in lost]


@pytest.mark.parametrize(("after", "names"), [("hub/pilot:1.31.0", []), ("other/pilot:1.31.0", ["image"])])
def test_the_tag_of_an_image_is_what_an_upgrade_changes(after: str, names: list[str]) -> None:
    """Another client may have put the previous istiod back; an image of another hub is a setting."""
    live, installed = deployment(), deployment()
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "hub/pilot:1.30.3"
    installed["spec"]["template"]["spec"]["containers"][0]["image"] = after
    fields = field(*POD, "f:containers", 'k:{"name":"discovery"}', "f:image")
    edits = find_edits(written(live, EDITOR, fields), installed)
    assert [edit.name.rpartition(".")[2] for edit in edits] == names


@pytest.mark.parametrize(
    ("manager", "entry"),
    [
        pytest.param("istio-operator", {}, id="istioctl install"),
        pytest.param("istioctl", {}, id="istioctl deactivates webhooks"),
        pytest.param("helm", {}, id="Helm"),
        pytest.param("pilot-discovery", {}, id="istiod fills in webhooks"),
        pytest.param(FIELD_MANAGER, {}, id="this collection"),
        pytest.param("admissionsenforcer", {}, id="AKS"),
        pytest.param("someone", {"subresource": "scale"}, id="an autoscaler"),
    ],
)
def test_what_installers_and_controllers_wrote_is_no_edit(manager: str, entry: dict[str, str]) -> None:
    live = written(webhook(timeoutSeconds=7), manager, field(*HOOK, "f:timeoutSeconds"), **entry)
    assert [*find_edits(live, webhook())] == []


def test_an_installer_of_another_name_is_known_by_the_labels_that_it_wrote() -> None:
    live = written(webhook(timeoutSeconds=7), "flux", {**INSTALLED, **field(*HOOK, "f:timeoutSeconds")})
    assert [*find_edits(live, webhook())] == []


def test_fields_that_do_not_exist_are_ignored() -> None:
    broken = [{"manager": EDITOR, "fieldsV1": {"f:a": {"k:[": {}, "v:{": {}, "f:b": {}}}}, {"fieldsV1": 3}, "x"]
    assert fields_of_others({"a": [1], "metadata": {"managedFields": broken}}, set()) == {}


@pytest.mark.parametrize("revision", ["1-30-3", "a"])
def test_objects_of_two_revisions_are_compared_without_their_names(revision: str) -> None:
    obj = {"name": f"istiod-{revision}", "label": revision, "text": f"istiod-{revision}.x.svc", "other": "cni-agent"}
    assert without_revision(obj, revision) == {**obj, "name": "istiod", "label": "default", "text": "istiod.x.svc"}
    assert without_revision(obj, "default") == obj


NAME = "Deployment istio-system/istiod spec.template.spec.containers.[discovery].env.[A]"


@pytest.mark.parametrize(
    ("pattern", "accepted"),
    [
        (NAME, True),
        ("Deployment istio-system/istiod", True),
        ("Deployment istio-system/istiod*", True),
        (VARIABLE, True),
        ("*.env.[A]", True),
        ("*.env.[AB]", False),
        ("Deployment istio-system/istio", False),
        ("", False),
    ],
)
def test_names_that_accept_a_loss(pattern: str, accepted: bool) -> None:
    assert is_accepted(ClusterSetting(NAME, "1", None), [pattern]) is accepted


def test_a_loss_is_refused_with_names_values_and_writers() -> None:
    lost = [ClusterSetting("meshConfig.a", "x", None, EDITOR), ClusterSetting("global.password", "x", "y")]
    with pytest.raises(SafetyError) as caught:
        require_accepted(lost, ["other"])
    assert f'meshConfig.a: "x" -> absent (written by {EDITOR})' in caught.value.message
    assert caught.value.details["settings"]["cluster_only"] == {
        "meshConfig.a": ["x", None],
        "global.password": [HIDDEN, HIDDEN],
    }
    require_accepted(lost, ["meshConfig.*", "global.password"])


@pytest.mark.parametrize(
    ("setting", "given", "left"),
    [
        pytest.param(ClusterSetting("meshConfig.a", 1, 2), {"meshConfig": {"a": 2}}, False, id="the user decides"),
        pytest.param(
            ClusterSetting("meshConfig.a.[x].b", 1, 2), {"meshConfig": {"a": [{}]}}, False, id="the whole list"
        ),
        pytest.param(ClusterSetting("meshConfig.a", 1, 2), {"meshConfig": {"b": 2}}, True, id="another value"),
        pytest.param(ClusterSetting(NAME, "1", "2"), {"env": [], "A": "2"}, False, id="a field gets the given value"),
        pytest.param(ClusterSetting(NAME, "1", None), {"A": "1"}, True, id="a field that gets lost"),
    ],
)
def test_settings_that_the_user_gives_are_no_loss(setting: ClusterSetting, given: b.Json, left: bool) -> None:
    assert bool(without_given([setting], json.loads(json.dumps(given)))) is left
