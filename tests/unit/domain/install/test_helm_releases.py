# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The releases of Helm that make a control plane: names, values, marks, and what is refused (S11)."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.helm_releases import (
    adapt_to_live,
    base_values,
    deactivated_injector,
    istiod_values,
    refuse_second_default,
    release_of,
    require_not_owned_by_others,
    with_release_metadata,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import InstallRequest
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import PARKED_SELECTOR
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.support import builders as b

WANTED = InstallRequest(b.NEW, Version(1, 31, 0), b.SYSTEM, "minimal", {})
RELEASE, PLACE = "meta.helm.sh/release-name", "meta.helm.sh/release-namespace"


def of_helm(objects: list[b.Json], release: str) -> list[b.Json]:
    """The same objects as a release of Helm has made them."""
    found = copy.deepcopy(objects)
    for obj in found:
        obj["metadata"]["annotations"] = {RELEASE: release, PLACE: b.SYSTEM}
    return found


@pytest.mark.parametrize(
    ("objects", "revision", "name"),
    [
        pytest.param([], b.NEW, "istiod-1-31-0", id="Istio's documentation: with a revision"),
        pytest.param([], "default", "istiod", id="without"),
        pytest.param(of_helm(b.plane(b.NEW), "mine"), b.NEW, "mine", id="its Deployment names it"),
        pytest.param(of_helm([b.injector(b.NEW)], "mine"), b.NEW, "mine", id="the remains name it"),
        pytest.param(b.plane(b.NEW), b.NEW, "istiod-1-31-0", id="of another installer"),
    ],
)
def test_the_name_of_a_release(objects: list[b.Json], revision: str, name: str) -> None:
    assert release_of(b.mesh_of(objects), revision) == name


@pytest.mark.parametrize(
    ("over", "values"),
    [
        pytest.param({}, {"revision": b.NEW}, id="a revision"),
        pytest.param({"revision": "default"}, {}, id="without a revision"),
        pytest.param({"tag": "x"}, {"revision": b.NEW, "global": {"tag": "x"}}, id="an image tag"),
        pytest.param(
            {"namespace": "mesh", "values": {"global": {"hub": "h"}}},
            {"revision": b.NEW, "global": {"hub": "h", "istioNamespace": "mesh"}},
            id="another namespace",
        ),
        pytest.param(
            {"values": {"revision": "x", "a": 1}}, {"revision": b.NEW, "a": 1}, id="the revision is a parameter"
        ),
    ],
)
def test_values_of_istiod(over: b.Json, values: b.Json) -> None:
    assert istiod_values(dataclasses.replace(WANTED, **over)) == values


@pytest.mark.parametrize(
    ("objects", "own", "given", "values"),
    [
        pytest.param([], None, {}, {"defaultRevision": b.NEW}, id="the first install owns the validator"),
        pytest.param([b.validator(b.OLD)], None, {}, {"defaultRevision": b.OLD}, id="S11: it keeps its target"),
        pytest.param(
            [b.validator(b.OLD)],
            {"defaultRevision": "default", "base": {"excludedCRDs": ["x"]}},
            {},
            {"defaultRevision": b.OLD, "base": {"excludedCRDs": ["x"]}},
            id="S11: also where the release says otherwise",
        ),
        pytest.param(
            [], {"defaultRevision": b.OLD}, {}, {"defaultRevision": ""}, id="a removed one is not created again"
        ),
        pytest.param(
            [b.validator(b.OLD)],
            {},
            {"pilot": {"env": {}}, "global": {"hub": "h", "imagePullSecrets": ["s"]}, "base": {"excludedCRDs": ["x"]}},
            {"defaultRevision": b.OLD, "global": {"imagePullSecrets": ["s"]}, "base": {"excludedCRDs": ["x"]}},
            id="of the control plane's values, what the chart reads",
        ),
    ],
)
def test_values_of_the_crds(objects: list[b.Json], own: b.Json | None, given: b.Json, values: b.Json) -> None:
    assert base_values(b.mesh_of(objects), dataclasses.replace(WANTED, values=given), own) == values


def test_helm_adds_its_metadata_to_every_object() -> None:
    plain = {"kind": "X", "metadata": {"name": "x"}}
    found = with_release_metadata(plain, "istio-base", b.SYSTEM)
    assert found["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "Helm"}
    assert found["metadata"]["annotations"] == {RELEASE: "istio-base", PLACE: b.SYSTEM}
    assert plain == {"kind": "X", "metadata": {"name": "x"}}


@pytest.mark.parametrize(
    ("notes", "labels", "message"),
    [
        pytest.param({RELEASE: "istio-base", PLACE: b.SYSTEM}, {}, None, id="left by the same release"),
        pytest.param(
            {}, {"operator.istio.io/managed": "Reconcile"}, "belongs to istioctl.*set installer=istioctl", id="istioctl"
        ),
        pytest.param({RELEASE: "other", PLACE: b.SYSTEM}, {}, "belongs to Helm release other", id="another release"),
        pytest.param({RELEASE: "istio-base", PLACE: "x"}, {}, "istio-base of namespace x, so", id="another namespace"),
        pytest.param({}, {}, "belongs to an unknown owner.*have its owner upgrade it", id="applied by hand"),
    ],
)
def test_helm_refuses_objects_of_other_owners(notes: b.Json, labels: b.Json, message: str | None) -> None:
    rendered = with_release_metadata({"kind": "ServiceAccount", "metadata": {"name": "x"}}, "istio-base", b.SYSTEM)
    live = {"kind": "ServiceAccount", "metadata": {"name": "x", "annotations": notes, "labels": labels}}
    if message is None:
        require_not_owned_by_others(rendered, live)
        return
    with pytest.raises(SafetyError, match=message):
        require_not_owned_by_others(rendered, live)


@pytest.mark.parametrize(("live", "expected"), [("Fail", "Fail"), ("Ignore", "Ignore"), (None, None)])
def test_domain_2_the_failure_policy_of_istiod_is_not_a_difference(live: str | None, expected: str | None) -> None:
    def validator(policy: str | None) -> b.Json:
        hook = {"name": "w", **({"failurePolicy": policy} if policy else {})}
        return {"kind": "ValidatingWebhookConfiguration", "metadata": {"name": "v"}, "webhooks": [hook]}

    assert adapt_to_live(validator(None), validator(live))["webhooks"][0].get("failurePolicy") == expected


@pytest.mark.parametrize("is_parked", [False, True])
def test_domain_4_webhooks_that_tag_set_deactivated_stay_deactivated(is_parked: bool) -> None:
    live = b.injector("default", parked=is_parked)
    found = adapt_to_live(b.injector("default"), live)
    assert all((hook["namespaceSelector"] == PARKED_SELECTOR) is is_parked for hook in found["webhooks"])
    assert deactivated_injector(b.mesh_of([live])) == ("istio-sidecar-injector" if is_parked else None)


@pytest.mark.parametrize(
    ("leads", "revision", "refused"),
    [
        pytest.param(None, "default", False, id="no tag default"),
        pytest.param("default", "default", False, id="it points here"),
        pytest.param(b.NEW, "default", True, id="S11: it points at another revision"),
        pytest.param(b.NEW, b.OLD, False, id="a named revision"),
    ],
)
def test_s11_no_second_default(leads: str | None, revision: str, refused: bool) -> None:
    mesh = b.mesh_of(b.revision_tag("default", leads) if leads else [])
    if not refused:
        refuse_second_default(mesh, revision)
        return
    with pytest.raises(SafetyError, match="The tag default points at 1-31-0.*istio_tag name=default revision=default"):
        refuse_second_default(mesh, revision)
