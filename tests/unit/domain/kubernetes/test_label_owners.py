# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The owner of labels: the client that declares them elsewhere and may put them back."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.label_writers import (
    LABELS,
    TEMPLATE_LABELS,
    read_label_writers,
)

Json = dict[str, t.Any]
OWN = "meshops.istio"
REV, INJECTION = "istio.io/rev", "istio-injection"
ARGO: Json = {"annotations": {"argocd.argoproj.io/tracking-id": "shop:/Namespace:/shop"}}
FLUX: Json = {
    "labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
}


def wrote(manager: str, operation: str = "Update", label: str = INJECTION) -> Json:
    """An entry of managedFields for one label."""
    fields = {"f:metadata": {"f:labels": {f"f:{label}": {}}}}
    return {"manager": manager, "operation": operation, "time": "2026-01-01T10:00:00Z", "fieldsV1": fields}


def owner(marks: Json, *entries: Json) -> str:
    """The owner of the injection labels of an object."""
    obj = {"metadata": {**marks, "managedFields": list(entries)}}
    return read_label_writers(obj, (REV, INJECTION), OWN).owner


@pytest.mark.parametrize(
    ("marks", "entries", "expected"),
    [
        pytest.param({}, [], "", id="nothing is recorded"),
        pytest.param(ARGO, [], "Argo CD application shop", id="a mark without entries"),
        pytest.param(ARGO, [wrote("argocd-controller")], "Argo CD application shop", id="a mark and its product"),
        pytest.param(FLUX, [wrote("kustomize-controller", "Apply")], "Flux Kustomization flux-system/apps", id="Flux"),
        pytest.param({}, [wrote("argocd-controller")], "argocd-controller (Argo CD)", id="a product without a mark"),
        pytest.param({}, [wrote("helm")], "helm (Helm)", id="Helm"),
        pytest.param({}, [wrote("platform-sync", "Apply")], "platform-sync", id="any client that declares by apply"),
        pytest.param({}, [wrote("platform-sync")], "", id="any client that updates"),
        pytest.param({}, [wrote("kubectl", "Apply")], "", id="kubectl apply --server-side"),
        pytest.param({}, [wrote("kubectl-client-side-apply")], "", id="kubectl apply"),
        pytest.param({}, [wrote("istio-kube-client", "Apply")], "", id="istioctl"),
        pytest.param({}, [wrote("istio-operator", "Apply")], "", id="istioctl install"),
        pytest.param(ARGO, [wrote("kubectl-label")], "", id="a person added it to an object of Argo CD"),
        pytest.param(ARGO, [wrote("kubectl-client-side-apply")], "Argo CD application shop", id="kubectl by Argo CD"),
        pytest.param(ARGO, [wrote(OWN, label=REV)], "", id="a run moved it, and it stayed"),
        pytest.param(
            ARGO,
            [wrote(OWN, label=REV), wrote("argocd-controller")],
            "Argo CD application shop",
            id="a run moved it, and Argo CD added the other label",
        ),
        pytest.param(
            {}, [wrote("kubectl", "Apply"), wrote("helm")], "helm (Helm)", id="two clients declare the same value"
        ),
        pytest.param({}, [wrote("kubectl-label"), wrote("helm", label=REV)], "helm (Helm)", id="only one has an owner"),
    ],
)
def test_the_owner_of_labels(marks: Json, entries: list[Json], expected: str) -> None:
    assert owner(marks, *entries) == expected


def test_an_owner_is_one_line() -> None:
    assert owner({"annotations": {"objectset.rio.cattle.io/id": "a\n# b: c"}}) == "Rancher Fleet bundle a # b: c"


@pytest.mark.parametrize(("path", "expected"), [(LABELS, ""), (TEMPLATE_LABELS, "helm (Helm)")])
def test_the_labels_of_pods_have_an_owner_of_their_own(path: tuple[str, ...], expected: str) -> None:
    entry = wrote("helm", label=REV)
    entry["fieldsV1"] = {"f:spec": {"f:template": entry["fieldsV1"]}}
    obj = {"metadata": {"managedFields": [entry]}}
    assert read_label_writers(obj, (REV,), OWN, path).owner == expected
