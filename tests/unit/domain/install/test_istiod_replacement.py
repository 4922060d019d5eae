# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which installations replace a running istiod, and which objects the newer istiod needs before it starts."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.install.istiod_replacement import (
    APPLIED_FIRST,
    objects_applied_first,
    replaces_running_istiod,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.object_changes import ObjectChange
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.support import builders as b

IMAGE = {"spec.template.spec.containers.[discovery].image": ("old", "new")}
OTHER = {"spec.template.spec.containers.[discovery].env.[A].value": ("b", "c")}


def change(kind: str = "Deployment", name: str = "istiod-1-30-3", fields: t.Any = None) -> ObjectChange:
    """A change of an object in the Istio namespace."""
    return ObjectChange(kind, b.SYSTEM, name, "update", fields or IMAGE)


@pytest.mark.parametrize(
    ("objects", "changes", "expected"),
    [
        pytest.param(b.plane(b.OLD), [change()], True, id="a newer image"),
        pytest.param(
            b.plane(b.OLD, "1.31.1"), [change()], False, id="on a downgrade the configuration has to change first"
        ),
        pytest.param(b.plane(b.OLD, "1.31.0-rc.1"), [change()], True, id="R17: from a pre-release to its release"),
        pytest.param(b.plane(b.OLD, "1.31.0-asm.9"), [change()], True, id="another build of the same release"),
        pytest.param(b.plane(b.OLD, "acme-7"), [change()], True, id="an image that names no version"),
        pytest.param(b.plane(b.OLD), [change(fields=OTHER)], False, id="only settings change"),
        pytest.param(b.plane(b.OLD), [change(name="other")], False, id="another Deployment"),
        pytest.param(b.plane(b.OLD), [], False, id="nothing changes"),
        pytest.param(b.plane(b.NEW), [change()], False, id="a revision that is not installed yet"),
        pytest.param([b.injector(b.OLD)], [change()], False, id="no istiod runs"),
    ],
)
def test_whether_an_installation_replaces_a_running_istiod(
    objects: list[b.Json], changes: list[ObjectChange], expected: bool
) -> None:
    assert replaces_running_istiod(b.mesh_of(objects), changes, b.OLD, Version(1, 31, 0)) is expected


def test_the_injector_configuration_is_not_applied_first() -> None:
    rendered = b.plane(b.OLD, b.NEW_VERSION)
    changes = [
        ObjectChange(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"], "update")
        for obj in rendered
    ]
    assert [obj["kind"] for obj in objects_applied_first(rendered, changes)] == ["Deployment"]
    assert not {"ConfigMap", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"} & set(APPLIED_FIRST)


def test_the_objects_that_the_new_istiod_needs_come_before_it() -> None:
    kinds = ["Deployment", "ClusterRole", "CustomResourceDefinition"]
    rendered = [{"kind": kind, "metadata": {"name": "x"}} for kind in kinds]
    assert [
        obj["kind"]
        for obj in objects_applied_first(rendered, [ObjectChange(kind, "", "x", "update") for kind in kinds])
    ] == kinds[::-1]
