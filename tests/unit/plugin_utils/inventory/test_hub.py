# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters that Open Cluster Management and Argo CD list, and the kubeconfig contexts that lead to them."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.hub import (
    IN_CLUSTER,
    Listed,
    from_hub,
    hub_context,
    read_listed,
    request,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.kubeconfig import Context, contexts
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.model import Source
from unit.inventory.kubeconfigs import SECRET, kubeconfig

PARIS, TOKYO = "https://paris:6443", "https://tokyo:6443"
HUB = Context("hub.yaml", "hub", "hub.local", "https://hub:6443", ("https://hub:6443", "", ""))
LOGINS = contexts("fleet.yaml", kubeconfig({"paris": PARIS, "tokyo": TOKYO}))


def ocm(**over: t.Any) -> Source:
    given = {"kubeconfig": "hub.yaml", "context": "hub", "logins": ("fleet.yaml",), "login_context": "{name}"}
    return Source(1, "ocm", "{name}", **{**given, **over})


def argocd(**over: t.Any) -> Source:
    given = {"kubeconfig": "hub.yaml", "context": "hub", "logins": ("fleet.yaml",), "namespace": "argocd"}
    return Source(1, "argocd", "{name}", **{**given, **over})


def managed(name: str, accepted: bool = True, **labels: str) -> dict[str, t.Any]:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"hubAcceptsClient": accepted}}


def secret(name: str = "paris", server: str = PARIS, **labels: str) -> dict[str, t.Any]:
    data = {"name": name, "server": server, "config": json.dumps({"bearerToken": SECRET})}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"metadata": {"name": f"cluster-{name}", "labels": labels}, "data": encoded}


@pytest.mark.parametrize(
    ("source", "path", "query"),
    [
        (ocm(), "/apis/cluster.open-cluster-management.io/v1/managedclusters", {}),
        (
            ocm(label_selector="env=prod"),
            "/apis/cluster.open-cluster-management.io/v1/managedclusters",
            {"labelSelector": "env=prod"},
        ),
        (
            argocd(),
            "/api/v1/namespaces/argocd/secrets",
            {"labelSelector": "argocd.argoproj.io/secret-type=cluster"},
        ),
        (
            argocd(namespace="gitops", label_selector="env=prod"),
            "/api/v1/namespaces/gitops/secrets",
            {"labelSelector": "argocd.argoproj.io/secret-type=cluster,env=prod"},
        ),
    ],
)
def test_a_hub_is_asked_once(source: Source, path: str, query: dict[str, str]) -> None:
    assert (request(source)[0], request(source)[2]) == (path, query)


@pytest.mark.parametrize(
    ("source", "obj", "listed"),
    [
        (ocm(), managed("paris", ring="0"), Listed("paris", "ManagedCluster paris", labels={"ring": "0"})),
        (ocm(), managed("paris", accepted=False), None),
        (ocm(), {"metadata": {"name": "paris"}}, None),
        (
            ocm(),
            managed("local-cluster", **{"local-cluster": "true"}),
            Listed("local-cluster", "ManagedCluster local-cluster", hub=True, labels={"local-cluster": "true"}),
        ),
        (argocd(), secret(env="prod"), Listed("paris", "Secret argocd/cluster-paris", PARIS, labels={"env": "prod"})),
        (argocd(), secret("", PARIS), Listed(PARIS, "Secret argocd/cluster-", PARIS)),
        (
            argocd(),
            secret("in-cluster", IN_CLUSTER + "/"),
            Listed("in-cluster", "Secret argocd/cluster-in-cluster", IN_CLUSTER + "/", hub=True),
        ),
    ],
)
def test_an_object_of_a_hub_is_a_cluster(source: Source, obj: dict[str, t.Any], listed: Listed | None) -> None:
    found = read_listed(source, obj)
    assert found == listed
    assert SECRET not in repr(found)


def test_a_secret_that_is_none_of_argo_cd_is_named() -> None:
    for value in ("=", base64.b64encode(b"\xff").decode()):
        broken = {"metadata": {"name": "x"}, "data": {"server": value}}
        with pytest.raises(ParameterError, match="Secret argocd/x is no cluster of Argo CD: its key server is no text"):
            read_listed(argocd(), broken)
    empty = [Listed("x", "Secret argocd/x", "")]
    with pytest.raises(ParameterError, match="Secret argocd/x: its server '' is no URL; name its context by login"):
        from_hub(argocd(), empty, lambda dummy: LOGINS, HUB)


@pytest.mark.parametrize(
    "server", [f"https://me:{SECRET}@far.example.com", f"https://me:{SECRET}/@far.example.com:x"], ids=["a URL", "none"]
)
def test_s13_a_login_in_the_server_of_a_hub_is_not_shown(server: str) -> None:
    data = {"server": base64.b64encode(server.encode()).decode()}
    listed = read_listed(argocd(), {"metadata": {"name": "x"}, "data": data})
    assert listed is not None
    assert SECRET not in listed.name
    with pytest.raises(ParameterError, match="Secret argocd/x") as failed:
        from_hub(argocd(), [listed], lambda dummy: LOGINS, HUB)
    assert SECRET not in failed.value.message


def test_a_login_is_found_by_the_name_of_its_context() -> None:
    source = ocm(login_context="admin@{name}")
    logins = contexts("fleet.yaml", kubeconfig({"paris": PARIS, "tokyo": TOKYO}, prefix="admin@"))
    listed = [Listed("paris", "ManagedCluster paris", labels={"ring": "0"})]
    found, left = from_hub(source, listed, lambda dummy: logins, HUB)
    assert left == []
    assert [(one.host, one.kubeconfig, one.context, one.server, one.source, one.labels) for one in found] == [
        ("paris", "fleet.yaml", "admin@paris", PARIS, "ocm", {"ring": "0"})
    ]


def test_a_login_is_found_by_the_server() -> None:
    listed = [Listed("Paris: prod", "Secret argocd/a", PARIS + "/"), Listed("Tokyo", "Secret argocd/b", TOKYO)]
    found, dummy = from_hub(argocd(), listed, lambda dummy: LOGINS, HUB)
    assert [(one.host, one.context) for one in found] == [("Paris-prod", "paris"), ("Tokyo", "tokyo")]


def test_a_file_of_its_own_is_asked_for_by_a_safe_name() -> None:
    asked: list[str] = []

    def logins(name: str) -> list[Context]:
        asked.append(name)
        return LOGINS

    from_hub(argocd(), [Listed("../../etc/paris", "Secret argocd/a", PARIS)], logins, HUB)
    assert asked == ["etc-paris"]


@pytest.mark.parametrize("source", [ocm(), argocd()])
def test_the_hub_itself_is_reached_as_the_hub(source: Source) -> None:
    found, dummy = from_hub(source, [Listed("here", "x", IN_CLUSTER, hub=True)], lambda dummy: LOGINS, HUB)
    assert [(one.host, one.kubeconfig, one.context, one.server) for one in found] == [
        ("here", "hub.yaml", "hub", "https://hub:6443")
    ]


ROME = Listed("rome", "ManagedCluster rome", "https://rome:6443")


@pytest.mark.parametrize(("source", "sought"), [(ocm(), "rome"), (argocd(), "https://rome:6443")])
def test_a_cluster_without_a_login_is_refused_or_left_out(source: Source, sought: str) -> None:
    listed = [ROME, Listed("paris", "ManagedCluster paris", PARIS)]
    with pytest.raises(ParameterError, match=f"no context {sought} of logins leads to ManagedCluster rome; add it"):
        from_hub(source, listed, lambda dummy: LOGINS, HUB)
    skipping = {"type": source.type, "without_login": "skip", "login_context": source.login_context}
    found, left = from_hub(Source(1, host_name="{name}", **skipping), listed, lambda dummy: LOGINS, HUB)
    assert ([one.host for one in found], left) == (["paris"], [ROME])
    excluding, dummy = from_hub(
        Source(1, source.type, "{name}", exclude=("rome",), login_context=source.login_context),
        listed,
        lambda dummy: LOGINS,
        HUB,
    )
    assert [one.host for one in excluding] == ["paris"]


@pytest.mark.parametrize("source", [ocm(), argocd()])
def test_two_logins_are_one_too_many(source: Source) -> None:
    both = [*LOGINS, *contexts("old.yaml", kubeconfig({"paris": PARIS}))]
    with pytest.raises(ParameterError, match="both context paris of fleet.yaml and context paris of old.yaml lead to"):
        from_hub(source, [Listed("paris", "x", PARIS)], lambda dummy: both, HUB)


def test_a_login_that_leads_nowhere_says_why() -> None:
    wrong = [Context("fleet.yaml", "paris", wrong="its user 'x' is not in the file")]
    with pytest.raises(ParameterError, match="context paris of fleet.yaml is not usable: its user 'x' is not in the"):
        from_hub(ocm(), [Listed("paris", "x")], lambda dummy: wrong, HUB)


def test_the_login_of_the_hub_is_named_exactly() -> None:
    assert hub_context(ocm(context="tokyo"), LOGINS).server == TOKYO
    with pytest.raises(ParameterError, match="context hub of hub.yaml is not usable: there is none of this name."):
        hub_context(ocm(), LOGINS)
    with pytest.raises(ParameterError, match="context hub of hub.yaml is not usable: its user is gone."):
        hub_context(ocm(), [Context("hub.yaml", "hub", wrong="its user is gone")])
