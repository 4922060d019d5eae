# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed mesh: revisions, tags, injectors and the owners of the default; `parsing` reads them."""

from __future__ import annotations

import dataclasses
import functools
import typing as t
from collections.abc import Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import Unreadable
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.label_writers import LabelWriters
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import (
    NO_RESOURCES,
    ResourceRequests,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.scheduling import Placement
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.webhook_rules import (
    called_service,
    has_ca_bundle,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.managers import UNKNOWN_MANAGER, Manager
from ansible_collections.meshops.istio.plugins.module_utils.domain.run.journal import TARGET, Journal
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.image_reference import (
    image_tag,
    image_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import Version, parse_version

REVISION_LABEL = "istio.io/rev"
TAG_LABEL = "istio.io/tag"
INJECTION_LABEL = "istio-injection"
INJECT_LABEL = "sidecar.istio.io/inject"
#: The labels of a namespace that select an injector.
SELECTING_LABELS = (INJECTION_LABEL, REVISION_LABEL)
DEFAULT = "default"
DEFAULT_VALIDATOR = "istiod-default-validator"
INJECTOR_SUFFIX = "sidecar-injector.istio.io"
#: The webhook for namespaces and pods without any label: injection by default (enableNamespacesByDefault).
BY_DEFAULT_HOOK = f"auto.{INJECTOR_SUFFIX}"
OPERATOR_VERSION_LABEL = "operator.istio.io/version"
CHART_VERSION_LABEL = "app.kubernetes.io/version"
COMPONENT_LABEL = "operator.istio.io/component"
#: The mesh of an object: istioctl writes the namespace of its control plane, Helm that of its release.
OWNER_NAMESPACE_LABEL = "install.operator.istio.io/owning-resource-namespace"
RELEASE_NAMESPACE_ANNOTATION = "meta.helm.sh/release-namespace"
#: Label that neither pods nor namespaces have: selectors with it deactivate a webhook.
DEACTIVATED_LABEL = "istio.io/deactivated"
PARKED_SELECTOR = {"matchLabels": {DEACTIVATED_LABEL: "never-match"}}


def suffix(revision: str) -> str:
    """Return the suffix of object names of a revision, empty for an installation without a revision."""
    return "" if revision in ("", DEFAULT) else f"-{revision}"


@dataclasses.dataclass(frozen=True)
class Injector:
    """A MutatingWebhookConfiguration that injects proxies; ``tag`` is empty for the injector of a revision.

    ``journal`` records the moves of a tag by runs. ``home`` is the namespace of the mesh that it belongs to, empty if
    unknown.
    """

    name: str
    revision: str
    tag: str
    webhooks: tuple[Json, ...]
    journal: Journal = dataclasses.field(default_factory=Journal)
    manager: Manager = UNKNOWN_MANAGER
    unreadable: tuple[Unreadable, ...] = ()
    home: str = ""
    #: The last writer and the owner of the label that names its revision.
    writers: LabelWriters = dataclasses.field(default_factory=LabelWriters)

    @property
    def selected_name(self) -> str:
        """The name by which labels select it: the tag, else the revision."""
        return self.tag or self.revision

    @property
    def has_ca_bundle(self) -> bool:
        """Whether istiod has filled in its certificate in every webhook."""
        return bool(self.webhooks) and all(map(has_ca_bundle, self.webhooks))

    @property
    def service(self) -> tuple[str, str] | None:
        """(namespace, name) of the Service that it calls, or None if it calls a URL."""
        return called_service(self.webhooks[0]) if self.webhooks else None

    @property
    def hook_names(self) -> frozenset[str]:
        """The names of its webhooks."""
        return frozenset(str(hook.get("name")) for hook in self.webhooks)

    @property
    def deactivated(self) -> bool:
        """Whether no pod can match, as with a default tag beside an installation without a revision."""
        return bool(self.webhooks) and all(
            DEACTIVATED_LABEL in ((hook.get("namespaceSelector") or {}).get("matchLabels") or {})
            for hook in self.webhooks
        )


@dataclasses.dataclass(frozen=True)
class InjectionConfig:
    """The injection settings of a revision: image parts and policy (istio/istio pkg/kube/inject/inject.go)."""

    hub: str = ""
    tag: str = ""
    image: str = "proxyv2"
    variant: str = ""
    policy: str = "enabled"
    never: tuple[Json, ...] = ()
    always: tuple[Json, ...] = ()


@dataclasses.dataclass(frozen=True)
class Revision:
    """One control plane: the facts of its Deployment, and its injection settings.

    ``installed_by`` is the version of istioctl or of the chart that installed it, empty for other installers.
    ``requests`` and ``limits`` are the requests and limits of each of its pods, ``placement`` their scheduling rules.
    ``unreadable`` maps each of its ConfigMaps that cannot be read to the reason; ``config`` or the values are then
    empty. ``written_spec`` is the spec of its Deployment except the replicas, and the data of its ConfigMaps, for
    comparison.
    """

    name: str
    namespace: str
    deployment: str = ""
    installed_by: str = ""
    image: str = ""
    replicas: int = 0
    ready: int = 0
    rolled_out: bool = False
    config: InjectionConfig | None = None
    user_values: Json = dataclasses.field(default_factory=dict)
    merged_values: Json = dataclasses.field(default_factory=dict)
    manager: Manager = UNKNOWN_MANAGER
    requests: ResourceRequests = NO_RESOURCES
    limits: ResourceRequests = NO_RESOURCES
    placement: Placement = dataclasses.field(default_factory=Placement)
    unreadable: Mapping[str, str] = dataclasses.field(default_factory=dict)
    written_spec: tuple[t.Any, ...] = dataclasses.field(default=(), repr=False)

    @property
    def unreadable_maps(self) -> str:
        """Its unreadable ConfigMaps, as the end of a sentence."""
        return "; ".join(f"ConfigMap {name} cannot be read: {why}" for name, why in self.unreadable.items())

    @property
    def version(self) -> str:
        """The version of its istiod as results show it: its image tag, or the digest if it has none."""
        return image_tag(self.image)

    @property
    def istio_version(self) -> Version | None:
        """The Istio version of its istiod: of its image, else of its installer; None if neither shows one."""
        return image_version(self.image) or parse_version(self.installed_by)

    @property
    def installed_version(self) -> Version | None:
        """The version of its installer, even if its image has another one; else that of its image."""
        return parse_version(self.installed_by) or image_version(self.image)


@dataclasses.dataclass(frozen=True)
class Mesh:
    """All control planes of one mesh, and the owners of names.

    ``services`` are all Services in its namespace, ``local_services`` those that select pods; the Service of a remote
    control plane selects none. ``service_revisions`` maps a Service to the revision of the istiods that it selects.
    ``tag_services`` and ``validators`` map a tag and the name of a ValidatingWebhookConfiguration to a revision.
    ``orphan_validators`` maps the name of one that rejects every write to its Service, which does not exist.
    ``foreign_injectors`` are the injectors of other meshes in the same cluster, which may have the same names.
    """

    namespace: str
    revisions: dict[str, Revision]
    injectors: tuple[Injector, ...]
    services: frozenset[tuple[str, str]]
    local_services: frozenset[tuple[str, str]]
    tag_services: Mapping[str, str]
    validators: Mapping[str, str]
    orphan_validators: Mapping[str, str]
    foreign_injectors: tuple[Injector, ...] = ()
    service_revisions: Mapping[tuple[str, str], str] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def all_injectors(self) -> tuple[Injector, ...]:
        """The injectors that the API server may call for a new pod, in its order."""
        if not self.foreign_injectors:
            return self.injectors
        return tuple(sorted((*self.injectors, *self.foreign_injectors), key=lambda i: i.name))

    @functools.cached_property
    def other_mesh_namespaces(self) -> frozenset[str]:
        """Namespaces of the other meshes in this cluster."""
        return frozenset(injector.home for injector in self.foreign_injectors)

    def is_foreign(self, injector: Injector) -> bool:
        """Whether an injector belongs to another mesh."""
        return injector.home in self.other_mesh_namespaces

    def other_mesh_owning(self, owned: str) -> str | None:
        """Return the namespace of another mesh that owns a name, even if this mesh owns it too, or None."""
        return next((i.home for i in self.foreign_injectors if i.selected_name == owned and not i.deactivated), None)

    @property
    def tags(self) -> dict[str, str]:
        """Tag -> the revision that it points at."""
        return {injector.tag: injector.revision for injector in self.injectors if injector.tag}

    @property
    def previous_default(self) -> str | None:
        """The revision that the default tag pointed at before its last move, if that is recorded."""
        injector = self.injector_of_tag(DEFAULT)
        changes = injector.journal.changes if injector else ()
        return changes[-1].before.get(TARGET) if changes else None

    @property
    def operator_tags(self) -> dict[str, str]:
        """Tag -> the operator that manages it."""
        return {i.tag: str(i.manager) for i in self.injectors if i.tag and i.manager.is_operator}

    @property
    def default_revision(self) -> str | None:
        """The revision that ``istio-injection=enabled`` selects: by the default tag or an unrevisioned injector."""
        if DEFAULT in self.tags:
            return self.tags[DEFAULT]
        active = [i for i in self.injectors if i.revision == DEFAULT and not i.tag and not i.deactivated]
        return DEFAULT if active else None

    @property
    def default_validator(self) -> str | None:
        """The revision that validates configuration without a revision label."""
        return self.validators.get(DEFAULT_VALIDATOR)

    @property
    def default_service(self) -> str | None:
        """The revision of the Service of the default tag."""
        return self.tag_services.get(DEFAULT)

    def injector(self, owned: str) -> Injector | None:
        """Return the active injector that owns a name; a revision takes precedence over a tag of the same name."""
        owners = [i for i in self.injectors if i.selected_name == owned and not i.deactivated]
        return owners[-1] if owners else None

    def injector_of_tag(self, tag: str) -> Injector | None:
        """Return the injector of a tag, or None if the tag does not exist."""
        return next((injector for injector in self.injectors if injector.tag == tag), None)

    def resolve(self, owned: str) -> str | None:
        """Return the revision behind a tag or revision name, or None if no injector owns it."""
        injector = self.injector(owned)
        return injector.revision if injector else None

    def runs(self, revision: str) -> bool:
        """Whether a revision has a control plane, in this cluster or outside."""
        plane = self.revisions.get(revision)
        return plane is not None and (bool(plane.deployment) or self.is_remote(revision))

    def settings_origin(self, revision: str, source: str | None) -> Revision | None:
        """Return the revision whose settings an installation keeps: the installed revision itself, else the source."""
        return self.revisions.get(revision) or self.revisions.get(source or "")

    def is_remote(self, revision: str) -> bool:
        """Whether the control plane of a revision is remote: its injector calls a URL or a Service without selector."""
        injector = next((i for i in self.injectors if i.revision == revision and not i.tag), None)
        if injector is None or self.revisions[revision].deployment:
            return False
        return injector.service is None or injector.service in self.services - self.local_services

    def orphans(self) -> list[Injector]:
        """Return the injectors whose Service is gone: they reject every pod they select."""
        called = ((i, i.service) for i in self.injectors)
        return [i for i, service in called if service and service[0] == self.namespace and service not in self.services]
