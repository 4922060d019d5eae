# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The texts of the API server show who refused a pod, whatever the HTTP status is (issue 15, kind 2)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.domain.admission.refusals import RefusedBy, read_refusal

POD = 'pods "web-" is forbidden: '
#: id -> status, text, who, name, lasting.
CASES = {
    "injector denies": (
        400,
        'admission webhook "rev.namespace.sidecar-injector.istio.io" denied the request: requested template "hold" not '
        "found",
        RefusedBy.INJECTOR,
        "rev.namespace.sidecar-injector.istio.io",
        True,
    ),
    "injector away": (
        500,
        'Internal error occurred: failed calling webhook "namespace.sidecar-injector.istio.io": failed to call webhook',
        RefusedBy.INJECTOR,
        "namespace.sidecar-injector.istio.io",
        True,
    ),
    **{
        f"webhook {status}": (
            status,
            'admission webhook "validation.gatekeeper.sh" denied the request: [no-latest] tags are needed',
            RefusedBy.WEBHOOK,
            "validation.gatekeeper.sh",
            True,
        )
        for status in (400, 403, 422, 500)
    },
    "webhook with side effects": (
        400,
        'admission webhook "records.example.com" does not support dry run',
        RefusedBy.NO_DRY_RUN,
        "records.example.com",
        False,
    ),
    "webhook away": (
        500,
        'Internal error occurred: failed calling webhook "mutate.kyverno.svc-fail": failed to call webhook: EOF',
        RefusedBy.WEBHOOK,
        "mutate.kyverno.svc-fail",
        True,
    ),
    **{
        f"policy {status}": (
            status,
            f"{POD}ValidatingAdmissionPolicy 'strict' with binding 'strict' denied request: istio-proxy is too large",
            RefusedBy.POLICY,
            "strict",
            True,
        )
        for status in (403, 422, 500)
    },
    "pod security": (
        403,
        f'{POD}violates PodSecurity "baseline:latest": non-default capabilities (container "istio-init" must not '
        'include "NET_ADMIN", "NET_RAW" in securityContext.capabilities.add)',
        RefusedBy.POD_SECURITY,
        "baseline:latest",
        True,
    ),
    "quota without room": (
        403,
        f"{POD}exceeded quota: pods, requested: pods=1, used: pods=9, limited: pods=9",
        RefusedBy.FULL_QUOTA,
        "pods",
        False,
    ),
    "quota on limits": (
        403,
        f"{POD}failed quota: limits: must specify limits.cpu for: app; limits.memory for: app",
        RefusedBy.QUOTA,
        "limits",
        True,
    ),
    "limit range": (
        403,
        f"{POD}maximum cpu usage per Container is 500m, but limit is 2",
        RefusedBy.LIMIT_RANGE,
        "",
        True,
    ),
    "limit range, ratio": (
        403,
        f"{POD}cpu max limit to request ratio per Container is 2, but provided ratio is 20.000000",
        RefusedBy.LIMIT_RANGE,
        "",
        True,
    ),
    "invalid": (
        422,
        'Pod "web-" is invalid: spec.initContainers[1].lifecycle: Forbidden: may not be set for init containers '
        "without restartPolicy=Always",
        RefusedBy.VALIDATION,
        "",
        True,
    ),
    "no account": (
        403,
        f'{POD}error looking up service account shop/web: serviceaccount "web" not found',
        RefusedBy.ADMISSION,
        "",
        True,
    ),
    "no priority class": (403, f"{POD}no PriorityClass with name high was found", RefusedBy.ADMISSION, "", True),
    "namespace terminates": (
        403,
        f"{POD}unable to create new content in namespace shop because it is being terminated",
        RefusedBy.ADMISSION,
        "",
        True,
    ),
    "namespace gone": (404, 'namespaces "shop" not found', RefusedBy.ADMISSION, "", True),
    "no permission": (
        403,
        'pods is forbidden: User "ci" cannot create resource "pods" in API group "" in the namespace "shop"',
        RefusedBy.PERMISSION,
        "",
        False,
    ),
    "a proxy before the server": (403, "access denied", RefusedBy.PERMISSION, "", False),
}


@pytest.mark.parametrize("case", CASES)
def test_who_refused(case: str) -> None:
    status, text, by, name, lasting = CASES[case]
    refusal = read_refusal(status, text)
    assert (refusal.by, refusal.name, refusal.lasting) == (by, name, lasting)
    assert text in str(refusal)


def test_every_kind_of_refusal_has_a_case() -> None:
    assert {row[2] for row in CASES.values()} == set(RefusedBy)


def test_pod_security_that_names_a_container_of_istio_shows_that_the_injector_answered() -> None:
    assert read_refusal(*CASES["pod security"][:2]).injected
    assert not read_refusal(*CASES["quota on limits"][:2]).injected
