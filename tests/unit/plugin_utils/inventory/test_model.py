# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options, host names, duplicates, variables and groups."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.model import (
    Cluster,
    Probe,
    fill_template,
    host_groups,
    host_name_of,
    host_variables,
    normalize_server,
    refuse_equal_names,
    refuse_same_cluster,
    safe_name,
    select_names,
)
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import OPTIONS, Source, parse_options

KNOWN = {*OPTIONS, "plugin", "compose"}
FILE = {"type": "kubeconfig", "path": "fleet.yaml"}
HUB = {"type": "ocm", "kubeconfig": "hub.yaml", "context": "hub", "logins": "fleet.yaml"}


def source(**over: t.Any) -> Source:
    return Source(**{"number": 1, "type": "kubeconfig", "host_name": "{context}", **over})


def cluster(host: str, server: str = "https://paris:6443", **over: t.Any) -> Cluster:
    defaults: dict[str, t.Any] = {
        "name": host,
        "origin": f"context {host} of fleet.yaml",
        "source": "kubeconfig",
        "kubeconfig": "/etc/fleet.yaml",
        "context": host,
        "server": server,
        "server_key": (normalize_server(server), "", ""),
    }
    return Cluster(host=host, **{**defaults, **over})


def test_options_have_defaults() -> None:
    parsed = parse_options(
        {"plugin": "x", "sources": [FILE, {**HUB, "logins": ["a", "b"]}, {**HUB, "type": "argocd"}]}, KNOWN
    )
    assert (parsed.probe, parsed.probe_timeout, parsed.istio_namespace) == (False, 5, "istio-system")
    file, ocm, argocd = parsed.sources
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
        ({"sources": [FILE], "sourcez": 1}, "There is no option sourcez; valid options are cache, compose,"),
        ({"sources": [FILE], "probe": "maybe"}, "unable to convert to bool"),
        ({"sources": [FILE], "strict": "certainly"}, "unable to convert to bool"),
        ({"sources": [FILE], "probe_timeout": 0}, "set at least 1 second"),
        ({"sources": ["fleet.yaml"]}, "elements value check failed|Elements value"),
        ({"sources": [{"path": "x"}]}, "Source 1: type is missing; set one of kubeconfig, ocm, argocd."),
        ({"sources": [FILE, {"type": "rancher"}]}, "Source 2: type is rancher; set one of"),
        ({"sources": [{"type": "kubeconfig"}]}, "Source 1 \\(kubeconfig\\): missing required arguments: path."),
        ({"sources": [{**FILE, "contexts": ["a"]}]}, "Source 1 \\(kubeconfig\\): .*contexts"),
        ({"sources": [{**HUB, "context": None}]}, "Source 1 \\(ocm\\): missing required arguments: context."),
        ({"sources": [{**HUB, "without_login": "no"}]}, "without_login must be one of: fail, skip"),
        ({"sources": [{**HUB, "namespace": "argocd"}]}, "Source 1 \\(ocm\\): .*namespace"),
    ],
)
def test_an_invalid_option_is_reported_in_one_sentence(config: dict[str, t.Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message) as caught:
        parse_options(config, KNOWN)
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
    assert safe_name(name) == host


def test_the_host_name_is_a_template() -> None:
    fields = {"context": "a@b", "file": "paris"}
    assert fill_template("{file}-{context}", "host_name", fields) == "paris-a@b"
    assert host_name_of(source(), "paris-a@b") == "paris-a-b"
    with pytest.raises(ParameterError, match="there is no {cloud} in '{cloud}'; valid fields are {context}, {file}."):
        fill_template("{cloud}", "host_name", fields)
    with pytest.raises(ParameterError, match="Source 1 \\(kubeconfig\\): '!' has no valid character for a host name"):
        host_name_of(source(), "!")


@pytest.mark.parametrize(
    ("include", "exclude", "selected"),
    [
        ((), (), ["eu-1", "eu-2", "us-1"]),
        (("eu-*",), (), ["eu-1", "eu-2"]),
        (("*-1",), ("us-*",), ["eu-1"]),
        (("us-1", "eu-2"), (), ["eu-2", "us-1"]),
        ((), ("nothing-like-it",), ["eu-1", "eu-2", "us-1"]),
    ],
)
def test_patterns_select_names(include: tuple[str, ...], exclude: tuple[str, ...], selected: list[str]) -> None:
    assert select_names(source(include=include, exclude=exclude), ["eu-1", "eu-2", "us-1"]) == set(selected)


def test_a_pattern_that_matches_nothing_is_refused() -> None:
    with pytest.raises(ParameterError, match="pattern 'ue-\\*' of include matches nothing; names are eu-1, us-1."):
        select_names(source(include=("eu-*", "ue-*")), ["us-1", "eu-1"])
    with pytest.raises(ParameterError, match="has no cluster: include and exclude leave out all 1 of them"):
        select_names(source(exclude=("*",)), ["eu-1"])


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("https://Paris.example.com", "https://paris.example.com.:443/", True),
        ("http://paris", "http://paris:80", True),
        ("https://paris:6443", "https://paris:6444", False),
        ("https://rancher/k8s/clusters/a", "https://rancher/k8s/clusters/b", False),
        ("https://[::1]:6443", "https://[::1]:6443/", True),
    ],
)
def test_all_spellings_of_a_server_are_equal(first: str, second: str, same: bool) -> None:
    assert (normalize_server(first) == normalize_server(second)) is same


@pytest.mark.parametrize("url", ["", "paris:6443", "ftp://paris", "https://", "https://paris:x"])
def test_an_invalid_url_is_an_error(url: str) -> None:
    with pytest.raises(ValueError, match=re.compile("")):
        normalize_server(url)


def test_two_clusters_with_one_name_are_refused() -> None:
    refuse_equal_names([cluster("a"), cluster("b")])
    with pytest.raises(ParameterError, match="would be host a: context a of fleet.yaml and context a of other.yaml"):
        refuse_equal_names([cluster("a"), cluster("b"), cluster("a", origin="context a of other.yaml")])


TOKYO = "https://tokyo:6443"


@pytest.mark.parametrize(
    ("servers", "ids", "refused"),
    [
        (["https://paris:6443", TOKYO], ["", ""], False),
        ([TOKYO, TOKYO + "/"], ["", ""], True),
        # An access proxy: one address, two clusters.
        ([TOKYO, TOKYO], ["1", "2"], False),
        (["https://paris:6443", TOKYO], ["1", "1"], True),
        # One of them did not answer.
        ([TOKYO, TOKYO], ["1", ""], True),
        (["https://paris:6443", TOKYO], ["1", ""], False),
    ],
)
def test_one_cluster_with_two_names_is_refused(servers: list[str], ids: list[str], refused: bool) -> None:
    both = [cluster(host, server) for host, server in zip("ab", servers, strict=True)]
    probes = {host: Probe(cluster_id) for host, cluster_id in zip("ab", ids, strict=True)}
    if not refused:
        refuse_same_cluster(both, probes)
        return
    with pytest.raises(ParameterError, match="Hosts a and b are the same cluster .*context a of .* and context b of"):
        refuse_same_cluster(both, probes)


def test_another_proxy_leads_to_another_server() -> None:
    ways = [cluster(host, TOKYO, server_key=(normalize_server(TOKYO), f"http://{host}", "")) for host in "ab"]
    refuse_same_cluster(ways, {})


RUNNING = (("1-29-0", "1.29.0"), ("1-30-3", "1.30.3-distroless"), ("default", "1.29.0"))


@pytest.mark.parametrize(
    ("probe", "extra", "groups"),
    [
        (None, {}, []),
        (Probe(error="gone"), {"istio_unreachable": "gone"}, ["istio_unreachable"]),
        (Probe("1"), {"istio_cluster_id": "1", "istio_running": [], "istio_versions": []}, ["istio_not_installed"]),
        (
            Probe("1", RUNNING),
            {
                "istio_cluster_id": "1",
                "istio_running": [{"revision": revision, "version": version} for revision, version in RUNNING],
                "istio_versions": ["1.29.0", "1.30.3-distroless"],
            },
            ["istio_version_1_29_0", "istio_version_1_30_3_distroless"],
        ),
        (
            Probe("1", (("dev", ""),)),
            {"istio_cluster_id": "1", "istio_running": [{"revision": "dev", "version": ""}], "istio_versions": [""]},
            ["istio_version_unknown"],
        ),
    ],
)
def test_a_probe_defines_variables_and_groups(probe: Probe | None, extra: dict[str, t.Any], groups: list[str]) -> None:
    assert host_variables(cluster("paris", labels={"ring": "0"}), probe) == {
        "ansible_connection": "local",
        "istio_kubeconfig": "/etc/fleet.yaml",
        "istio_context": "paris",
        "istio_cluster_name": "paris",
        "istio_cluster_server": "https://paris:6443",
        "istio_cluster_source": "kubeconfig",
        "istio_cluster_labels": {"ring": "0"},
        **extra,
    }
    assert host_groups(probe) == groups
