# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the files that are generated from tables of the code, so that the two cannot differ."""

from __future__ import annotations

import collections
import functools
import sys
from collections.abc import Callable, Iterable
from typing import Any

import yaml

from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Check
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.istioctl_findings import (
    ALL_CODES,
    EQUIVALENTS,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.registry import CHECKS
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.precheck_inputs import Permission
from ansible_collections.meshops.istio.plugins.module_utils.operations.precheck.permissions import (
    ASKING,
    EXPLAINING,
    LOOKING,
    MOVING,
    NEEDED,
    READING,
)
from tools import variable_tables
from tools.variable_tables import ROLE_NAMES, ROOT

FINDINGS = """# Findings

What `istio_precheck` looks for. Codes are stable: name one in `allow` to go on in spite of it, or
[waive it](precheck.md#waivers) where it is known, for a while.
Severity *before* counts in the gate of an upgrade, *after* in its proof; a dash means that the check is not made there.

| code | before | after | title |
| --- | --- | --- | --- |
"""
ISTIO = f"""## Codes of Istio

With `istioctl` given, `istio_precheck` also asks that `istioctl x precheck` (before an upgrade) and `istioctl analyze`
(at both stages), over all namespaces and all revisions. It has to be the `istioctl` of the target, because each version
knows its own changes. Both run while the cluster is read.

What they report keeps its code, `IST` and four digits, and its level. Name it in `allow` or in a waiver like one of
ours; [Istio lists all codes]({ALL_CODES}).
Much of it is about your own configuration and was so before: decide once which of it may stand in the way of an
upgrade. IST0141, a permission that a fresh install would need, is only a note: what this run needs is MU009.

Where `istioctl` says what a check of ours says too, ours stands there, with our severity and the code of Istio in its
message. Nothing else is left out.

| Istio's code | ours | the same |
| --- | --- | --- |
"""
PERMISSIONS = """# Permissions

What the user of a run has to be allowed to do. A run asks the API server for it before it touches anything (MU009).
Names, and the namespace `istio-system`, are yours to change.

`istioctl` and Helm act as the same user. Roles may be escalated and bound because istiod's own are among what is
installed.

Who has Argo Rollouts restarted too may also `list`, `watch` and `patch` `rollouts` of the group `argoproj.io`. Without
that they are only named.

One check needs more than a reader gets here: MU060 names the other clusters of a mesh by the metadata of their Secrets.
No role allows the metadata alone, and among the Secrets of `istio-system` is the key of the mesh's authority. Where it
may not list them, MU090 says so as a note; add `list` of `secrets` to the Role if that is fine with you.

`istioctl x precheck` and `istioctl analyze` list and watch all of Istio's configuration and, for analyze, all Secrets.
Only the role of an installer by istioctl has that. With any other, leave `istioctl` out of `istio_precheck`, or expect
MU080 with what is missing.

The roles below do not list the reading of `/apis`, by which a run finds the kinds of configuration that are served:
ClusterRole `system:discovery` of Kubernetes grants it to every authenticated user. Where that was taken away,
configuration counts as unread: moves warn, and a removal is refused.
"""
#: What the gate of a run by istioctl asks it too.
ISTIOCTL = (*ASKING["x precheck"], *ASKING["analyze"])
SETS = {
    "reader": ("Read: `istio_info` and `istio_precheck`", READING),
    "mover": ("Move and restart: every playbook with `istio_installer=external`", MOVING),
    "installer": (
        "Install and retire: every playbook with `istio_installer=istioctl`",
        (*NEEDED["istioctl"], *ISTIOCTL),
    ),
    "installer-helm": ("The same with `istio_installer=helm`", NEEDED["helm"]),
}
RBAC = "rbac.authorization.k8s.io"
Json = dict[str, Any]


def row(check: Check) -> str:
    """One line of the table of findings."""
    cells = (f"[{check.code}](#{check.code.lower()})", check.severity, check.after or "-", check.title)
    return f"| {' | '.join(cells)} |"


def section(check: Check) -> str:
    """What a reader who follows the link of a finding gets; the heading is the code, so that links stay."""
    needs = f"\n\nLooks at {' and '.join(check.needs)}; not made where these may not be read." if check.needs else ""
    return (
        f"## {check.code}\n\n**{check.title[0].upper()}{check.title[1:]}.** {check.why}\n\n"
        f"Remedy: {check.remedy}.{needs}\n"
    )


def rules(wanted: Iterable[Permission]) -> list[Json]:
    """RBAC rules: resources of one group that need the same verbs stand together."""
    verbs: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for one in wanted:
        if one.verb not in verbs[one.group, one.resource]:
            verbs[one.group, one.resource].append(one.verb)
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = collections.defaultdict(list)
    for (group, resource), found in verbs.items():
        groups[group, tuple(sorted(found))].append(resource)
    return [
        {"apiGroups": [group], "resources": sorted(resources), "verbs": list(found)}
        for (group, found), resources in sorted(groups.items())
    ]


def roles(name: str, wanted: Iterable[Permission], namespace: str) -> list[Json]:
    """A ClusterRole for what is needed everywhere, and a Role for what is needed beside the control planes."""
    found = list(wanted)
    api = f"{RBAC}/v1"
    everywhere = [one for one in found if not one.local]
    local = [one for one in found if one.local]
    return [
        {"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules(everywhere)},
        {
            "apiVersion": api,
            "kind": "Role",
            "metadata": {"name": name, "namespace": namespace},
            "rules": rules(local),
        },
    ]


def findings() -> str:
    """The page of findings."""
    same = (f"| {code} | {', '.join(one.ours)} | {one.when} |" for code, one in EQUIVALENTS.items())
    checks = sorted(CHECKS, key=lambda check: check.code)
    parts = ("\n".join(map(row, checks)), "\n" + ISTIO + "\n".join(same), "", *map(section, checks))
    return FINDINGS + "\n".join(parts)


def permissions() -> str:
    """The page of permissions."""
    text = PERMISSIONS
    for name, (title, wanted) in SETS.items():
        explaining = () if name == "reader" else EXPLAINING
        documents = roles(f"meshops-istio-{name}", (*wanted, *LOOKING, *explaining), "istio-system")
        body = "---\n".join(
            yaml.safe_dump(one, sort_keys=False, default_flow_style=None, width=140) for one in documents
        )
        text += f"\n## {title}\n\n```yaml\n{body}```\n"
    return text


GUIDES = variable_tables.guides()
#: Argument specs come before the READMEs, which are generated from them.
PAGES: dict[str, Callable[[], str]] = {
    "docs/findings.md": findings,
    "docs/permissions.md": permissions,
    **{f"docs/{name}": functools.partial(variable_tables.guide, path) for name, path in GUIDES.items()},
    **{
        f"roles/{role}/meta/argument_specs.yml": functools.partial(variable_tables.argument_specs, role)
        for role in ROLE_NAMES
    },
    **{f"roles/{role}/README.md": functools.partial(variable_tables.readme, role) for role in ROLE_NAMES},
}


def main() -> int:
    """Write the files."""
    for name, page in PAGES.items():
        (ROOT / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
