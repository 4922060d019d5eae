# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks of injection: labels, webhooks and the default revision."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import INJECTION_LABEL as INJECTION
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import run_checks
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.support import builders as b
from unit.support.checking import DEFAULT, HEALTHY, PLANE, UPGRADE, fired


def renamed(injector: b.Json, name: str, revision: str) -> b.Json:
    """A copy of an injector that calls another revision."""
    injector["metadata"].update(name=name, labels={"istio.io/rev": revision})
    return injector


def wiki(pods: int = 1) -> list[b.Json]:
    """A Deployment whose pods ask for a revision that no injector owns."""
    labels = {"istio.io/rev": "1-28-4", "sidecar.istio.io/inject": "true"}
    return b.deployed("wiki", "tools", pods=pods, revision=None, pod_labels=labels)


FIRES = [
    pytest.param(
        "MU133",
        "Deployment tools/wiki",
        [*HEALTHY, *b.namespaces(tools=None), *wiki()],
        {},
        id="MU133: pods ask for a revision that is gone",
    ),
    pytest.param(
        "MU133",
        "Deployment tools/wiki",
        [*HEALTHY, *b.namespaces(tools=None), *wiki(pods=0)],
        {},
        id="MU133: it has no pods now",
    ),
    pytest.param(
        "MU010", "namespace lost", [*HEALTHY, *b.namespaces(lost="gone")], {}, id="MU010 domain 3: dangling label"
    ),
    pytest.param(
        "MU010",
        "namespace on",
        [*b.plane(b.OLD), *b.namespaces(), b.namespace("on", {INJECTION: "enabled"})],
        {},
        id="MU010 domain 4: enabled without a default",
    ),
    pytest.param(
        "MU011",
        "webhook istio-revision-tag-prod",
        [*HEALTHY, b.injector(b.NEW, tag="prod")],
        {},
        id="MU011 domain 3: orphan webhook",
    ),
    pytest.param(
        "MU012",
        "tag default",
        [*b.plane(b.OLD), b.injector(b.OLD, tag="default"), b.validator("default"), *b.namespaces()],
        {},
        id="MU012 domain 4: the validator disagrees",
    ),
    pytest.param(
        "MU012",
        "tag default",
        [*PLANE, b.injector(b.OLD, tag="default"), b.validator(b.OLD), b.istiod_service(b.NEW, "default")],
        {},
        id="MU012 domain 4: the Service disagrees",
    ),
    pytest.param(
        "MU013",
        "webhook istio-sidecar-injector",
        [*b.plane("default", parked=True), *b.namespaces()],
        {},
        id="MU013 domain 4: never-match without a default tag",
    ),
    pytest.param(
        "MU014",
        "namespace shop",
        [b.istiod(), b.injector(), *b.namespaces(shop=b.OLD), b.pod()],
        {},
        id="MU014 domain 3: pods are rejected",
    ),
    pytest.param(
        "MU015",
        "validator istiod-default-validator",
        [*b.plane(b.OLD), *DEFAULT[:2], b.validator(b.NEW, "Fail"), *b.namespaces()],
        {},
        id="MU015 domain 4: the validator's control plane is gone",
    ),
    pytest.param(
        "MU016",
        "namespace shop",
        [*HEALTHY, renamed(b.injector(b.OLD), "other", "1-29-0")],
        {},
        id="MU016: two injectors match",
    ),
    pytest.param(
        "MU017",
        "namespace both",
        [*HEALTHY, b.namespace("both", {INJECTION: "enabled", "istio.io/rev": b.OLD})],
        {},
        id="MU017 domain 3: several labels",
    ),
]


def test_domain_3_never_match_behind_the_default_tag_is_healthy() -> None:
    objects = [
        *b.plane("default", parked=True),
        *b.revision_tag("default", "default"),
        *b.namespaces(),
        b.namespace("on", {INJECTION: "enabled"}),
    ]
    assert fired(objects, Upgrade("canary", Version(1, 31, 0), b.NEW, "default")) == {}


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([*b.two_planes(), *b.namespaces(shop=b.OLD, tagged="prod")], id="revisions and their tags"),
        pytest.param(
            [*b.plane("default", parked=True), *b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.namespaces()],
            id="domain 4: a parked install and the default tag",
        ),
        pytest.param([*HEALTHY, renamed(b.injector(b.OLD), "copy", b.OLD)], id="a copy for the same revision"),
    ],
)
def test_mu016_is_about_different_revisions(objects: list[b.Json]) -> None:
    assert "MU016" not in fired(objects)


def test_mu016_domain_4_a_live_install_beside_a_default_that_was_moved() -> None:
    """Helm's selectors stay live until the tag is set."""
    objects = [*b.plane("default"), *b.plane(b.NEW), *b.revision_tag("default", b.NEW), *b.namespaces()]
    enabled = b.namespace("on", {INJECTION: "enabled"})
    rows = run_checks(b.snapshot_of([*objects, enabled]), UPGRADE)
    assert "namespace on" in {row.object for row in rows if row.code == "MU016"}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({INJECTION: "enabled", "istio.io/rev": b.NEW}, "its pods get revision 1-30-3"),
        ({INJECTION: "disabled", "istio.io/rev": b.OLD}, "its pods get no sidecar"),
        ({"istio.io/rev": b.OLD, "istio.io/dataplane-mode": "ambient"}, "its pods get revision 1-30-3"),
        ({"istio.io/dataplane-mode": "ambient"}, None),
        ({INJECTION: "enabled"}, None),
    ],
)
def test_mu017_states_which_label_takes_effect(labels: dict[str, str], message: str | None) -> None:
    rows = run_checks(b.snapshot_of([*HEALTHY, b.namespace("both", labels)]), UPGRADE)
    found = [row.message.partition(": ")[2] for row in rows if row.code == "MU017"]
    assert found == ([f"{message}."] if message else [])


@pytest.mark.parametrize(
    ("objects", "codes"),
    [
        pytest.param([*b.namespaces(tools=None), *wiki()], {"MU133"}, id="without a proxy"),
        pytest.param(
            [*b.namespaces(tools=None), *b.deployed("wiki", "tools", pod_labels={"istio.io/rev": "1-28-4"})],
            {"MU022"},
            id="with a proxy still",
        ),
        pytest.param([*b.namespaces(tools=b.OLD), *wiki()], {"MU027"}, id="the label of the namespace counts"),
        pytest.param([*b.namespaces(tools="gone"), *wiki()], {"MU010"}, id="the namespace names no revision either"),
        pytest.param(
            [
                *b.namespaces(tools=None),
                *b.deployed(
                    "wiki",
                    "tools",
                    revision=None,
                    pod_labels={"istio.io/rev": "1-28-4", "sidecar.istio.io/inject": "false"},
                ),
            ],
            set(),
            id="it opts out",
        ),
    ],
)
def test_a_label_of_pods_that_no_injector_owns(objects: list[b.Json], codes: set[str]) -> None:
    assert {"MU010", "MU022", "MU027", "MU133"} & set(fired([*HEALTHY, *objects])) == codes
