# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options to sources, names of hosts, doubles, variables and groups."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.model import (
    OPTIONS,
    Cluster,
    Look,
    Source,
    filled,
    groups,
    host_of,
    options,
    picked,
    refuse_equal_names,
    refuse_same_cluster,
    safe,
    same_server,
    variables,
)

KNOWN = {*OPTIONS, "plugin", "compose"}
FILE = {"type": "kubeconfig", "path": "fleet.yaml"}
HUB = {"type": "ocm", "kubeconfig": "hub.yaml", "context": "hub", "logins": "fleet.yaml"}


def source(**over: t.Any) -> Source:
    return Source(**{"number": 1, "type": "kubeconfig", "host_name": "{context}", **over})


def cluster(host: str, server: str = "https://paris:6443", **over: t.Any) -> Cluster:
    given: dict[str, t.Any] = {
        "name": host,
        "found": f"context {host} of fleet.yaml",
        "source": "kubeconfig",
        "kubeconfig": "/etc/fleet.yaml",
        "context": host,
        "server": server,
        "same": (same_server(server), "", ""),
    }
    return Cluster(host=host, **{**given, **over})


def test_options_have_defaults() -> None:
    found = options({"plugin": "x", "sources": [FILE, {**HUB, "logins": ["a", "b"]}, {**HUB, "type": "argocd"}]}, KNOWN)
    assert (found.look, found.look_timeout, found.istio_namespace) == (False, 5, "istio-system")
    file, ocm, argocd = found.sources
    assert (file.path, file.host_name, file.include, str(file)) == (
        ("fleet.yaml",),
        "{context}",
        (),
        "Source 1 (kubeconfig)",
    )
    assert (ocm.logins, ocm.login_context, ocm.host_name, ocm.without_login) == (("a", "b"), "{name}", "{name}", "fail")
    assert (argocd.login_context, argocd.namespace) == ("", "argocd")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "missing required arguments: sources"),
        ({"sources": []}, "Option sources is empty"),
        ({"sources": [FILE], "sourcez": 1}, "There is no option sourcez; known are cache, compose,"),
        ({"sources": [FILE], "look": "maybe"}, "unable to convert to bool"),
        ({"sources": [FILE], "strict": "certainly"}, "unable to convert to bool"),
        ({"sources": [FILE], "look_timeout": 0}, "give at least 1 second"),
        ({"sources": ["fleet.yaml"]}, "elements value check failed|Elements value"),
        ({"sources": [{"path": "x"}]}, "Source 1: type is missing; give one of kubeconfig, ocm, argocd."),
        ({"sources": [FILE, {"type": "rancher"}]}, "Source 2: type is rancher; give one of"),
        ({"sources": [{"type": "kubeconfig"}]}, "Source 1 \\(kubeconfig\\): missing required arguments: path."),
        ({"sources": [{**FILE, "contexts": ["a"]}]}, "Source 1 \\(kubeconfig\\): .*contexts"),
        ({"sources": [{**HUB, "context": None}]}, "Source 1 \\(ocm\\): missing required arguments: context."),
        ({"sources": [{**HUB, "without_login": "no"}]}, "without_login must be one of: fail, skip"),
        ({"sources": [{**HUB, "namespace": "argocd"}]}, "Source 1 \\(ocm\\): .*namespace"),
    ],
)
def test_wrong_options_are_one_sentence(config: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        options(config, KNOWN)
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("paris-1", "paris-1"),
        ("admin@paris", "admin-paris"),
        ("arn:aws:eks:eu-west-3:1:cluster/paris", "arn-aws-eks-eu-west-3-1-cluster-paris"),
        ("gke_project_zone_paris", "gke_project_zone_paris"),
        ("../../etc/x[1:3]", "etc-x-1-3"),
        ("{{ evil }}", "evil"),
        ("&!*", ""),
    ],
)
def test_names_are_safe(name: str, host: str) -> None:
    assert safe(name) == host


def test_a_template_makes_the_name() -> None:
    fields = {"context": "a@b", "file": "paris"}
    assert filled("{file}-{context}", "host_name", fields) == "paris-a@b"
    assert host_of(source(), "paris-a@b") == "paris-a-b"
    with pytest.raises(ParameterError, match="there is no {cloud} in '{cloud}'; known are {context}, {file}."):
        filled("{cloud}", "host_name", fields)
    with pytest.raises(ParameterError, match="Source 1 \\(kubeconfig\\): '!' leaves no name for a host"):
        host_of(source(), "!")


@pytest.mark.parametrize(
    ("include", "exclude", "found"),
    [
        ((), (), ["eu-1", "eu-2", "us-1"]),
        (("eu-*",), (), ["eu-1", "eu-2"]),
        (("*-1",), ("us-*",), ["eu-1"]),
        (("us-1", "eu-2"), (), ["eu-2", "us-1"]),
        ((), ("nothing-like-it",), ["eu-1", "eu-2", "us-1"]),
    ],
)
def test_patterns_pick(include: tuple[str, ...], exclude: tuple[str, ...], found: list[str]) -> None:
    assert picked(source(include=include, exclude=exclude), ["eu-1", "eu-2", "us-1"]) == set(found)


def test_a_pattern_that_picks_nothing_is_refused() -> None:
    with pytest.raises(ParameterError, match="nothing matches 'ue-\\*' of include; there are eu-1, us-1."):
        picked(source(include=("eu-*", "ue-*")), ["us-1", "eu-1"])
    with pytest.raises(ParameterError, match="yields no cluster: 1 found, all left out"):
        picked(source(exclude=("*",)), ["eu-1"])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://Paris.example.com", "https://paris.example.com.:443/", True),
        ("http://paris", "http://paris:80", True),
        ("https://paris:6443", "https://paris:6444", False),
        ("https://rancher/k8s/clusters/a", "https://rancher/k8s/clusters/b", False),
        ("https://[::1]:6443", "https://[::1]:6443/", True),
    ],
)
def test_one_server_has_one_form(one: str, other: str, same: bool) -> None:
    assert (same_server(one) == same_server(other)) is same


@pytest.mark.parametrize("url", ["", "paris:6443", "ftp://paris", "https://", "https://paris:x"])
def test_what_is_no_url_is_no_server(url: str) -> None:
    with pytest.raises(ValueError, match=re.compile("")):
        same_server(url)


def test_two_clusters_of_one_name_are_refused() -> None:
    refuse_equal_names([cluster("a"), cluster("b")])
    with pytest.raises(ParameterError, match="would be host a: context a of fleet.yaml and context a of other.yaml"):
        refuse_equal_names([cluster("a"), cluster("b"), cluster("a", found="context a of other.yaml")])


TOKYO = "https://tokyo:6443"


@pytest.mark.parametrize(
    ("servers", "ids", "refused"),
    [
        (["https://paris:6443", TOKYO], ["", ""], False),
        ([TOKYO, TOKYO + "/"], ["", ""], True),
        # an access proxy: one address, two clusters
        ([TOKYO, TOKYO], ["1", "2"], False),
        (["https://paris:6443", TOKYO], ["1", "1"], True),
        # one of them did not answer
        ([TOKYO, TOKYO], ["1", ""], True),
        (["https://paris:6443", TOKYO], ["1", ""], False),
    ],
)
def test_one_cluster_under_two_names_is_refused(servers: list[str], ids: list[str], refused: bool) -> None:
    both = [cluster(host, server) for host, server in zip("ab", servers, strict=True)]
    looks = {host: Look(cluster_id) for host, cluster_id in zip("ab", ids, strict=True)}
    if not refused:
        refuse_same_cluster(both, looks)
        return
    with pytest.raises(ParameterError, match="Hosts a and b are the same cluster .*context a of .* and context b of"):
        refuse_same_cluster(both, looks)


def test_another_proxy_leads_to_another_server() -> None:
    ways = [cluster(host, TOKYO, same=(same_server(TOKYO), f"http://{host}", "")) for host in "ab"]
    refuse_same_cluster(ways, {})


RUNNING = (("1-29-0", "1.29.0"), ("1-30-3", "1.30.3-distroless"), ("default", "1.29.0"))


@pytest.mark.parametrize(
    ("look", "extra", "found"),
    [
        (None, {}, []),
        (Look(failed="gone"), {"istio_unreachable": "gone"}, ["istio_unreachable"]),
        (Look("1"), {"istio_cluster_id": "1", "istio_running": [], "istio_versions": []}, ["istio_not_installed"]),
        (
            Look("1", RUNNING),
            {
                "istio_cluster_id": "1",
                "istio_running": [{"revision": revision, "version": version} for revision, version in RUNNING],
                "istio_versions": ["1.29.0", "1.30.3-distroless"],
            },
            ["istio_version_1_29_0", "istio_version_1_30_3_distroless"],
        ),
        (
            Look("1", (("dev", ""),)),
            {"istio_cluster_id": "1", "istio_running": [{"revision": "dev", "version": ""}], "istio_versions": [""]},
            ["istio_version_unknown"],
        ),
    ],
)
def test_a_look_gives_variables_and_groups(look: Look | None, extra: dict[str, t.Any], found: list[str]) -> None:
    assert variables(cluster("paris", labels={"ring": "0"}), look) == {
        "ansible_connection": "local",
        "istio_kubeconfig": "/etc/fleet.yaml",
        "istio_context": "paris",
        "istio_cluster_name": "paris",
        "istio_cluster_server": "https://paris:6443",
        "istio_cluster_source": "kubeconfig",
        "istio_cluster_labels": {"ring": "0"},
        **extra,
    }
    assert groups(look) == found
