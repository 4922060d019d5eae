# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the files that are generated from tables of the code, so that they always match it."""

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
    ISTIOCTL_COMMANDS,
    MOVE,
    NEEDED_BY_INSTALLER,
    READ,
    READ_FOR_CHECKS,
    READ_FOR_EXPLANATIONS,
)
from tools import variable_tables
from tools.variable_tables import ROLE_NAMES, ROOT

FINDINGS = """# Findings

The findings of `istio_precheck`. Codes are stable: name a code in `allow` to continue despite it, or
[waive it](precheck.md#waivers) at some objects up to a date.
Column *before* is the severity before an upgrade, column *after* the severity after it; a dash means that the check
does not run there.

| code | before | after | title |
| --- | --- | --- | --- |
"""
ISTIO = f"""## Codes of Istio

If `istioctl` is set, `istio_precheck` also runs `istioctl x precheck` (before an upgrade) and `istioctl analyze`
(before and after), over all namespaces and all revisions. It must be the `istioctl` of the target version, because each
version knows its own changes. Both commands run while the cluster is read.

Their findings keep their code, `IST` and four digits, and their level. Add such a code to `allow` or to a waiver like
a code of this collection; [Istio lists all codes]({ALL_CODES}).
Many of these findings are about your own configuration and existed before: decide once which of them may block an
upgrade. IST0141, a missing permission for a new installation, is always a note: MU009 checks the permissions that this
run needs.

If istioctl reports the same problem as a check of this collection, only the finding of the check is shown, with its
severity, and with the code of Istio in its message. Two findings of istioctl are not shown, because they would be bad
advice: IST0102 (namespace not injected), which asks for the label `istio-injection=enabled` on every other namespace,
and IST0158 (proxy image differs) if each pod that it names has the image that it would get now, such as a distroless
one. All other findings of istioctl are shown.

| Istio's code | check | when it is the same problem |
| --- | --- | --- |
"""
PERMISSIONS = """# Permissions

The permissions that the user of a run needs. A run checks them before its first change (MU009).
You may change the names, and the namespace `istio-system`.

`istioctl` and Helm use the same user. The user must be allowed to escalate and bind roles, because an installation
creates the roles of istiod.

To let runs restart Argo Rollouts too, also allow `list`, `watch` and `patch` on `rollouts` of group `argoproj.io`.
Without these permissions, runs only name the Rollouts.

Two checks need more than the reader has here: MU060 names the other clusters of a mesh, and MU134 the Helm releases in
progress, by the metadata of Secrets. A role cannot allow the metadata alone, and the Secrets of `istio-system` include
the CA key of the mesh. If the user may not list them, MU090 reports that as a note; add `list` on `secrets` to the Role
if you accept that.

Where a webhook or a policy matches changes of namespaces, MU117 asks by dry runs whether the run could move them, which
needs `patch` on `namespaces`, as the run does. A user without it gets MU090 for this check.

`istioctl x precheck` and `istioctl analyze` list and watch all of Istio's configuration and, for analyze, all Secrets.
Only the role of the installer with istioctl has these permissions. With any other role, omit `istioctl` from
`istio_precheck`, or expect MU080 with the missing permissions.

The roles below do not include reading `/apis`, with which a run finds the configuration kinds that the API server
serves: ClusterRole `system:discovery` of Kubernetes grants it to every authenticated user. If your cluster removed that
grant, configuration counts as unread: moves warn, and a removal is refused.
"""
#: The commands of istioctl that a precheck before a run with istioctl may use too.
ISTIOCTL = (*ISTIOCTL_COMMANDS["x precheck"], *ISTIOCTL_COMMANDS["analyze"])
SETS = {
    "reader": ("Read: `istio_info` and `istio_precheck`", READ),
    "mover": ("Move and restart: every playbook with `istio_installer=external`", MOVE),
    "installer": (
        "Install and remove: every playbook with `istio_installer=istioctl`",
        (*NEEDED_BY_INSTALLER["istioctl"], *ISTIOCTL),
    ),
    "installer-helm": ("The same with `istio_installer=helm`", NEEDED_BY_INSTALLER["helm"]),
}
RBAC = "rbac.authorization.k8s.io"
Json = dict[str, Any]


def row(check: Check) -> str:
    """Return one line of the table of findings."""
    cells = (f"[{check.code}](#{check.code.lower()})", check.severity, check.after or "-", check.title)
    return f"| {' | '.join(cells)} |"


def section(check: Check) -> str:
    """Return the section about a check; its heading is the code, so that links to it stay valid."""
    needs = (
        f"\n\nNeeds {' and '.join(check.needs)}: if they cannot be read, the check does not run." if check.needs else ""
    )
    return (
        f"## {check.code}\n\n**{check.title[0].upper()}{check.title[1:]}.** {check.why}\n\n"
        f"Remedy: {check.remedy}.{needs}\n"
    )


def rules(permissions: Iterable[Permission]) -> list[Json]:
    """Return RBAC rules; resources of one group with the same verbs share a rule."""
    verbs_by_resource: dict[tuple[str, str], list[str]] = collections.defaultdict(list)
    for permission in permissions:
        verbs = verbs_by_resource[permission.group, permission.resource]
        if permission.verb not in verbs:
            verbs.append(permission.verb)
    resources_by_verbs: dict[tuple[str, tuple[str, ...]], list[str]] = collections.defaultdict(list)
    for (group, resource), verbs in verbs_by_resource.items():
        resources_by_verbs[group, tuple(sorted(verbs))].append(resource)
    return [
        {"apiGroups": [group], "resources": sorted(resources), "verbs": list(sorted_verbs)}
        for (group, sorted_verbs), resources in sorted(resources_by_verbs.items())
    ]


def roles(name: str, permissions: Iterable[Permission], namespace: str) -> list[Json]:
    """Return a ClusterRole for all namespaces, and a Role for the namespace of the control planes."""
    permissions = list(permissions)
    api = f"{RBAC}/v1"
    everywhere = [permission for permission in permissions if not permission.local]
    local = [permission for permission in permissions if permission.local]
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
    """Return the page of findings."""
    same = (
        f"| {code} | {', '.join(equivalent.codes)} | {equivalent.when} |" for code, equivalent in EQUIVALENTS.items()
    )
    checks = sorted(CHECKS, key=lambda check: check.code)
    parts = ("\n".join(map(row, checks)), "\n" + ISTIO + "\n".join(same), "", *map(section, checks))
    return FINDINGS + "\n".join(parts)


def permissions() -> str:
    """Return the page of permissions."""
    text = PERMISSIONS
    for name, (title, needed) in SETS.items():
        explanations = () if name == "reader" else READ_FOR_EXPLANATIONS
        documents = roles(f"meshops-istio-{name}", (*needed, *READ_FOR_CHECKS, *explanations), "istio-system")
        body = "---\n".join(
            yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=140) for document in documents
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
