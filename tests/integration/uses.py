# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Uses of a revision, each of which keeps it from its removal alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import connection
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.connected_proxies import connected_to
from integration.meshes import ADMISSION, MERGE
from integration.objects import REV, pods
from integration.safety import container, until
from integration.support import REVISION, VERSION, Desk
from lab import Cluster

Json = dict[str, Any]
SPARE, USER = "spare", "tenant"
INJECT = "sidecar.istio.io/inject"


def of_pods(kind: str, name: str, **spec: Any) -> Json:
    """A workload of the namespace that uses the spare revision."""
    version = {"Pod": "v1", "Deployment": "apps/v1", "DaemonSet": "apps/v1"}.get(kind, "batch/v1")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": USER}, "spec": spec}


def template(**own: str) -> Json:
    """Pods with some labels."""
    return {"metadata": {"labels": {"app": "sleeper", **own}}, "spec": container()}


def job() -> Json:
    """The specification of a Job whose pod runs for long."""
    pod = template()
    pod["metadata"]["annotations"] = {"lab.meshops.dev/duration": "24h"}
    pod["spec"]["restartPolicy"] = "Never"
    return {"template": pod}


def rolled(kind: str, name: str, pod: Json, **spec: Any) -> Json:
    """A Deployment or DaemonSet."""
    return of_pods(kind, name, selector={"matchLabels": {"app": "sleeper"}}, template=pod, **spec)


def never_ready() -> Json:
    """Pods that never get ready, so that their proxies never connect."""
    pod = template()
    pod["metadata"]["annotations"] = {"lab.meshops.dev/fault": "never-ready"}
    return pod


def strayed() -> Json:
    """Pods whose proxies connect to the spare revision, whatever injected them."""
    pod = template()
    address = f"discoveryAddress: istiod-{SPARE}.istio-system.svc:15012"
    pod["metadata"]["annotations"] = {"proxy.istio.io/config": address}
    return pod


def cron_job() -> Json:
    """A CronJob whose pods ask for the spare revision."""
    pod = template(**{REV: SPARE})
    pod["spec"]["restartPolicy"] = "Never"
    return of_pods("CronJob", "nightly", schedule="0 3 * * *", jobTemplate={"spec": {"template": pod}})


def shared(kind: str, component: str) -> Json:
    """Something that the whole mesh uses, and that an install of the spare revision has taken over."""
    spec = {"replicas": 0} if kind == "Deployment" else {}
    found = rolled(kind, component.lower(), template(**{INJECT: "false"}), **spec)
    found["metadata"] |= {"namespace": "istio-system", "labels": {REV: SPARE, "operator.istio.io/component": component}}
    return found


@dataclass(frozen=True)
class Use:
    """One way to need the spare revision, and the blockers that it is."""

    blockers: set[tuple[str, str]]
    objects: tuple[Json, ...] = ()
    label: dict[str, str] = field(default_factory=dict)
    #: The namespace loses its label once the pods are there.
    live: bool = False
    #: An owner of the default or a tag that leads to the spare revision.
    leads: str = ""
    #: Its proxies are connected to the spare revision.
    connected: bool = False


BY_REVISION = {REV: SPARE}
DEFAULT_TAG = f"{ADMISSION}/mutatingwebhookconfigurations/istio-revision-tag-default"
VALIDATOR = f"{ADMISSION}/validatingwebhookconfigurations/istiod-default-validator"
SERVICE = "/api/v1/namespaces/istio-system/services/istiod-revision-tag-default"
USES = {
    "a namespace": Use({("namespace", f"namespace {USER}")}, label=BY_REVISION),
    "a tag": Use({("tag", "tag experiment")}, leads="experiment"),
    "istio-injection": Use(
        {("tag", "tag default"), ("default_validator", "istiod-default-validator"), ("namespace", "namespace catalog")},
        leads="default",
    ),
    "the default tag": Use({("tag", "tag default"), ("namespace", "namespace catalog")}, leads=DEFAULT_TAG),
    "the default validator": Use({("default_validator", "istiod-default-validator")}, leads=VALIDATOR),
    "the default Service": Use({("default_service", "istiod-revision-tag-default")}, leads=SERVICE),
    "a workload scaled to zero": Use(
        {("selects_revision", f"Deployment {USER}/sleeper")},
        (rolled("Deployment", "sleeper", template(**{REV: SPARE}), replicas=0),),
    ),
    "a CronJob": Use({("selects_revision", f"CronJob {USER}/nightly")}, (cron_job(),)),
    "a bare pod": Use(
        {("live_proxy", f"Pod {USER}/alone")}, (of_pods("Pod", "alone", **container()),), BY_REVISION, live=True
    ),
    "a Job": Use({("live_proxy", f"Job {USER}/import")}, (of_pods("Job", "import", **job()),), BY_REVISION, live=True),
    "a Deployment": Use(
        {("live_proxy", f"Deployment {USER}/sleeper")},
        (rolled("Deployment", "sleeper", template(), replicas=1),),
        BY_REVISION,
        live=True,
    ),
    "a proxy that never connected": Use(
        {("live_proxy", f"Deployment {USER}/sleeper")},
        (rolled("Deployment", "sleeper", never_ready(), replicas=1),),
        BY_REVISION,
        live=True,
    ),
    "F4: a policy that only it reads": Use(
        {("configuration", f"AuthorizationPolicy {USER}/deny-admin")},
        (
            {
                "apiVersion": "security.istio.io/v1",
                "kind": "AuthorizationPolicy",
                "metadata": {"name": "deny-admin", "namespace": USER, "labels": {REV: SPARE}},
                "spec": {},
            },
        ),
    ),
    "F5: a proxy that strayed to it": Use(
        {("connected_proxy", f"Deployment {USER}/sleeper")},
        (rolled("Deployment", "sleeper", strayed(), replicas=1),),
        {REV: REVISION},
        live=True,
        connected=True,
    ),
    "a shared gateway": Use(
        {("shared_component", "Deployment istio-system/ingressgateways")}, (shared("Deployment", "IngressGateways"),)
    ),
    "CNI": Use({("shared_component", "DaemonSet istio-system/cni")}, (shared("DaemonSet", "Cni"),)),
    "ztunnel": Use({("shared_component", "DaemonSet istio-system/ztunnel")}, (shared("DaemonSet", "Ztunnel"),)),
}


def relabel(cluster: Cluster, path: str, revision: str | None) -> None:
    """Let one object name another revision, or none."""
    patch = {"metadata": {"labels": {REV: revision}}}
    cluster.request("PATCH", path, patch, content_type=MERGE)


@contextlib.contextmanager
def used(desk: Desk, cluster: Cluster, use: Use) -> Iterator[None]:
    """Need the spare revision in exactly one way, and then no more."""
    metadata = {"name": USER, "labels": use.label}
    cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, *use.objects])
    if use.live:
        until(lambda: pods(cluster, [USER]))
        relabel(cluster, f"/api/v1/namespaces/{USER}", None)
    if use.connected:
        login = {"kubeconfig": str(cluster.kubeconfig), "context": cluster.context}
        client = Client(connection(login))
        until(lambda: connected_to(client, "istio-system", SPARE))
    if use.leads.startswith("/"):
        relabel(cluster, use.leads, SPARE)
    elif use.leads:
        cluster.istioctl(VERSION, "tag", "set", use.leads, "--revision", SPARE, "--overwrite", "-y")
    yield
    if use.leads.startswith("/"):
        relabel(cluster, use.leads, REVISION)
    elif use.leads == "default":
        assert desk.tool(cluster, "istio_tag", name="default", revision=REVISION)["changed"]
    elif use.leads:
        assert desk.tool(cluster, "istio_tag", name=use.leads, state="absent")["changed"]
    for one in use.objects:
        cluster.delete(cluster.path(one), {"gracePeriodSeconds": "0", "propagationPolicy": "Background"})
    relabel(cluster, f"/api/v1/namespaces/{USER}", None)
    until(lambda: not pods(cluster, [USER]))
