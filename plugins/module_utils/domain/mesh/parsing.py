# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a mesh from raw API objects; pure.

Sources: istio/istio istioctl/pkg/tag/util.go (what is a revision, what is a tag), manifests/charts/istio-control/
istio-discovery/templates (names and labels).
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Iterable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import (
    FIELD_MANAGER,
    Json,
    annotations_of,
    cluster_object,
    labels_of,
    name_of,
    place_of,
)
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import Reader, read_json
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.label_writers import read_label_writers
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import pod_requests
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.scheduling import read_placement
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.selectors import matches
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.webhook_rules import called_service
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import HELM, manager_of
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import (
    CHART_VERSION_LABEL,
    DEFAULT,
    INJECTOR_SUFFIX,
    OPERATOR_VERSION_LABEL,
    OWNER_NAMESPACE_LABEL,
    RELEASE_NAMESPACE_ANNOTATION,
    REVISION_LABEL,
    TAG_LABEL,
    InjectionConfig,
    Injector,
    Mesh,
    Revision,
    suffix,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import read_tag_journal
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import parse_version

#: Parts of the values of an installation that are read, each a map in every chart.
MAPS = ("global", "pilot", "meshConfig", "cni", "base", "gateways")


def installer_version(obj: Mapping[str, t.Any]) -> str:
    """Return the version of the installer that wrote an object: the newer one of the labels of istioctl and the chart.

    Each installer keeps the label of the other, and the charts set that of Helm for istioctl too. So the label of the
    chart counts only if Helm manages the object.
    """
    labels = labels_of(obj)
    marks = [labels.get(OPERATOR_VERSION_LABEL, "")]
    if manager_of(obj).kind == HELM:
        marks.append(labels.get(CHART_VERSION_LABEL, ""))
    versions = [version for mark in marks if (version := parse_version(mark))]
    return str(max(versions)) if versions else marks[0]


def read_injector(obj: Json) -> Injector | None:
    """Return the injector of a MutatingWebhookConfiguration, or None if it is not one of Istio."""
    hooks = tuple(hook for hook in obj.get("webhooks") or () if str(hook.get("name", "")).endswith(INJECTOR_SUFFIX))
    labels = labels_of(obj)
    if not hooks:
        return None
    journal, read = (
        read_tag_journal(annotations_of(obj)),
        Reader(cluster_object("MutatingWebhookConfiguration", name_of(obj))),
    )
    journal.report_unreadable(read)
    names = (name_of(obj), labels.get(REVISION_LABEL) or DEFAULT, labels.get(TAG_LABEL) or "")
    writers = read_label_writers(obj, (REVISION_LABEL,), FIELD_MANAGER)
    return Injector(*names, hooks, journal, manager_of(obj), read.unreadable, home_of(obj), writers)


def home_of(obj: Mapping[str, t.Any]) -> str:
    """Return the namespace of the mesh that an object belongs to, or an empty string where nothing says so.

    A webhook belongs to the control plane that it calls.
    """
    hooks = obj.get("webhooks") or ()
    called = next((service[0] for hook in hooks if (service := called_service(hook))), "")
    # a release of a gateway has a namespace of its own
    release = (
        "" if obj.get("metadata", {}).get("namespace") else annotations_of(obj).get(RELEASE_NAMESPACE_ANNOTATION, "")
    )
    return called or labels_of(obj).get(OWNER_NAMESPACE_LABEL, "") or release


def required_service(obj: Json) -> tuple[str, str] | None:
    """Return (namespace, name) of the Service without which a webhook configuration rejects requests, or None."""
    hooks = [hook for hook in obj.get("webhooks") or () if hook.get("failurePolicy", "Fail") == "Fail"]
    return called_service(hooks[0]) if hooks else None


def read_injection_config(data: Mapping[str, str], load: t.Callable[[str], t.Any]) -> InjectionConfig:
    """Return the settings in an injector ConfigMap; ``load`` parses YAML.

    Raises:
        ValueError: the texts in it are not valid settings.
    """
    shared = _map("values.global", _map("values", read_json(data.get("values") or "{}")).get("global"))
    config = _map("config", load(data.get("config") or ""))
    return InjectionConfig(
        hub=_scalar(shared.get("hub")),
        tag=_scalar(shared.get("tag")),
        image=_scalar(_map("values.global.proxy", shared.get("proxy")).get("image")) or "proxyv2",
        variant=_scalar(shared.get("variant")),
        policy=_scalar(config.get("policy")) or "enabled",
        never=_selectors(config, "neverInjectSelector"),
        always=_selectors(config, "alwaysInjectSelector"),
    )


def _scalar(value: t.Any) -> str:
    """Return a text; a tag such as 1.31 may be a number in YAML."""
    return str(value) if isinstance(value, (str, int, float)) and value else ""


def _map(name: str, value: t.Any) -> Json:
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{name} is not a map")
    return value or {}


def _selectors(config: Json, name: str) -> tuple[Json, ...]:
    """Return checked label selectors: the API server does not check selectors in the text of a ConfigMap."""
    selectors = config.get(name) or []
    try:
        for selector in selectors:
            matches(selector, {})
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"config.{name} is not a list of label selectors ({exc})") from exc
    return tuple(selectors)


def _values(data: Mapping[str, str]) -> tuple[Json, Json]:
    """Return the values of the user and the merged values; both or none, as one alone would be misleading."""
    original, merged = (_map(key, read_json(data.get(key) or "{}")) for key in ("original-values", "merged-values"))
    for part in MAPS:
        _map(f"original-values.{part}", original.get(part))
    return original, merged


def replicas_of(deployment: Mapping[str, t.Any]) -> int:
    """Return how many pods a Deployment should have."""
    replicas = deployment["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def is_rolled_out(deployment: Mapping[str, t.Any]) -> bool:
    """Return whether a Deployment is at its newest generation with all updated replicas ready (safety rule S3)."""
    status = deployment.get("status") or {}
    desired = replicas_of(deployment)
    return (
        (status.get("observedGeneration") or 0) >= (deployment.get("metadata", {}).get("generation") or 0)
        and desired > 0
        and (status.get("updatedReplicas") or 0) == (status.get("replicas") or 0) >= desired
        and (status.get("readyReplicas") or 0) == (status.get("replicas") or 0)
    )


def read_revision(
    name: str, namespace: str, deployment: Json | None, maps: Mapping[str, Json], load: t.Any
) -> Revision:
    """Return one revision from its Deployment and the ConfigMaps of the namespace."""
    injector, stored_values = f"istio-sidecar-injector{suffix(name)}", f"values{suffix(name)}"
    unreadable: dict[str, str] = {}
    config: InjectionConfig | None = None
    user: Json = {}
    merged: Json = {}
    try:
        if injector in maps:
            config = read_injection_config(maps[injector].get("data") or {}, load)
    except ValueError as exc:
        unreadable[injector] = str(exc)
    try:
        user, merged = _values(maps.get(stored_values, {}).get("data") or {})
    except ValueError as exc:
        unreadable[stored_values] = str(exc)
    spec = {key: value for key, value in (deployment or {}).get("spec", {}).items() if key != "replicas"}
    data = [maps[key].get("data") for key in (f"istio{suffix(name)}", injector, stored_values) if key in maps]
    revision = Revision(
        name,
        namespace,
        config=config,
        user_values=user,
        merged_values=merged,
        unreadable=unreadable,
        written_spec=(spec, *data),
    )
    if deployment is None:
        return revision
    containers = deployment["spec"]["template"]["spec"]["containers"]
    image = next((str(c.get("image") or "") for c in containers if c["name"] == "discovery"), "")
    status = deployment.get("status") or {}
    return dataclasses.replace(
        revision,
        deployment=name_of(deployment),
        installed_by=installer_version(deployment),
        image=image,
        replicas=replicas_of(deployment),
        ready=int(status.get("readyReplicas") or 0),
        rolled_out=is_rolled_out(deployment),
        manager=manager_of(deployment),
        requests=pod_requests(deployment["spec"]["template"]["spec"]),
        limits=pod_requests(deployment["spec"]["template"]["spec"], "limits"),
        placement=read_placement(deployment["spec"]["template"], namespace),
    )


def read_mesh(
    namespace: str,
    *,
    mutating: Iterable[Json],
    validating: Iterable[Json],
    deployments: Iterable[Json],
    services: Iterable[Json],
    config_maps: Iterable[Json],
    load: t.Callable[[str], t.Any],
) -> Mesh:
    """Return the mesh of raw API objects.

    ``deployments`` are those with the label ``app=istiod``; ``services`` are all Services in the namespace, because
    the chart of a remote control plane gives its Service no such label.
    """
    all_injectors = sorted(filter(None, map(read_injector, mutating)), key=lambda i: i.name)
    injectors = tuple(injector for injector in all_injectors if injector.home in ("", namespace))
    istiods = {labels_of(obj).get(REVISION_LABEL) or DEFAULT: obj for obj in deployments}
    maps = {name_of(obj): obj for obj in config_maps}
    names = set(istiods) | {i.revision for i in injectors if not i.tag}
    services = list(services)
    validating = [obj for obj in validating if REVISION_LABEL in labels_of(obj) and home_of(obj) in ("", namespace)]
    places = frozenset(map(place_of, services))

    def is_gone(place: tuple[str, str]) -> bool:
        return place[0] == namespace and place not in places

    gone = {name_of(obj): "/".join(place) for obj in validating if (place := required_service(obj)) and is_gone(place)}
    return Mesh(
        namespace=namespace,
        revisions={name: read_revision(name, namespace, istiods.get(name), maps, load) for name in sorted(names)},
        injectors=injectors,
        services=places,
        local_services=frozenset(place_of(obj) for obj in services if obj.get("spec", {}).get("selector")),
        tag_services={
            labels_of(obj)[TAG_LABEL]: labels_of(obj).get(REVISION_LABEL) or DEFAULT
            for obj in services
            if TAG_LABEL in labels_of(obj) and place_of(obj)[0] == namespace
        },
        validators={name_of(obj): labels_of(obj)[REVISION_LABEL] for obj in validating},
        orphan_validators=gone,
        foreign_injectors=tuple(injector for injector in all_injectors if injector not in injectors),
        service_revisions={place_of(obj): name for obj in services if (name := _selected_revision(obj))},
    )


def _selected_revision(service: Mapping[str, t.Any]) -> str:
    """Return the revision of the istiods that a Service selects, or an empty string (charts, service.yaml)."""
    selector = service.get("spec", {}).get("selector") or {}
    if selector.get("app") != "istiod":
        return ""
    return str(selector.get(REVISION_LABEL) or (DEFAULT if selector.get("istio") == "pilot" else ""))
