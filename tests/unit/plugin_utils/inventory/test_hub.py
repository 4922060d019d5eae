# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clusters that Open Cluster Management and Argo CD list, and their contexts in kubeconfig files."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.hub import (
    IN_CLUSTER,
    HubCluster,
    clusters_from_hub,
    hub_context,
    list_request,
    parse_hub_cluster,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.kubeconfig import Context, parse_contexts
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import Source
from unit.inventory.kubeconfigs import SECRET, kubeconfig

PARIS, TOKYO = "https://paris:6443", "https://tokyo:6443"
HUB = Context("hub.yaml", "hub", "hub.local", "https://hub:6443", ("https://hub:6443", "", ""))
LOGINS = parse_contexts("fleet.yaml", kubeconfig({"paris": PARIS, "tokyo": TOKYO}))


def ocm(**over: t.Any) -> Source:
    defaults = {"kubeconfig": "hub.yaml", "context": "hub", "logins": ("fleet.yaml",), "login_context": "{name}"}
    return Source(1, "ocm", "{name}", **{**defaults, **over})


def argocd(**over: t.Any) -> Source:
    defaults = {"kubeconfig": "hub.yaml", "context": "hub", "logins": ("fleet.yaml",), "namespace": "argocd"}
    return Source(1, "argocd", "{name}", **{**defaults, **over})


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
def test_one_request_lists_the_clusters_of_a_hub(source: Source, path: str, query: dict[str, str]) -> None:
    assert (list_request(source)[0], list_request(source)[2]) == (path, query)


@pytest.mark.parametrize(
    ("source", "obj", "listed"),
    [
        (ocm(), managed("paris", ring="0"), HubCluster("paris", "ManagedCluster paris", labels={"ring": "0"})),
        (ocm(), managed("paris", accepted=False), None),
        (ocm(), {"metadata": {"name": "paris"}}, None),
        (
            ocm(),
            managed("local-cluster", **{"local-cluster": "true"}),
            HubCluster("local-cluster", "ManagedCluster local-cluster", is_hub=True, labels={"local-cluster": "true"}),
        ),
        (
            argocd(),
            secret(env="prod"),
            HubCluster("paris", "Secret argocd/cluster-paris", PARIS, labels={"env": "prod"}),
        ),
        (argocd(), secret("", PARIS), HubCluster(PARIS, "Secret argocd/cluster-", PARIS)),
        (
            argocd(),
            secret("in-cluster", IN_CLUSTER + "/"),
            HubCluster("in-cluster", "Secret argocd/cluster-in-cluster", IN_CLUSTER + "/", is_hub=True),
        ),
    ],
)
def test_an_object_of_a_hub_is_a_cluster(source: Source, obj: dict[str, t.Any], listed: HubCluster | None) -> None:
    cluster = parse_hub_cluster(source, obj)
    assert cluster == listed
    assert SECRET not in repr(cluster)


def test_an_invalid_secret_of_argo_cd_is_named() -> None:
    for value in ("=", base64.b64encode(b"\xff").decode()):
        broken = {"metadata": {"name": "x"}, "data": {"server": value}}
        with pytest.raises(
            ParameterError, match="Secret argocd/x is not a cluster of Argo CD: its key server is not text"
        ):
            parse_hub_cluster(argocd(), broken)
    empty = [HubCluster("x", "Secret argocd/x", "")]
    with pytest.raises(
        ParameterError, match="Secret argocd/x: its server '' is not a valid URL; select its context by login"
    ):
        clusters_from_hub(argocd(), empty, lambda dummy: LOGINS, HUB)


@pytest.mark.parametrize(
    "server", [f"https://me:{SECRET}@far.example.com", f"https://me:{SECRET}/@far.example.com:x"], ids=["a URL", "none"]
)
def test_s13_a_login_in_the_server_of_a_hub_is_not_shown(server: str) -> None:
    data = {"server": base64.b64encode(server.encode()).decode()}
    listed = parse_hub_cluster(argocd(), {"metadata": {"name": "x"}, "data": data})
    assert listed is not None
    assert SECRET not in listed.name
    with pytest.raises(ParameterError, match="Secret argocd/x") as failed:
        clusters_from_hub(argocd(), [listed], lambda dummy: LOGINS, HUB)
    assert SECRET not in failed.value.message


def test_a_login_is_found_by_the_name_of_its_context() -> None:
    source = ocm(login_context="admin@{name}")
    logins = parse_contexts("fleet.yaml", kubeconfig({"paris": PARIS, "tokyo": TOKYO}, prefix="admin@"))
    listed = [HubCluster("paris", "ManagedCluster paris", labels={"ring": "0"})]
    clusters, skipped = clusters_from_hub(source, listed, lambda dummy: logins, HUB)
    assert skipped == []
    assert [
        (cluster.host, cluster.kubeconfig, cluster.context, cluster.server, cluster.source, cluster.labels)
        for cluster in clusters
    ] == [("paris", "fleet.yaml", "admin@paris", PARIS, "ocm", {"ring": "0"})]


def test_a_login_is_found_by_the_server() -> None:
    listed = [HubCluster("Paris: prod", "Secret argocd/a", PARIS + "/"), HubCluster("Tokyo", "Secret argocd/b", TOKYO)]
    clusters, dummy = clusters_from_hub(argocd(), listed, lambda dummy: LOGINS, HUB)
    assert [(cluster.host, cluster.context) for cluster in clusters] == [("Paris-prod", "paris"), ("Tokyo", "tokyo")]


def test_the_file_of_a_cluster_is_looked_up_by_a_safe_name() -> None:
    names: list[str] = []

    def logins(name: str) -> list[Context]:
        names.append(name)
        return LOGINS

    clusters_from_hub(argocd(), [HubCluster("../../etc/paris", "Secret argocd/a", PARIS)], logins, HUB)
    assert names == ["etc-paris"]


@pytest.mark.parametrize("source", [ocm(), argocd()])
def test_the_hub_itself_is_reached_as_the_hub(source: Source) -> None:
    clusters, dummy = clusters_from_hub(
        source, [HubCluster("here", "x", IN_CLUSTER, is_hub=True)], lambda dummy: LOGINS, HUB
    )
    assert [(cluster.host, cluster.kubeconfig, cluster.context, cluster.server) for cluster in clusters] == [
        ("here", "hub.yaml", "hub", "https://hub:6443")
    ]


ROME = HubCluster("rome", "ManagedCluster rome", "https://rome:6443")


@pytest.mark.parametrize(("source", "expected"), [(ocm(), "rome"), (argocd(), "https://rome:6443")])
def test_a_cluster_without_a_login_is_refused_or_left_out(source: Source, expected: str) -> None:
    listed = [ROME, HubCluster("paris", "ManagedCluster paris", PARIS)]
    with pytest.raises(ParameterError, match=f"no context {expected} of logins leads to ManagedCluster rome; add it"):
        clusters_from_hub(source, listed, lambda dummy: LOGINS, HUB)
    skipping = {"type": source.type, "without_login": "skip", "login_context": source.login_context}
    clusters, skipped = clusters_from_hub(Source(1, host_name="{name}", **skipping), listed, lambda dummy: LOGINS, HUB)
    assert ([cluster.host for cluster in clusters], skipped) == (["paris"], [ROME])
    excluding, dummy = clusters_from_hub(
        Source(1, source.type, "{name}", exclude=("rome",), login_context=source.login_context),
        listed,
        lambda dummy: LOGINS,
        HUB,
    )
    assert [cluster.host for cluster in excluding] == ["paris"]


@pytest.mark.parametrize("source", [ocm(), argocd()])
def test_two_logins_of_one_cluster_are_refused(source: Source) -> None:
    both = [*LOGINS, *parse_contexts("old.yaml", kubeconfig({"paris": PARIS}))]
    with pytest.raises(ParameterError, match="both context paris of fleet.yaml and context paris of old.yaml lead to"):
        clusters_from_hub(source, [HubCluster("paris", "x", PARIS)], lambda dummy: both, HUB)


def test_a_login_that_is_not_usable_is_reported_with_the_reason() -> None:
    wrong = [Context("fleet.yaml", "paris", problem="its user 'x' is not in the file")]
    with pytest.raises(ParameterError, match="context paris of fleet.yaml is not usable: its user 'x' is not in the"):
        clusters_from_hub(ocm(), [HubCluster("paris", "x")], lambda dummy: wrong, HUB)


def test_the_login_of_the_hub_is_selected_by_its_context() -> None:
    assert hub_context(ocm(context="tokyo"), LOGINS).server == TOKYO
    with pytest.raises(
        ParameterError, match="context hub of hub.yaml is not usable: the file has no context with this name."
    ):
        hub_context(ocm(), LOGINS)
    with pytest.raises(ParameterError, match="context hub of hub.yaml is not usable: its user is gone."):
        hub_context(ocm(), [Context("hub.yaml", "hub", problem="its user is gone")])
