# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installing a revision beside the others, and removing one (S4, S7, S10, S11, S12)."""

from __future__ import annotations

import copy
import json
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError, SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.settings import operator_document
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import REVISION_LABEL as REV
from ansible_collections.meshops.istio.plugins.module_utils.domain.precheck.checks.check import Upgrade
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.install import require_supported
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.install_plan import build_request
from ansible_collections.meshops.istio.plugins.module_utils.operations.control_plane.options import InstallOptions
from ansible_collections.meshops.istio.plugins.module_utils.operations.modules.istio_revision import CORE, check
from unit.support import builders as b
from unit.support.fake_api import FakeApi
from unit.support.running import params, run_of, task

START = [*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(shop=b.OLD), *b.deployed()]
TARGET = Version(1, 31, 0)
OWNED = {
    "operator.istio.io/managed": "Reconcile",
    "operator.istio.io/version": b.NEW_VERSION,
    "install.operator.istio.io/owning-resource-namespace": b.SYSTEM,
    "istio.io/rev": b.NEW,
}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"revision": "1.31.0"}, "'1.31.0' is not a valid DNS label .*'1-31-0' would be valid"),
        ({"revision": "Canary"}, "is not a valid DNS label"),
        ({"revision": "a" * 57}, "is not a valid DNS label"),
        ({"revision": "default"}, "a canary needs another name"),
        ({"version": "latest"}, "'latest' is not an Istio version"),
        ({"allow": ["MU001", "MU999"]}, "unknown finding MU999; known are MU001"),
        ({"values": {"global": {"tag": "x"}}}, "set the image tag in parameter tag, not in global.tag"),
        ({"values": {"pilot": {"tag": "x"}}}, "not in pilot.tag"),
        ({"timeout": 0}, "0 is not a number of seconds above 0"),
    ],
)
def test_invalid_options_are_refused(options: b.Json, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        check(params(CORE, **{"revision": b.NEW, "version": b.NEW_VERSION, **options}))


def test_an_installation_without_a_revision_can_be_retired() -> None:
    check(params(CORE, revision="default", state="absent"))


@pytest.mark.parametrize(
    ("objects", "over", "allow", "message"),
    [
        pytest.param(
            b.plane(b.OLD, "1.28.5"), {}, [], "MU001: .*skips too many minor versions", id="S7: the change of version"
        ),
        pytest.param(b.plane(b.OLD, "1.28.5"), {}, ["MU002"], "MU001", id="S7: another code does not allow it"),
        pytest.param(b.plane(b.OLD, "1.28.5"), {}, ["MU001"], None, id="S7: its own code is"),
        pytest.param(b.plane(b.OLD), {"kubernetes_version": "v1.30.1"}, [], "MU002", id="S7: Kubernetes"),
        pytest.param([*b.plane(b.OLD), *b.plane(b.NEW, "1.30.9")], {}, [], "MU005", id="the name is taken"),
        pytest.param(b.plane(b.OLD), {}, [], None, id="one minor up"),
    ],
)
def test_s7_unsupported_upgrades_are_refused(
    objects: list[b.Json], over: b.Json, allow: list[str], message: str | None
) -> None:
    snapshot, upgrade = b.snapshot_of(objects, **over), Upgrade("canary", TARGET, b.NEW, b.OLD)
    if message is None:
        require_supported(snapshot, upgrade, allow)
        return
    with pytest.raises(SafetyError, match=f"is not installed.*{message}.*name the code in parameter allow"):
        require_supported(snapshot, upgrade, allow)


def spec(objects: list[b.Json], crds: str = "", **options: t.Any) -> b.Json:
    """Spec of the document that istioctl is given."""
    with FakeApi() as api:
        run = run_of(api, CORE, revision=b.NEW, version=b.NEW_VERSION, **options)
    snapshot = b.snapshot_of(objects, crd_versions={"x": crds} if crds else {})
    found: b.Json = operator_document(build_request(run, InstallOptions.from_params(run.params), snapshot, b.OLD))[
        "spec"
    ]
    return found


VALUES = {"pilot": {"env": {"A": "b"}}}


@pytest.mark.parametrize(
    ("options", "values"),
    [
        pytest.param({}, VALUES, id="carried over from the source"),
        pytest.param(
            {"values": {"pilot": {"env": {"A": "c"}}}},
            {"pilot": {"env": {"A": "c"}}},
            id="values of the user come first",
        ),
        pytest.param({"carry_over": False, "values": {"x": 1}}, {"x": 1}, id="not carried over"),
    ],
)
def test_settings_of_the_new_revision(options: b.Json, values: b.Json) -> None:
    assert spec(b.plane(b.OLD, values=VALUES), **options) == {"profile": "minimal", "revision": b.NEW, "values": values}


def test_a_second_installation_carries_over_its_own_settings_not_those_of_the_source() -> None:
    objects = [*b.plane(b.OLD, values=VALUES), *b.plane(b.NEW, values={"mine": 1})]
    assert spec(objects)["values"] == {"mine": 1}


def test_settings_that_cannot_be_read_are_not_dropped_silently() -> None:
    with pytest.raises(SafetyError, match="settings of revision 1-30-3 cannot be read .*carry_over=false"):
        spec([b.istiod(), b.injector()])


@pytest.mark.parametrize(
    ("crds", "lowered"), [("1.30.3", False), ("1.31.0", False), ("1.31.1", True), ("", False), ("unknown", False)]
)
def test_s10_crds_are_never_downgraded(crds: str, lowered: bool) -> None:
    assert ("components" in spec(b.plane(b.OLD), crds)) is lowered


@pytest.mark.parametrize(("options", "expected"), [({}, "1.31.0-distroless"), ({"tag": "mine"}, "mine")])
def test_the_image_variant_is_carried_over(options: b.Json, expected: str) -> None:
    assert spec(b.plane(b.OLD, "1.30.3-distroless"), **options)["tag"] == expected


class Installer:
    """A cluster with a fake istioctl that renders, installs and uninstalls revision 1-31-0."""

    def __init__(self, api: FakeApi, folder: Path) -> None:
        self.api, self.folder = api, folder
        self.commands: list[str] = []
        self.documents: list[b.Json] = []
        self.makes = b.plane(b.NEW)
        self.code = 0
        api.istioctl_does = self.does

    def does(self, arguments: list[str]) -> tuple[int, str, str]:
        """Carry out one command."""
        self.commands.append(arguments[0])
        if arguments[0] == "uninstall":
            revision = arguments[arguments.index("--revision") + 1]
            self.api.objects = [obj for obj in self.api.objects if revision_of(obj) != revision]
            return self.code, "", ""
        self.documents.append(json.loads(Path(arguments[arguments.index("-f") + 1]).read_text()))
        if arguments[0] == "manifest":
            return 0, "\n---\n".join(json.dumps(as_rendered(obj)) for obj in self.makes), ""
        self.api.objects += copy.deepcopy(self.makes)
        return self.code, "", "Error: timed out" if self.code else ""

    def run(self, **options: t.Any) -> b.Json:
        """The result of a task."""
        for version in (b.OLD_VERSION, b.NEW_VERSION):
            self.api.istioctl(self.folder, version)
        given: b.Json = {"revision": b.NEW, "istioctl": str(self.folder / "istioctl-{version}"), "timeout": 1}
        if options.get("state") != "absent":
            given["version"] = b.NEW_VERSION
        return task(self.api, CORE, **{**given, **options})


def revision_of(obj: b.Json) -> str | None:
    """Revision that an object belongs to."""
    found: dict[str, str] = obj["metadata"].get("labels", {})
    return found.get(REV)


def as_rendered(obj: b.Json) -> b.Json:
    """An object as istioctl renders it."""
    found = copy.deepcopy(obj)
    found["metadata"].pop("uid")
    found.pop("status", None)
    return found


@pytest.fixture
def installer(tmp_path: Path, quick: None) -> Iterator[Installer]:
    """A cluster before its canary."""
    with FakeApi(*START) as api:
        yield Installer(api, tmp_path)


def test_a_canary_is_installed_and_proven(installer: Installer) -> None:
    result = installer.run()
    assert result["actions"] == ["install revision 1-31-0 (1.31.0): create 5 objects"]
    assert (result["changed"], result["source_revision"]) == (True, b.OLD)
    assert result["diff"]["after"]["control_planes"] == {b.OLD: "1.30.3", b.NEW: "1.31.0"}
    assert result["diff"]["after"]["default"] == result["diff"]["before"]["default"] == b.OLD
    assert installer.commands == ["manifest", "install"]
    assert installer.documents[0] == installer.documents[1]
    assert installer.documents[0]["spec"]["values"] == {"pilot": {"env": b.DECIDED}}
    assert installer.api.writes() == []


def test_check_mode_lists_the_changes_of_an_installation(installer: Installer) -> None:
    planned = installer.run(check_mode=True)
    assert installer.commands == ["manifest"]
    assert planned["diff"] == installer.run()["diff"]


def test_a_second_run_changes_nothing_and_proves_again(installer: Installer) -> None:
    installer.run()
    for obj in installer.api.objects:
        if revision_of(obj) == b.NEW:
            obj["metadata"]["labels"].update(OWNED)
    result = installer.run()
    assert (result["changed"], result["changes"], installer.commands[2:]) == (False, [], ["manifest"])
    assert result["requests"]["dry_runs"] == len(installer.makes) + 1


def test_the_diff_of_an_update_shows_the_fields(installer: Installer) -> None:
    installer.run()
    many = {f"key{at:03}": "new" for at in range(40)}
    for obj in b.of_kind(installer.makes, "ConfigMap"):
        obj["data"] = {**obj["data"], **many, "config": "x" * 500}
    planned = installer.run(check_mode=True)
    side = planned["diff"]["after"]["objects"]["ConfigMap istio-system/istio-sidecar-injector-1-31-0"]
    assert side["data.config"] == "x" * 160 + "... (500 characters)"
    assert side["..."].endswith("more fields differ (after)")
    assert len(side) == 26


def test_s12_nothing_is_pruned_by_a_smaller_profile(installer: Installer) -> None:
    gateway = b.workload(name="istio-ingressgateway", in_namespace=b.SYSTEM)
    gateway["metadata"]["labels"] = {**OWNED, "operator.istio.io/component": "IngressGateways"}
    installer.api.objects += [*installer.makes, gateway]
    result = installer.run()
    assert ["would delete objects", "prune Deployment istio-system/istio-ingressgateway"][1] in result["msg"]
    assert installer.commands == ["manifest"]


def test_a_target_that_never_becomes_ready_is_reported(installer: Installer) -> None:
    """Domain 7: install ends with exit code 1 after its readiness timeout."""
    installer.makes = b.plane(b.NEW, ready=0)
    installer.code = 1
    result = installer.run()
    assert "Revision 1-31-0 (1.31.0) on cluster" in result["msg"]
    assert "did not come up: its Deployment istiod-1-31-0 is not rolled out" in result["msg"]
    assert "Nothing was moved to it" in result["msg"]
    assert (result["failure"]["kind"], result["changed"]) == ("ProofError", True)


def test_s3_exit_code_0_is_not_a_proof(installer: Installer) -> None:
    installer.makes = b.plane(b.NEW, ready=0)
    assert "was not proven within 1 s: its Deployment istiod-1-31-0 is not rolled out" in installer.run()["msg"]


def test_s11_a_default_that_moved_as_a_side_effect_is_reported(installer: Installer) -> None:
    installer.api.objects = [obj for obj in installer.api.objects if "default" not in obj["metadata"]["name"]]
    installer.api.objects += b.namespaces()
    result = installer.run(allow_default_change=True)
    assert (
        "The installation changed the default revision as a side effect: it now points to nothing, not to 1-31-0"
        in result["msg"]
    )


def test_f4_a_default_that_moves_as_a_side_effect_ends_no_configuration(installer: Installer) -> None:
    installer.api.objects = [
        *b.plane("default"),
        *b.namespaces(),
        b.namespace("on", {"istio-injection": "enabled"}),
        b.configuration("AuthorizationPolicy", "deny", "on", "default"),
    ]
    refused = installer.run(allow_default_change=True)
    assert "AuthorizationPolicy on/deny would silently stop applying to workloads that move to 1-31-0" in refused["msg"]
    assert installer.commands == ["manifest"]
    allowed = installer.run(allow_default_change=True, check_mode=True, allow=["MU053"])
    assert "would silently stop applying" in allowed["warnings"][0]


def test_s7_a_refusal_comes_before_istioctl_renders(installer: Installer) -> None:
    installer.api.get("Deployment", "istiod-1-30-3")["spec"]["template"]["spec"]["containers"][0]["image"] = (
        "h/pilot:1.28.0"
    )
    assert "MU001" in installer.run()["msg"]
    assert installer.commands == []
