# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List what each minor version of Istio changes, as data.

Sources: istio.io, "Upgrade Notes" of 1.25 to 1.31; istio/istio manifests/helm-profiles/compatibility-version-*.yaml.
"""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map, as_maps, as_text
from ansible_collections.meshops.istio.plugins.module_utils.domain.injection.pod import MANAGED_GATEWAY
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Revision
from ansible_collections.meshops.istio.plugins.module_utils.domain.snapshot.snapshot import Snapshot
from ansible_collections.meshops.istio.plugins.module_utils.domain.versions.istio_version import (
    Version,
    kubelet_uses_native_sidecars,
    parse_version,
)
from ansible_collections.meshops.istio.plugins.module_utils.domain.workloads.workload import ZTUNNEL, node_part

#: Value of label gateway.istio.io/managed on gateways of the Gateway API (istio/istio pkg/config/constants).
GATEWAY = "istio.io-gateway-controller"
#: Registries of the images of releases up to 1.30 (istio.io, "Upgrade Notes" of 1.31).
RETIRED_HUBS = ("gcr.io/istio-release", "registry.istio.io")
#: Number of workloads above which a reconnecting ztunnel requests more than istiod accepts in one message.
MANY_WORKLOADS = 40_000
#: Target minor -> known minors whose behavior it can preserve with compatibilityVersion.
COMPATIBLE = {30: range(25, 30), 31: range(25, 31)}
#: Variables of istiod -> the minor that no longer reads them (istio.io, "Upgrade Notes" and "Change Notes").
GONE_VARIABLES = {
    "ENABLE_AUTO_SNI": 26,
    "METRIC_GRACEFUL_DELETION_INTERVAL": 28,
    "METRIC_ROTATION_INTERVAL": 28,
    "PILOT_SPAWN_UPSTREAM_SPAN_FOR_GATEWAY": 31,
}
#: Kinds of tracing providers in meshConfig.extensionProviders -> the minor that no longer supports them.
GONE_PROVIDERS = {"lightstep": 27, "opencensus": 25}

Where = Callable[[Snapshot, Revision], bool]


def _anywhere(snapshot: Snapshot, source: Revision) -> bool:
    return True


def _has_node_part(snapshot: Snapshot, part: str) -> bool:
    """Return whether the mesh has a kind of node agent; one of another mesh does not count."""
    return any(
        node_part(workload) == part and not snapshot.is_of_other_mesh(workload.ref)
        for workload in snapshot.workloads.values()
    )


def _cni(snapshot: Snapshot, source: Revision) -> bool:
    return _has_node_part(snapshot, "istio-cni-node")


def _ambient(snapshot: Snapshot, source: Revision) -> bool:
    return _has_node_part(snapshot, ZTUNNEL)


def _large_ambient(snapshot: Snapshot, source: Revision) -> bool:
    return _ambient(snapshot, source) and len(snapshot.pods) >= MANY_WORKLOADS


def _gateway_api(snapshot: Snapshot, source: Revision) -> bool:
    return any(pod.labels.get(MANAGED_GATEWAY) == GATEWAY and snapshot.in_this_mesh(pod) for pod in snapshot.pods)


def _native_nodes(snapshot: Snapshot, source: Revision) -> bool:
    """Return whether every kubelet is new enough for native sidecars by default; True if nodes were not read."""
    return all(kubelet_uses_native_sidecars(node.kubelet) for node in snapshot.precheck_inputs.nodes)


def _tracing(snapshot: Snapshot, source: Revision) -> bool:
    config = source.user_values.get("meshConfig") or {}
    return bool(config.get("enableTracing") or config.get("extensionProviders"))


def _retired_hub(snapshot: Snapshot, source: Revision) -> bool:
    return source.config is not None and source.config.hub.startswith(RETIRED_HUBS)


@dataclasses.dataclass(frozen=True)
class Change:
    """A default that a minor version (of major 1) changed.

    ``setting`` and ``old`` are the chart value that preserves the previous behavior, up to the minor ``until`` that
    removed it. ``profile`` is whether compatibilityVersion sets it too. ``where`` returns whether a mesh is affected.
    """

    since: int
    name: str
    text: str
    setting: str = ""
    old: str = "false"
    where: Where = _anywhere
    profile: bool = False
    until: int | None = None

    def is_decided(self, values: Mapping[str, t.Any]) -> bool:
        """Return whether the user's values already decide about it."""
        compatibility = parse_version(str(values.get("compatibilityVersion") or ""))
        profile_decides = self.profile and compatibility is not None and compatibility.minor < self.since
        return self._is_set(values) or profile_decides

    def _is_set(self, values: Mapping[str, t.Any]) -> bool:
        value: t.Any = values
        for key in self.setting.split("."):
            if not isinstance(value, Mapping) or key not in value:
                return False
            value = value[key]
        return True

    def how_to_preserve(self, target: Version) -> str:
        """Return how to preserve the previous behavior, as a sentence, or an empty string."""
        removed = self.until is not None and target.minor >= self.until
        if not self.setting or removed:
            return ""
        return f" The value {self.setting}={self.old} preserves the previous behavior."


CHANGES = (
    Change(25, "addresses of ServiceEntries", "istiod assigns addresses to ServiceEntries without any, in their "
           "status.", "pilot.env.PILOT_ENABLE_IP_AUTOALLOCATE"),
    Change(25, "ambient DNS capture", "DNS queries of new ambient pods are sent to ztunnel.",
           "cni.ambient.dnsCapture", where=_ambient),
    Change(26, "network namespace of istio-cni-node", "The DaemonSet no longer runs in the host network of its node.",
           "cni.ambient.shareHostNetworkNamespace", "true", where=_ambient, profile=True),
    Change(27, "native sidecars", "In pods that start from now on, istio-proxy is an init container; tools that patch, "
           "list or watch it as an ordinary container no longer find it.",
           "pilot.env.ENABLE_NATIVE_SIDECARS", where=_native_nodes, profile=True),
    Change(28, "host of mirrored requests", "Mirrored requests keep their host; it no longer gets the suffix -shadow.",
           "pilot.env.DISABLE_SHADOW_HOST_SUFFIX", profile=True),
    Change(28, "spans of gateways", "Gateways add a tracing span for each request that they forward.",
           "pilot.env.PILOT_SPAWN_UPSTREAM_SPAN_FOR_GATEWAY", where=_tracing, profile=True, until=31),
    Change(28, "alpha APIs of gateways", "InferencePool and BackendTLSPolicy are read as v1 only.",
           where=_gateway_api),
    Change(29, "compressed proxy metrics", "Proxies compress their metrics for scrapers that accept it.",
           "meshConfig.defaultConfig.statsCompression"),
    Change(29, "remaining metrics of circuit breakers", "Proxies no longer report how much remains until a circuit "
           "breaker opens.", "pilot.env.DISABLE_TRACK_REMAINING_CB_METRICS", profile=True),
    Change(29, "debug endpoints", "Tools outside Istio's own namespace have limited access to istiod's debug "
           "endpoints.", "pilot.env.ENABLE_DEBUG_ENDPOINT_AUTH"),
    Change(29, "rules of running ambient pods", "A new istio-cni-node updates the iptables rules of running pods.",
           "cni.ambient.reconcileIptablesOnStartup", where=_ambient, profile=True),
    Change(30, "namespace of a host", "If several namespaces have the same host name, sidecars prefer a Kubernetes "
           "Service, then the oldest ServiceEntry, instead of the first namespace by name.",
           "pilot.env.PILOT_SIDECAR_PICK_BEST_SERVICE_NAMESPACE", profile=True),
    Change(30, "debug over plaintext XDS", "syncz and config_dump on port 15010 require an identity.",
           "pilot.env.ENABLE_DEBUG_ENDPOINT_AUTH"),
    Change(30, "mode of CNI files", "Only root can read the CNI configuration on the nodes.",
           "cni.env.CNI_CONF_GROUP_READ", "true", where=_cni),
    Change(30, "excluded namespaces", "The CNI agent removes pods of excludeNamespaces from the ambient mesh.",
           where=_ambient),
    Change(31, "endpoints that are not ready", "Proxies receive endpoints that are not ready, unless "
           "minHealthPercent of outlier detection is set.",
           "pilot.env.PILOT_AUTO_SEND_UNHEALTHY_ENDPOINTS", profile=True),
    Change(31, "merged gateways", "Gateways of other namespaces are no longer merged into managed gateways of the "
           "Gateway API.", "pilot.env.PILOT_ENABLE_STRICT_GATEWAY_MERGING", where=_gateway_api, profile=True),
    Change(31, "consumers of configuration", "Consumers of istiod's API generator outside Istio's own namespace are "
           "refused.", "pilot.env.ENABLE_XDS_API_GENERATOR_AUTH"),
    Change(31, "auto-registered WorkloadEntries", "Existing ones are reached without HBONE until they register "
           "again or get the label networking.istio.io/tunnel=http.", where=_ambient),
    Change(31, "size of ztunnel's requests", "A reconnecting ztunnel may request more than istiod accepts in one "
           "message; increase pilot.env.ISTIO_GPRC_MAXRECVMSGSIZE by 1 MiB for each 10000 workloads.",
           where=_large_ambient),
    Change(31, "registry of images", "Images are no longer published in the registry of this mesh: mirrors, pull "
           "secrets and policies must allow the new registry.", where=_retired_hub),
)  # fmt: skip


def changes_between(source: Version, target: Version) -> list[Change]:
    """Return the changes between two versions; none for a downgrade."""
    if source.major != 1 or target.major != 1:
        return []
    return [change for change in CHANGES if source.minor < change.since <= target.minor]


def ignored_settings(values: Mapping[str, t.Any], target: Version) -> list[tuple[str, int]]:
    """Return the user's settings that a version ignores, and the minor since which it does."""
    pilot, mesh = as_map(values.get("pilot")), as_map(values.get("meshConfig"))
    settings = [
        (f"pilot.env.{name}", GONE_VARIABLES[name]) for name in as_map(pilot.get("env")) if name in GONE_VARIABLES
    ]
    for provider in as_maps(mesh.get("extensionProviders")):
        name = as_text(provider.get("name"))
        settings += [
            (f"meshConfig.extensionProviders[{name}].{kind}", GONE_PROVIDERS[kind])
            for kind in provider
            if kind in GONE_PROVIDERS
        ]
    return [(setting, since) for setting, since in settings if target.major == 1 and since <= target.minor]
