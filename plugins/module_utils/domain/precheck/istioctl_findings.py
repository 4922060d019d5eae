# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Convert the answers of istioctl to findings, and merge them with the findings of the checks; pure.

Sources: istio/istio pkg/config/analysis/diag/message.go (an item of its answer), pkg/config/analysis/analyzers and
istioctl/pkg/precheck/precheck.go (the objects that it analyzes).
"""

from __future__ import annotations

import collections
import dataclasses
import json
import re
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object, parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import Owner
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import overlapping_injectors
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.stale_proxies import ProxyCondition
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import (
    ERROR,
    INFO,
    WARNING,
    Check,
    Finding,
    find_nothing,
    sort_by_severity,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_codes import ISTIOCTL_CODE, TITLES
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot

ANALYSIS_FAILED = Check(
    "MU080",
    WARNING,
    "istioctl analysis failed",
    "Problems that only istioctl detects may exist; all other checks ran.",
    "fix the problem in the message, or omit parameter istioctl",
    find_nothing,
    WARNING,
)
PERMISSIONS, OVERLAPPING, OTHER_IMAGE = "IST0141", "IST0139", "IST0158"
#: IST0102 names every namespace without an injection label, also those that must not have one. Its remedy, the label
#: istio-injection=enabled, would bring them into the mesh (istio/istio pkg/config/analysis/analyzers/injection).
NOT_ABOUT_UPGRADES = frozenset({"IST0102"})
ALL_CODES = "https://istio.io/latest/docs/reference/config/analysis/"
#: An unknown level counts as a warning, so that it is not overlooked.
_SEVERITIES = {"Error": ERROR, "Warning": WARNING, "Info": INFO}
#: Kinds that findings of the checks name differently.
_KINDS = {
    "Cluster": "cluster",
    "MutatingWebhookConfiguration": "webhook",
    "Namespace": "namespace",
    "Pod": "pod",
    "ValidatingWebhookConfiguration": "validator",
}
#: A document begins at the start of a line, or directly after the previous one. Lines inside a document are indented,
#: so that no line of a truncated document is taken for the start of another one.
_START = re.compile(r"^[\[{]", re.MULTILINE)
_NEXT = re.compile(r"\s*[\[{]")
_MISSING_SERVICE = "does not exist"
_POD_NAMES = re.compile(r"pod names: \[([^\]]*)\]")
_RESOURCE = re.compile(r"create resource (\S+)")


def read_findings(text: str, command: str) -> list[Finding]:
    """Return the findings in the output of istioctl: several JSON documents, perhaps with log lines between them.

    Raises:
        ValueError: the output is not such an answer; the message has the reason.
    """
    return [_read_finding(item, command) for document in _documents(text) for item in _items(document)]


def _documents(text: str) -> Iterator[t.Any]:
    problem = "" if text.strip() in ("", "null") else "it contains no JSON"
    start = _START.search(text)
    while start:
        try:
            document, end = json.JSONDecoder().raw_decode(text, start.end() - 1)
        except (ValueError, RecursionError) as exc:
            # A log line may begin like this too, so only a problem with the last document counts.
            problem, start = str(exc), _START.search(text, start.end())
        else:
            yield document
            problem, start = "", _NEXT.match(text, end) or _START.search(text, end)
    if problem:
        raise ValueError(problem)


def _items(document: t.Any) -> Iterator[Mapping[str, t.Any]]:
    for item in document if isinstance(document, list) else [document]:
        if not isinstance(item, dict) or not ISTIOCTL_CODE.fullmatch(str(item.get("code"))):
            raise ValueError("an item of it has no code")
        yield item


def _read_finding(item: Mapping[str, t.Any], command: str) -> Finding:
    code = str(item["code"])
    kind, dummy, name = str(item.get("origin") or "Cluster").partition(" ")
    reference = f" ({item['reference']})" if item.get("reference") else ""
    docs = str(item.get("documentationUrl") or f"{ALL_CODES}{code.lower()}/")
    message = str(item.get("message") or "istioctl gives no message.").strip()
    return Finding(
        code=code,
        severity=_SEVERITIES.get(str(item.get("level")), WARNING),
        title=TITLES.get(code, "found by istioctl"),
        ref=parse_ref(f"{_KINDS.get(kind, kind)} {name}"),
        message=f"{message}{reference}",
        why=f"{command} reports it with level {item.get('level') or 'unknown'}.",
        remedy=f"follow {docs}",
        docs=docs,
    )


FindSame = Callable[[Finding, list[Finding], Snapshot], list[Finding]]


@dataclasses.dataclass(frozen=True)
class Equivalent:
    """The codes of checks that report the same problem as a code of istioctl.

    ``when`` describes for people which findings are the same; ``find`` returns those findings of the checks.
    """

    codes: tuple[str, ...]
    when: str
    find: FindSame


def _same_object(reported: Finding, candidates: list[Finding], snapshot: Snapshot) -> list[Finding]:
    return [finding for finding in candidates if finding.ref == reported.ref]


def _always(reported: Finding, candidates: list[Finding], snapshot: Snapshot) -> list[Finding]:
    return candidates


def _same_webhook(reported: Finding, candidates: list[Finding], snapshot: Snapshot) -> list[Finding]:
    """Compare IST0139: a Service that is gone, or webhooks that match the same labels, even if no object has them."""
    if _MISSING_SERVICE in reported.message:
        return [finding for finding in candidates if finding.code == "MU011" and finding.ref == reported.ref]
    return [
        finding
        for finding in candidates
        if finding.code == "MU016" and reported.ref in _overlapping_webhooks(snapshot, finding.ref.name)
    ]


def _overlapping_webhooks(snapshot: Snapshot, name: str) -> list[ObjectRef]:
    """Return the webhooks of a namespace, if several of them match it."""
    namespace = snapshot.namespaces.get(name)
    injectors = overlapping_injectors(snapshot.mesh, namespace.labels) if namespace else []
    return [cluster_object("webhook", injector.name) for injector in injectors]


def _same_permission(reported: Finding, candidates: list[Finding], snapshot: Snapshot) -> list[Finding]:
    match = _RESOURCE.search(reported.message)
    denied = {permission.resource for permission in snapshot.precheck_inputs.denied if permission.verb == "create"}
    return candidates if match and match[1] in denied else []


def _pods_in(reported: Finding) -> list[tuple[str, str]]:
    """Return the pods of a finding by namespace and name: istioctl names one pod, or several in the message."""
    is_pod, listed = reported.ref.kind == "pod", _POD_NAMES.search(reported.message)
    names = [reported.ref.name] if is_pod else re.split(r"[ ,]+", listed[1]) if listed else []
    return [(reported.ref.namespace or reported.ref.name, name) for name in names]


def _same_pods(reported: Finding, candidates: list[Finding], snapshot: Snapshot) -> list[Finding]:
    """Compare findings about pods; checks name their owners."""
    by_ref = {_case_folded(finding.ref): finding for finding in candidates}
    same = [by_ref.get(_case_folded(_owner(snapshot, *place))) for place in _pods_in(reported)]
    return [finding for finding in same if finding] if all(same) else []


def _same_images(reported: Finding, candidates: list[Finding], snapshot: Snapshot) -> list[Finding]:
    """Compare IST0158; a pod whose proxy is what it would get now does not count."""
    differing = [place for place in _pods_in(reported) if not _has_right_proxy(snapshot, place)]
    by_ref = {_case_folded(finding.ref): finding for finding in candidates}
    same = [by_ref.get(_case_folded(_owner(snapshot, *place))) for place in differing]
    return [finding for finding in same if finding] if all(same) else []


def _has_right_proxy(snapshot: Snapshot, place: tuple[str, str]) -> bool:
    """Return whether a pod has the proxy that it would get now.

    IST0158 compares an image with hub, name and tag of the injector, and does not know variants such as distroless,
    image types, or gateways (istio/istio pkg/config/analysis/analyzers/injection/injection-image.go).
    """
    pod = snapshot.pods_by_place.get(place)
    status = snapshot.proxy_status_of(pod) if pod else None
    return status is not None and status.condition == ProxyCondition.CURRENT and bool(status.expected_image)


def _is_right(reported: Finding, snapshot: Snapshot) -> bool:
    """Return whether istioctl reports what is right."""
    if reported.code in NOT_ABOUT_UPGRADES:
        return True
    pods = _pods_in(reported) if reported.code == OTHER_IMAGE else []
    return bool(pods) and all(_has_right_proxy(snapshot, place) for place in pods)


def _case_folded(ref: ObjectRef) -> ObjectRef:
    """Return a reference for comparison: a kind may be written pod or Pod."""
    return ref._replace(kind=ref.kind.casefold())


def _owner(snapshot: Snapshot, namespace: str, name: str) -> ObjectRef:
    pod = snapshot.pods_by_place.get((namespace, name))
    owner = snapshot.owner_of(pod) if pod else Owner("Pod", name)
    return ObjectRef(namespace, owner.kind, owner.name)


_STALE = ("MU020", "MU021", "MU024", "MU028")
#: A finding of istioctl is omitted only if a check reports the same problem at the same object.
EQUIVALENTS: Mapping[str, Equivalent] = {
    "IST0103": Equivalent(("MU021", "MU024", "MU027"), "about the owner of the pod", _same_pods),
    "IST0123": Equivalent(("MU017",), "about the same namespace", _same_object),
    OVERLAPPING: Equivalent(("MU011", "MU016"), "about the same webhook", _same_webhook),
    PERMISSIONS: Equivalent(("MU009",), "about the same permission", _same_permission),
    "IST0142": Equivalent(("MU002",), "always", _always),
    OTHER_IMAGE: Equivalent(
        _STALE, "about the owners of all pods that it names, except pods whose proxy is right", _same_images
    ),
}


def merge_findings(checked: Iterable[Finding], reported: Iterable[Finding], snapshot: Snapshot) -> list[Finding]:
    """Return the findings of the checks and of istioctl, worst first.

    A problem that both report appears once, as the finding of the check, with the code of istioctl in its message. What
    istioctl reports although it is right is omitted, and what it reports about another mesh of the cluster.
    """
    checked, others = list(checked), []
    istioctl_codes: dict[Finding, set[str]] = collections.defaultdict(set)
    for finding in dict.fromkeys(reported):
        if _is_right(finding, snapshot) or _is_about_other_mesh(finding, snapshot):
            continue
        equivalent = EQUIVALENTS.get(finding.code)
        candidates = [other for other in checked if other.code in equivalent.codes] if equivalent else []
        same = equivalent.find(finding, candidates, snapshot) if equivalent else []
        for other in same:
            istioctl_codes[other].add(finding.code)
        if not same:
            # istioctl checks the permissions of a new installation; MU009 checks those that this run needs.
            is_note = finding.code == PERMISSIONS
            others.append(dataclasses.replace(finding, severity=INFO) if is_note else finding)
    return sort_by_severity([_add_codes(finding, istioctl_codes.get(finding)) for finding in checked] + others)


def _is_about_other_mesh(finding: Finding, snapshot: Snapshot) -> bool:
    """Whether a finding is about another mesh of the cluster, or about webhooks of two meshes, which MU063 reports."""
    ref, injectors = finding.ref, [injector.name for injector in snapshot.mesh.foreign_injectors]
    if ref.kind == "webhook":
        named = any(name in finding.message for name in injectors) and finding.code == OVERLAPPING
        return named or ref.name in injectors
    return snapshot.is_of_other_mesh(ref)


def _add_codes(finding: Finding, codes: Iterable[str] | None) -> Finding:
    if not codes:
        return finding
    return dataclasses.replace(finding, message=f"{finding.message} (istioctl: {', '.join(sorted(codes))})")
