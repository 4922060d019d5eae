# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find settings of istiod that components of an IstioOperator made: the installer wrote them, no Helm value has them.

istioctl changes the rendered objects by ``components.pilot.k8s``, and stores no components. So a field that differs
from what the stored values render came from there, and an installation without these components resets it.
Sources: istio/istio operator/pkg/render/postprocess.go and manifests/charts/istio-control/istio-discovery/templates.
"""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

from ansible_collections.meshops.istio.plugins.module_utils.common.objects import Json
from ansible_collections.meshops.istio.plugins.module_utils.common.untrusted import as_map, as_maps, as_text
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.cluster_settings import ClusterSetting
from ansible_collections.meshops.istio.plugins.module_utils.domain.install.field_differences import value_at
from ansible_collections.meshops.istio.plugins.module_utils.domain.kubernetes.resources import read_quantity

CONTAINER = "spec.template.spec.containers.[discovery]"
ENV = f"{CONTAINER}.env"
#: Fields that components set -> the Helm values that render them.
FIELDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "Deployment": {
        "spec.template.spec.nodeSelector": ("nodeSelector", "global.defaultNodeSelector"),
        "spec.template.spec.affinity": ("affinity",),
        "spec.template.spec.tolerations": ("tolerations", "global.defaultTolerations"),
        "spec.template.spec.topologySpreadConstraints": ("topologySpreadConstraints",),
        "spec.template.spec.priorityClassName": ("global.priorityClassName",),
        f"{CONTAINER}.resources": ("resources", "global.defaultResources"),
    },
    "HorizontalPodAutoscaler": {
        "spec.minReplicas": ("autoscaleMin",),
        "spec.maxReplicas": ("autoscaleMax",),
        "spec.behavior": ("autoscaleBehavior",),
    },
    "PodDisruptionBudget": {
        "spec.minAvailable": ("podDisruptionBudget.minAvailable",),
        "spec.maxUnavailable": ("podDisruptionBudget.maxUnavailable",),
    },
    "Service": {"metadata.annotations": ("serviceAnnotations",), "spec.type": ()},
}
#: Values that the API server fills in.
DEFAULTS = {"spec.type": "ClusterIP"}
#: Variables that the charts set without a value pilot.env, in the templates of Istio 1.20 to 1.31.
CHART_VARIABLES = frozenset(
    {
        "CA_TRUSTED_NODE_ACCOUNTS", "CLUSTER_ID", "ENABLE_LEGACY_FSGROUP_INJECTION", "EXTERNAL_ISTIOD", "GODEBUG",
        "GOMAXPROCS", "GOMEMLIMIT", "INJECTION_WEBHOOK_CONFIG_NAME", "ISTIOD_ADDR", "ISTIOD_CUSTOM_HOST", "JWT_POLICY",
        "KUBECONFIG", "PILOT_CA_CERT_CONFIGMAP", "PILOT_CERT_PROVIDER", "PILOT_CRL_CONFIGMAP", "PILOT_ENABLE_ANALYSIS",
        "PILOT_ENABLE_NODE_UNTAINT_CONTROLLERS", "PILOT_ENABLE_PROTOCOL_SNIFFING_FOR_INBOUND",
        "PILOT_ENABLE_PROTOCOL_SNIFFING_FOR_OUTBOUND", "PILOT_NODE_UNTAINT_CONTROLLERS_TAINT_NAME",
        "PILOT_TRACE_SAMPLING", "PLATFORM", "POD_NAME", "POD_NAMESPACE", "REVISION", "SERVICE_ACCOUNT",
        "TOKEN_AUDIENCES", "VALIDATION_WEBHOOK_CONFIG_NAME",
    }
)  # fmt: skip
#: Tolerations that the chart adds to those of the values.
CHART_TOLERATIONS = frozenset({"cni.istio.io/not-ready"})
#: Annotations of clients, which are no settings of an installer.
CLIENT_NOTES = ("kubectl.kubernetes.io/", "meta.helm.sh/")


def find_component_settings(live: Json, after: Json, values: Mapping[str, t.Any]) -> Iterator[ClusterSetting]:
    """Yield the fields of an object of istiod that components set and that get lost or changed, named by their paths.

    Args:
        live: the object as it is.
        after: the object that takes its place, with the same names.
        values: the merged Helm values of the running revision; without them the settings cannot be distinguished.
    """
    if not values:
        return
    for path, sources in FIELDS.get(str(live.get("kind")), {}).items():
        old, new = _read(live, path), _read(after, path)
        if old is not None and old != new and not _is_rendered(old, values, sources):
            yield ClusterSetting(path, value_at(live, path), value_at(after, path))
    if live.get("kind") == "Deployment":
        for path, before, then in _differing_variables(live, after, values):
            yield ClusterSetting(path, before, then)


def _differing_variables(live: Json, after: Json, values: Mapping[str, t.Any]) -> Iterator[tuple[str, t.Any, t.Any]]:
    """Yield the environment variables that no value holds and that get lost or changed."""
    given = {**as_map(value_at(values, "env")), **as_map(value_at(values, "pilot.env"))}
    entries = [*_maps(values, "envVarFrom"), *_maps(values, "pilot.envVarFrom")]
    from_values = {as_text(entry.get("name")) for entry in entries}
    now, then = _variables(live), _variables(after)
    for name, value in now.items():
        stored = given.get(name)
        known = name in CHART_VARIABLES or name in from_values or (stored is not None and _text(stored) == value)
        if not known and then.get(name) != value:
            yield f"{ENV}.[{name}]", value, then.get(name)


def _variables(obj: Json) -> dict[str, t.Any]:
    """Return environment variable of istiod -> its value, or its source."""
    return {as_text(entry.get("name")): entry.get("value", entry.get("valueFrom", "")) for entry in _maps(obj, ENV)}


def _maps(obj: Mapping[str, t.Any], path: str) -> Iterator[Mapping[str, t.Any]]:
    return as_maps(value_at(obj, path))


def _text(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(obj: Json, path: str) -> t.Any:
    """Return a field in a form that can be compared: the API server writes quantities in a form of its own."""
    value = value_at(obj, path)
    return None if value == DEFAULTS.get(path) else _comparable(value)


def _is_rendered(value: t.Any, values: Mapping[str, t.Any], sources: tuple[str, ...]) -> bool:
    """Return whether a Helm value renders a field; the charts have the values of pilot at the top level too."""
    stored = [value_at(values, prefix + source) for source in sources for prefix in ("", "pilot.")]
    return value in [_comparable(candidate) for candidate in stored if candidate is not None]


def _comparable(value: t.Any) -> t.Any:
    if isinstance(value, Mapping):
        items = {
            key: _quantities(inner) if key in ("limits", "requests") else inner
            for key, inner in value.items()
            if not str(key).startswith(CLIENT_NOTES)
        }
        return items or None
    if isinstance(value, list):
        return [entry for entry in value if as_map(entry).get("key") not in CHART_TOLERATIONS] or None
    return value or None


def _quantities(amounts: t.Any) -> t.Any:
    return {name: read_quantity(amount) for name, amount in as_map(amounts).items()}
