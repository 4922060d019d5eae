# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to hubs and clusters, over real HTTP."""

from __future__ import annotations

import base64
import json
import threading
import typing as t
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import MeshError, ParameterError
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory import reader
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.hub import ARGOCD_SELECTOR, MANAGED_CLUSTERS
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.options import OPTIONS, parse_options
from ansible_collections.meshops.istio.plugins.plugin_utils.inventory.reader import InventoryReader
from unit.inventory.kubeconfigs import SECRET, kubeconfig, write
from unit.support import builders as b
from unit.support.api_answers import Answer, failure
from unit.support.fake_api import FakeApi

#: No server listens there.
NO_SERVER = "http://127.0.0.1:1"


def hosts(folder: Path, *sources: t.Any, **more: t.Any) -> tuple[dict[str, t.Any], list[str]]:
    """Return hosts by name, and the warnings; the timeout is a minute, for a busy machine."""
    warnings: list[str] = []
    options = parse_options({"sources": list(sources), "probe_timeout": 60, **more}, OPTIONS)
    found = InventoryReader(str(folder), warnings.append).read_hosts(options)
    assert SECRET not in json.dumps([found, warnings])
    return {host["name"]: host for host in found}, warnings


def cluster(uid: str, *objects: b.Json) -> FakeApi:
    """Return a cluster with an identity."""
    api = FakeApi(*(objects or b.two_planes()), *b.namespaces())
    api.get("Namespace", "kube-system")["metadata"]["uid"] = uid
    return api


FLEET = {"type": "kubeconfig", "path": "fleet.yaml"}


def test_no_cluster_is_probed_by_default(tmp_path: Path) -> None:
    with cluster("1") as api:
        write(tmp_path / "fleet.yaml", kubeconfig({"paris": api.url}))
        found, warnings = hosts(tmp_path, FLEET)
        assert (list(found), warnings, api.seen) == (["paris"], [], [])
    assert found["paris"]["variables"]["istio_kubeconfig"] == str(tmp_path / "fleet.yaml")
    assert "istio_running" not in found["paris"]["variables"]


def test_a_probe_costs_two_requests_and_returns_the_running_versions(tmp_path: Path) -> None:
    with cluster("1") as paris, cluster("2", b.namespace("empty")) as empty:
        write(tmp_path / "fleet.yaml", kubeconfig({"paris": paris.url, "tokyo": empty.url, "rome": NO_SERVER}))
        found, dummy = hosts(tmp_path, FLEET, probe=True)
        assert [seen.path for seen in paris.seen] == [
            "/api/v1/namespaces/kube-system",
            "/apis/apps/v1/namespaces/istio-system/deployments",
        ]
        assert paris.seen[1].query["labelSelector"] == "app=istiod"
    assert {name: host["groups"] for name, host in found.items()} == {
        "paris": ["istio_version_1_30_3", "istio_version_1_31_0"],
        "tokyo": ["istio_not_installed"],
        "rome": ["istio_unreachable"],
    }
    got = found["paris"]["variables"]
    assert (got["istio_cluster_id"], got["istio_versions"]) == ("1", ["1.30.3", "1.31.0"])
    assert got["istio_running"] == [
        {"revision": "1-30-3", "version": "1.30.3"},
        {"revision": "1-31-0", "version": "1.31.0"},
    ]
    assert "cannot be reached" in found["rome"]["variables"]["istio_unreachable"]


def test_a_cluster_that_refuses_the_probe_stays(tmp_path: Path) -> None:
    with cluster("1") as api:
        api.script("GET", "/api/v1/namespaces/kube-system", failure(403, "no", "Forbidden"))
        write(tmp_path / "fleet.yaml", kubeconfig({"paris": api.url}))
        found, dummy = hosts(tmp_path, FLEET, probe=True)
    assert found["paris"]["groups"] == ["istio_unreachable"]
    assert "HTTP 403" in found["paris"]["variables"]["istio_unreachable"]


def test_an_unreachable_cluster_is_tried_twice(tmp_path: Path) -> None:
    with cluster("1") as api:
        api.script("GET", "/api/v1/namespaces/kube-system", Answer(broken=True), Answer(broken=True))
        write(tmp_path / "fleet.yaml", kubeconfig({"paris": api.url}))
        found, dummy = hosts(tmp_path, FLEET, probe=True)
        assert (found["paris"]["groups"], len(api.seen)) == (["istio_unreachable"], 2)


def test_one_identity_under_two_addresses_is_refused(tmp_path: Path) -> None:
    with cluster("1") as first, cluster("1") as other, cluster("2") as third:
        write(tmp_path / "fleet.yaml", kubeconfig({"a": first.url, "b": third.url, "c": other.url}))
        assert list(hosts(tmp_path, FLEET)[0]) == ["a", "b", "c"]
        with pytest.raises(ParameterError, match="Hosts a and c are the same cluster"):
            hosts(tmp_path, FLEET, probe=True)


def test_one_server_in_two_files_is_refused_before_any_request(tmp_path: Path) -> None:
    with cluster("1") as api:
        write(tmp_path / "x" / "a.yaml", kubeconfig({"paris": api.url}))
        write(tmp_path / "x" / "b.yaml", kubeconfig({"paris": api.url}))
        source = {"type": "kubeconfig", "path": "x"}
        with pytest.raises(ParameterError, match="Two clusters would be host paris: context paris of .*a.yaml and"):
            hosts(tmp_path, source, probe=True)
        with pytest.raises(ParameterError, match="Hosts a and b are the same cluster"):
            hosts(tmp_path, {**source, "host_name": "{file}"})
        assert api.seen == []


def test_a_certificate_that_is_not_verified_is_warned_of(tmp_path: Path) -> None:
    document = kubeconfig({"paris": "https://127.0.0.1:1"})
    document["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
    write(tmp_path / "fleet.yaml", document)
    dummy, warnings = hosts(tmp_path, FLEET, probe=True)
    assert warnings == [
        "Context paris: The certificate of https://127.0.0.1:1 is not verified (validate_certs is off): another "
        "server could impersonate it."
    ]


def managed(name: str, accepted: bool = True, **labels: str) -> b.Json:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"hubAcceptsClient": accepted}}


def hub(kind: str, **more: t.Any) -> dict[str, t.Any]:
    return {"type": kind, "kubeconfig": "hub.yaml", "context": "hub", "logins": "fleet.yaml", **more}


def test_open_cluster_management_gives_names_and_labels(tmp_path: Path) -> None:
    items = [managed("paris", ring="0"), managed("tokyo", ring="1"), managed("new", accepted=False)]
    with FakeApi() as api:
        api.script("GET", MANAGED_CLUSTERS, Answer({"metadata": {}, "items": items}))
        write(tmp_path / "hub.yaml", kubeconfig({"hub": api.url}))
        write(
            tmp_path / "fleet.yaml", kubeconfig({"paris": NO_SERVER, "tokyo": "http://127.0.0.1:2", "rome": NO_SERVER})
        )
        found, dummy = hosts(tmp_path, hub("ocm", label_selector="env=prod"))
        assert [seen.query["labelSelector"] for seen in api.seen] == ["env=prod"]
    assert {name: host["variables"]["istio_cluster_labels"] for name, host in found.items()} == {
        "paris": {"ring": "0"},
        "tokyo": {"ring": "1"},
    }


def test_a_cluster_may_have_its_own_file(tmp_path: Path) -> None:
    with FakeApi() as api:
        api.script("GET", MANAGED_CLUSTERS, Answer({"metadata": {}, "items": [managed("paris"), managed("rome")]}))
        write(tmp_path / "hub.yaml", kubeconfig({"hub": api.url}))
        write(tmp_path / "logins" / "paris.yaml", kubeconfig({"admin": NO_SERVER}))
        write(tmp_path / "logins" / "rome" / "x.yaml", kubeconfig({"viewer": NO_SERVER}))
        source = hub("ocm", logins=["logins/{name}.yaml", "logins/{name}"], login_context="admin", without_login="skip")
        found, warnings = hosts(tmp_path, source)
    assert [host["variables"]["istio_kubeconfig"] for host in found.values()] == [str(tmp_path / "logins/paris.yaml")]
    assert warnings == ["Source 1 (ocm): skipped, because logins has no context for them: rome."]


def secret(name: str, server: str) -> b.Json:
    data = {"name": name, "server": server, "config": json.dumps({"bearerToken": SECRET})}
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    key, dummy, value = ARGOCD_SELECTOR.partition("=")
    last = {"kubectl.kubernetes.io/last-applied-configuration": SECRET}
    metadata = {"name": f"c-{name}", "namespace": "argocd", "labels": {key: value}, "annotations": last}
    return {"kind": "Secret", "metadata": metadata, "data": encoded}


def test_argo_cd_gives_names_and_servers_and_no_login(tmp_path: Path) -> None:
    other = {"kind": "Secret", "metadata": {"name": "other", "namespace": "argocd"}, "data": {}}
    with cluster("1") as paris:
        with FakeApi(secret("Paris", paris.url), other) as api:
            write(tmp_path / "hub.yaml", kubeconfig({"hub": api.url}))
            write(tmp_path / "fleet.yaml", kubeconfig({"tokyo": NO_SERVER, "paris-admin": paris.url}))
            found, dummy = hosts(tmp_path, hub("argocd"), probe=True)
        assert {name: host["variables"]["istio_context"] for name, host in found.items()} == {"Paris": "paris-admin"}
        assert found["Paris"]["variables"]["istio_cluster_id"] == "1"


def test_an_unreachable_hub_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "hub.yaml", kubeconfig({"hub": NO_SERVER}))
    write(tmp_path / "fleet.yaml", kubeconfig({"paris": NO_SERVER}))
    with pytest.raises(
        MeshError, match="Source 1 \\(ocm\\): Reading ManagedClusters on cluster hub failed: .* cannot be"
    ):
        hosts(tmp_path, hub("ocm"))


def test_missing_logins_are_refused(tmp_path: Path) -> None:
    with FakeApi() as api:
        api.script("GET", MANAGED_CLUSTERS, Answer({"metadata": {}, "items": [managed("paris")]}))
        write(tmp_path / "hub.yaml", kubeconfig({"hub": api.url}))
        with pytest.raises(ParameterError, match="There is no kubeconfig .*fleet.yaml."):
            hosts(tmp_path, hub("ocm"))


def test_clusters_are_probed_in_parallel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The maximum number of probes runs at the same time: each waits for all of them."""
    together = threading.Barrier(reader.MAX_PROBES, timeout=60)
    original = reader._client
    monkeypatch.setattr(reader, "_client", lambda *given: (together.wait(), original(*given))[1])
    servers = {f"c{number}": f"http://127.0.0.1:1/{number}" for number in range(reader.MAX_PROBES)}
    write(tmp_path / "fleet.yaml", kubeconfig(servers))
    found, dummy = hosts(tmp_path, FLEET, probe=True)
    assert {group for host in found.values() for group in host["groups"]} == {"istio_unreachable"}
