# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What istioctl finds, in the form of our findings, and what both of us find; pure.

Sources: istio/istio pkg/config/analysis/diag/message.go (an item of its answer), pkg/config/analysis/analyzers and
istioctl/pkg/precheck/precheck.go (what it looks at).
"""

from __future__ import annotations

import collections
import dataclasses
import json
import re
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import ObjectRef, cluster_object, parse_ref
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.proxy_status import Owner
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.resolver import overlapping
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
    "istioctl could not be asked",
    "What it would have found may be there; our own checks were made.",
    "mend what the message says, or leave parameter istioctl out",
    find_nothing,
    WARNING,
)
PERMISSIONS = "IST0141"
ALL_CODES = "https://istio.io/latest/docs/reference/config/analysis/"
#: An unknown level is none that a gate may pass over.
_SEVERITIES = {"Error": ERROR, "Warning": WARNING, "Info": INFO}
#: Kinds that our findings name by other words.
_KINDS = {
    "Cluster": "cluster",
    "MutatingWebhookConfiguration": "webhook",
    "Namespace": "namespace",
    "Pod": "pod",
    "ValidatingWebhookConfiguration": "validator",
}
#: A document starts a line, or where the last one ended; lines inside of one are indented, so that nothing is taken for
#: a document where one is cut off.
_START = re.compile(r"^[\[{]", re.MULTILINE)
_NEXT = re.compile(r"\s*[\[{]")
_MISSING_SERVICE = "does not exist"
_POD_NAMES = re.compile(r"pod names: \[([^\]]*)\]")
_RESOURCE = re.compile(r"create resource (\S+)")


def read_findings(text: str, command: str) -> list[Finding]:
    """Return what an answer of istioctl says: several JSON documents, perhaps with log lines between them.

    Raises:
        ValueError: it is not such an answer; it says why.
    """
    return [_finding(item, command) for document in _documents(text) for item in _items(document)]


def _documents(text: str) -> Iterator[t.Any]:
    broken = "" if text.strip() in ("", "null") else "it holds no JSON"
    start = _START.search(text)
    while start:
        try:
            document, end = json.JSONDecoder().raw_decode(text, start.end() - 1)
        except (ValueError, RecursionError) as exc:
            # a log line may start like this too; whoever comes last decides
            broken, start = str(exc), _START.search(text, start.end())
        else:
            yield document
            broken, start = "", _NEXT.match(text, end) or _START.search(text, end)
    if broken:
        raise ValueError(broken)


def _items(document: t.Any) -> Iterator[Mapping[str, t.Any]]:
    for item in document if isinstance(document, list) else [document]:
        if not isinstance(item, dict) or not ISTIOCTL_CODE.fullmatch(str(item.get("code"))):
            raise ValueError("an item of it has no code")
        yield item


def _finding(item: Mapping[str, t.Any], command: str) -> Finding:
    code = str(item["code"])
    kind, dummy, name = str(item.get("origin") or "Cluster").partition(" ")
    kind = _KINDS.get(kind, kind)
    reference = f" ({item['reference']})" if item.get("reference") else ""
    docs = str(item.get("documentationUrl") or f"{ALL_CODES}{code.lower()}/")
    return Finding(
        code=code,
        severity=_SEVERITIES.get(str(item.get("level")), WARNING),
        title=TITLES.get(code, "found by istioctl"),
        object=f"{kind} {name}".strip(),
        message=f"{str(item.get('message') or 'istioctl says no more.').strip()}{reference}",
        why=f"{command} reports it with level {item.get('level') or 'unknown'}.",
        remedy=f"do what {docs} says",
        docs=docs,
        about=parse_ref(f"{kind} {name}"),
    )


Said = Callable[[Finding, list[Finding], Snapshot], list[Finding]]


@dataclasses.dataclass(frozen=True)
class Equivalent:
    """Which of our findings say the same as a code of istioctl: ``said`` returns those of them that do, if any."""

    ours: tuple[str, ...]
    when: str
    said: Said


def _same_object(theirs: Finding, ours: list[Finding], snapshot: Snapshot) -> list[Finding]:
    return [one for one in ours if one.about == theirs.about]


def _everywhere(theirs: Finding, ours: list[Finding], snapshot: Snapshot) -> list[Finding]:
    return ours


def _same_webhook(theirs: Finding, ours: list[Finding], snapshot: Snapshot) -> list[Finding]:
    """IST0139 is a Service that is gone, or webhooks that match the same labels, whether or not anything has them."""
    if _MISSING_SERVICE in theirs.message:
        return [one for one in ours if one.code == "MU011" and one.about == theirs.about]
    return [one for one in ours if one.code == "MU016" and theirs.about in _callers(snapshot, one)]


def _callers(snapshot: Snapshot, finding: Finding) -> list[ObjectRef]:
    """Return the webhooks of a namespace that several of them match."""
    namespace = snapshot.namespaces.get(finding.about.name) if finding.about else None
    return (
        [cluster_object("webhook", i.name) for i in overlapping(snapshot.mesh, namespace.labels)] if namespace else []
    )


def _same_permission(theirs: Finding, ours: list[Finding], snapshot: Snapshot) -> list[Finding]:
    found = _RESOURCE.search(theirs.message)
    denied = {one.resource for one in snapshot.precheck_inputs.denied if one.verb == "create"}
    return ours if found and found[1] in denied else []


def _same_pods(theirs: Finding, ours: list[Finding], snapshot: Snapshot) -> list[Finding]:
    """Its object is a pod, or a namespace with the names of pods in the message; ours are the owners of pods."""
    kind, dummy, place = theirs.object.partition(" ")
    namespace, dummy, name = place.partition("/")
    listed = _POD_NAMES.search(theirs.message)
    names = [name] if kind == "pod" else re.split(r"[ ,]+", listed[1]) if listed else []
    by_object = {one.object.casefold(): one for one in ours}
    found = [by_object.get(_owner(snapshot, namespace, pod).casefold()) for pod in names]
    return [one for one in found if one] if all(found) else []


def _owner(snapshot: Snapshot, namespace: str, name: str) -> str:
    pod = snapshot.pods_by_place.get((namespace, name))
    owner = snapshot.owner_of(pod) if pod else Owner("Pod", name)
    return str(ObjectRef(namespace, owner.kind, owner.name))


_STALE = ("MU020", "MU021", "MU024", "MU028")
#: Nothing of istioctl is left out unless ours says the same about the same.
EQUIVALENTS: Mapping[str, Equivalent] = {
    "IST0103": Equivalent(("MU021", "MU024", "MU027"), "about the owner of the pod", _same_pods),
    "IST0123": Equivalent(("MU017",), "about the same namespace", _same_object),
    "IST0139": Equivalent(("MU011", "MU016"), "about the same webhook", _same_webhook),
    PERMISSIONS: Equivalent(("MU009",), "where the same permission is missing", _same_permission),
    "IST0142": Equivalent(("MU002",), "always", _everywhere),
    "IST0158": Equivalent(_STALE, "about the owners of all pods that it names", _same_pods),
}


def merge_findings(ours: Iterable[Finding], theirs: Iterable[Finding], snapshot: Snapshot) -> list[Finding]:
    """Return both, worst first; what both say stands there once, as ours, which names the code of istioctl."""
    ours, kept = list(ours), []
    codes: dict[Finding, set[str]] = collections.defaultdict(set)
    for one in dict.fromkeys(theirs):
        same = EQUIVALENTS.get(one.code)
        said = same.said(one, [own for own in ours if own.code in same.ours], snapshot) if same else []
        for own in said:
            codes[own].add(one.code)
        if not said:
            # precheck asks whether the user may install Istio anew; what this run needs, our own check has asked
            kept.append(dataclasses.replace(one, severity=INFO) if one.code == PERMISSIONS else one)
    return sort_by_severity([_marked(own, codes.get(own)) for own in ours] + kept)


def _marked(finding: Finding, codes: Iterable[str] | None) -> Finding:
    if not codes:
        return finding
    return dataclasses.replace(finding, message=f"{finding.message} (istioctl: {', '.join(sorted(codes))})")
