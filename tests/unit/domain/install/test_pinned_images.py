# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values that pin images of another version (R36, F20)."""

from __future__ import annotations

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import SafetyError
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.pinned_images import (
    MESH_IMAGES,
    MESH_TAGS,
    NODE_IMAGES,
    NODE_TAGS,
    WantedImages,
    given_image_paths,
    pinned_components,
    pinned_images,
    require_no_pinned_images,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version
from unit.support import builders as b

WANTED = WantedImages(Version(1, 31, 0))
DIGEST = f"sha256:{'0a1b' * 16}"


def nested(path: tuple[str, ...], value: object) -> b.Json:
    """Values with one leaf."""
    for key in reversed(path):
        value = {key: value}
    assert isinstance(value, dict)
    return value


def pins(carried: b.Json, given: b.Json | None = None, wanted: WantedImages = WANTED) -> list[str]:
    """Paths of the values that pin images."""
    origin = Revision(b.OLD, b.SYSTEM, user_values=carried)
    return [pin.path for pin in pinned_images(origin, given or {}, wanted)]


@pytest.mark.parametrize("path", [*MESH_IMAGES, *NODE_IMAGES])
@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        (f"{b.HUB}/some:1.30.3", True),
        (f"{b.HUB}/some:1.30.3@{DIGEST}", True),
        (f"{b.HUB}/some@{DIGEST}", True),
        (f"{b.HUB}/some", True),
        (f"{b.HUB}/some:latest", True),
        (f"{b.HUB}/some:1.31.0", False),
        (f"{b.HUB}/some:1.31.0-distroless@{DIGEST}", False),
        ("some", False),
    ],
)
def test_every_image_that_would_be_carried_over(path: tuple[str, ...], image: str, pinned: bool) -> None:
    assert pins(nested(path, image)) == ([".".join(path)] if pinned else [])


@pytest.mark.parametrize("path", MESH_IMAGES)
@pytest.mark.parametrize(
    ("image", "pinned"),
    [
        (f"{b.HUB}/some:1.30.3", True),
        (f"{b.HUB}/some:latest", True),
        (f"{b.HUB}/some@{DIGEST}", False),
        (f"{b.HUB}/some:1.31.0", False),
        ("some", False),
    ],
)
def test_every_image_that_the_user_gives(path: tuple[str, ...], image: str, pinned: bool) -> None:
    given = nested(path, image)
    assert pins({}, given) == ([".".join(path)] if pinned else [])
    assert pins(nested(path, f"{b.HUB}/some:1.30.3"), given) == ([".".join(path)] if pinned else [])


@pytest.mark.parametrize("path", MESH_TAGS)
def test_every_tag_that_the_user_gives(path: tuple[str, ...]) -> None:
    assert pins({}, nested(path, "1.30.3")) == [".".join(path)]
    assert pins({}, nested(path, "1.31.0-distroless")) == []
    assert pins(nested(path, "1.30.3")) == [], "tags of the mesh are not carried over"


@pytest.mark.parametrize("path", NODE_TAGS)
def test_tags_of_node_agents_that_would_be_carried_over(path: tuple[str, ...]) -> None:
    assert pins(nested(path, 1.3)) == [".".join(path)]
    assert pins(nested(path, 1.3), nested(path, "1.30.3")) == [], "the user keeps the agent on purpose"


def test_a_tag_that_the_user_names_is_wanted_too() -> None:
    wanted = WantedImages(Version(1, 31, 0), "asm-1-31")
    assert pins({}, nested(("pilot", "image"), f"{b.HUB}/pilot:asm-1-31"), wanted) == []


@pytest.mark.parametrize("values", [{"pilot": "text"}, {"global": {"proxy": ["x"]}}, {"pilot": {"image": None}}, {}])
def test_absurd_values_pin_nothing(values: b.Json) -> None:
    assert pins(values) == []


def overlay(image: str, path: str = "spec.template.spec.containers.[name:discovery].image") -> b.Json:
    """A component that patches one field of a rendered object."""
    patches = [{"path": path, "value": image}]
    return {"k8s": {"overlays": [{"kind": "Deployment", "name": "istiod", "patches": patches}]}}


@pytest.mark.parametrize(
    ("components", "paths"),
    [
        pytest.param({"pilot": {"tag": "1.30.3"}}, ["components.pilot.tag"], id="the tag of istiod"),
        pytest.param({"pilot": {"tag": 1.3}}, ["components.pilot.tag"], id="a number of YAML"),
        pytest.param({"base": {"tag": "1.30.3"}}, ["components.base.tag"], id="the tag of base"),
        pytest.param({"pilot": {"tag": "1.31.0-distroless"}}, [], id="a variant of the target"),
        pytest.param({"pilot": {"hub": "mirror.test/istio"}}, [], id="a hub names no version"),
        pytest.param({"pilot": {"tag": "1.30.3", "hub": "mirror.test/istio"}}, ["components.pilot.tag"], id="both"),
        pytest.param({"cni": {"tag": "1.30.3"}}, [], id="the user keeps the agent on purpose"),
        pytest.param(
            {"ingressGateways": [{"name": "edge", "tag": "1.30.3"}, {"name": "new", "tag": "1.31.0"}]},
            ["components.ingressGateways[edge].tag"],
            id="the tag of a gateway",
        ),
        pytest.param(
            {"pilot": overlay(f"{b.HUB}/pilot:1.30.3")},
            ["components.pilot.k8s.overlays.spec.template.spec.containers.[name:discovery].image"],
            id="a patched image",
        ),
        pytest.param({"pilot": overlay(f"{b.HUB}/pilot:1.31.0")}, [], id="a patched image of the target"),
        pytest.param({"pilot": overlay(f"{b.HUB}/pilot@{DIGEST}")}, [], id="a digest is the user's decision"),
        pytest.param({"pilot": overlay("1.30.3", "metadata.labels.version")}, [], id="another field"),
        pytest.param({"pilot": "text", "ingressGateways": {"name": "x"}, "base": {"k8s": 7}}, [], id="absurd"),
    ],
)
def test_every_tag_of_a_component(components: b.Json, paths: list[str]) -> None:
    assert [pin.path for pin in pinned_components(components, WANTED)] == paths


def test_a_tag_of_a_component_is_refused_with_its_own_remedy() -> None:
    with pytest.raises(
        SafetyError, match="components.pilot.tag=1.30.3. Nothing was installed; give each tag or image in"
    ):
        require_no_pinned_images(None, {}, WANTED, {"pilot": {"tag": "1.30.3"}})


def test_images_that_the_user_gives_are_no_setting_that_has_to_be_kept() -> None:
    given = {"pilot": {"image": "pilot", "env": {"A": "b"}}, "global": {"tag": "1.31.0", "hub": b.HUB}}
    assert sorted(given_image_paths(given)) == ["global.tag", "pilot.image"]


def test_the_refusal_names_each_value_and_the_remedy() -> None:
    origin = Revision(b.OLD, b.SYSTEM, user_values={"pilot": {"image": "hub/pilot:1.30.3"}})
    with pytest.raises(SafetyError) as refusal:
        require_no_pinned_images(origin, {"global": {"tag": "1.30.3"}}, WANTED, {})
    assert refusal.value.message == (
        "These values pin images of another version than 1.31.0: global.tag=1.30.3, pilot.image=hub/pilot:1.30.3 "
        "(carried over from revision 1-30-3). Nothing was installed; give each of them in istio_values (parameter "
        "values): an image of the target version, or only its name, such as pilot or proxyv2, so that hub and tag "
        "apply."
    )
