# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""No implicit cluster (S1), and no secret in sight (S13)."""

from __future__ import annotations

import datetime
import json
import ssl
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection, connection, kubeconfig_file
from ansible_collections.meshops.istio.plugins.module_utils.client.kubeconfig import read_kubeconfig
from ansible_collections.meshops.istio.plugins.module_utils.client.session import Session
from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ClusterError, ParameterError
from unit.support import builders as b
from unit.support.certificates import certificate

SECRET = "s3cr3t-t0ken"
HOST = "https://127.0.0.1:6443"


@pytest.fixture
def kubeconfig(tmp_path: Path) -> str:
    """A kubeconfig with two clusters, and a current context that must never be used."""
    path = tmp_path / "config"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "wrong",
        "clusters": [
            {"name": name, "cluster": {"server": f"https://{name}.example.com"}} for name in ("wrong", "right")
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in ("wrong", "right")],
        "users": [{"name": "me", "user": {"token": SECRET}}],
    }
    path.write_text(json.dumps(document))
    return str(path)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        pytest.param({}, "No cluster is named", id="S1: nothing"),
        pytest.param({"api_key": SECRET}, "No cluster is named", id="S1: a login is not a cluster"),
        pytest.param({"kubeconfig": "FILE"}, "never uses a current context", id="S1: kubeconfig without context"),
        pytest.param({"context": "right"}, "Parameter kubeconfig is missing", id="S1: context without kubeconfig"),
        pytest.param({"host": HOST, "context": "right"}, "Parameter kubeconfig is missing", id="S1: context and host"),
        pytest.param(
            {"kubeconfig": "FILE", "context": "right", "host": HOST}, "both name a cluster", id="S1: two names"
        ),
        pytest.param(
            {"kubeconfig": "/nowhere/config", "context": "x"}, "there is no file /nowhere/config", id="no such file"
        ),
        pytest.param({"kubeconfig": "FILE", "context": ""}, "Parameter context is missing", id="S1: an empty context"),
    ],
)
def test_s1_a_cluster_has_to_be_named(params: dict[str, str], message: str, kubeconfig: str) -> None:
    given = {key: kubeconfig if value == "FILE" else value for key, value in params.items()}
    with pytest.raises(ParameterError, match=message) as failed:
        connection(given)
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize("name", ["api_key", "password", "client_cert", "ca_cert", "proxy"])
def test_a_login_beside_kubeconfig_is_refused(name: str, kubeconfig: str) -> None:
    """Istioctl reads the file alone: the two would act as different users."""
    with pytest.raises(ParameterError, match=f"Parameter {name} cannot be combined"):
        connection({"kubeconfig": kubeconfig, "context": "right", name: SECRET})


def test_s1_the_named_context_is_used_not_the_current_one(kubeconfig: str) -> None:
    session = Session(connection({"kubeconfig": kubeconfig, "context": "right"}))
    assert session.server == "https://right.example.com"
    assert session.headers() == {"Authorization": f"Bearer {SECRET}"}


def test_s1_an_unknown_context_is_a_sentence(kubeconfig: str) -> None:
    with pytest.raises(ParameterError, match="no usable context 'gone'"):
        Session(connection({"kubeconfig": kubeconfig, "context": "gone"}))


@pytest.mark.parametrize("text", ["a: [", "", "{}", "just text"])
def test_a_broken_kubeconfig_is_a_sentence(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises((ClusterError, ParameterError), match="kubeconfig"):
        Session(connection({"kubeconfig": str(path), "context": "right"}))


def test_paths_in_a_kubeconfig_start_at_its_folder(
    kubeconfig: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = json.loads(Path(kubeconfig).read_text())
    document["clusters"][1]["cluster"]["certificate-authority"] = "ca.pem"
    (tmp_path / "ca.pem").write_bytes(certificate(datetime.date(2040, 1, 1)))
    Path(kubeconfig).write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path.parent)
    relative = f"{tmp_path.name}/config"
    Session(connection({"kubeconfig": relative, "context": "right"}))
    (tmp_path / "ca.pem").unlink()
    with pytest.raises(ClusterError, match=f"certificate authority {tmp_path}/ca.pem cannot be used: .*No such file"):
        Session(connection({"kubeconfig": relative, "context": "right"}))


def test_a_kubeconfig_that_cannot_be_read_is_a_sentence() -> None:
    with pytest.raises(ClusterError, match="Reading kubeconfig /proc/self/mem failed: .*error"):
        Session(connection({"kubeconfig": "/proc/self/mem", "context": "right"}))


def test_a_kubeconfig_is_parsed_again_only_after_it_changed(kubeconfig: str) -> None:
    first = read_kubeconfig(kubeconfig)
    assert read_kubeconfig(kubeconfig) is first
    Path(kubeconfig).write_text(Path(kubeconfig).read_text().replace("right", "other"))
    Session(connection({"kubeconfig": kubeconfig, "context": "other"}))
    with pytest.raises(ParameterError, match="no usable context 'right'"):
        Session(connection({"kubeconfig": kubeconfig, "context": "right"}))


def test_s13_nothing_secret_in_repr() -> None:
    found = connection({"host": HOST, "api_key": SECRET, "password": SECRET, "username": "me"})
    assert SECRET not in repr(found)
    assert SECRET not in str(found)
    assert found.api_key == SECRET


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"kubeconfig": "k", "context": "prod"}, "prod", id="a context"),
        pytest.param({"host": HOST}, HOST, id="a URL"),
        pytest.param({}, "?", id="nothing"),
        pytest.param(
            {"kubeconfig": "k", "context": "admin@paris", "inventory_name": "paris-1"},
            "paris-1 (context admin@paris)",
            id="a context, and another name in the inventory",
        ),
        pytest.param({"kubeconfig": "k", "context": "prod", "inventory_name": "prod"}, "prod", id="the same name"),
        pytest.param({"host": HOST, "inventory_name": "paris-1"}, f"paris-1 ({HOST})", id="a URL, and a name"),
    ],
)
def test_label(given: b.Json, expected: str) -> None:
    assert Connection(**given).label == expected


@pytest.mark.parametrize(("value", "verifies"), [(None, True), (True, True), (False, False)])
def test_s13_tls_verification_is_off_only_when_asked_for(value: bool | None, verifies: bool) -> None:
    found = connection({"host": HOST, "validate_certs": value})
    assert found.validate_certs is verifies
    session = Session(found)
    context = session.pool.connection_pool_kw["ssl_context"]
    assert (session.verifies_tls, context.check_hostname) == (verifies, verifies)
    assert context.verify_mode == (ssl.CERT_REQUIRED if verifies else ssl.CERT_NONE)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"api_key": "key"}, {"Authorization": "Bearer key"}),
        ({"username": "me", "password": "pw"}, {"Authorization": "Basic bWU6cHc="}),
        ({"username": "me"}, {}),
        ({"api_key": "key", "username": "me", "password": "pw"}, {"Authorization": "Bearer key"}),
        ({"impersonate_user": "ops"}, {"Impersonate-User": "ops"}),
    ],
)
def test_login_headers(params: b.Json, expected: dict[str, str]) -> None:
    conn = connection({"host": HOST, **params})
    headers = Session(conn).headers()
    assert {key.title(): value for key, value in headers.items()} == {
        key.title(): value for key, value in expected.items()
    }


def test_istioctl_gets_the_users_own_kubeconfig(kubeconfig: str) -> None:
    with kubeconfig_file(connection({"kubeconfig": kubeconfig, "context": "right"})) as found:
        assert found == (kubeconfig, "right")


def test_s13_istioctl_gets_a_private_kubeconfig_for_a_host_and_it_is_removed() -> None:
    with kubeconfig_file(connection({"host": HOST, "api_key": SECRET, "ca_cert": "/ca.pem"})) as (path, context):
        document = json.loads(Path(path).read_text())
        assert Path(path).stat().st_mode & 0o077 == 0
    assert not Path(path).exists()
    assert context == "cluster"
    assert document["users"][0]["user"] == {"token": SECRET}
    assert document["clusters"][0]["cluster"] == {"server": HOST, "certificate-authority": "/ca.pem"}


def test_a_private_kubeconfig_without_verification_says_so() -> None:
    with kubeconfig_file(connection({"host": HOST, "validate_certs": False, "ca_cert": "/ca.pem"})) as (path, dummy):
        cluster = json.loads(Path(path).read_text())["clusters"][0]["cluster"]
    assert cluster == {"server": HOST, "insecure-skip-tls-verify": True}
