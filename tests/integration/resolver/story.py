# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leads one cluster through its states, and waits by known answers instead of for a time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from ansible_collections.meshops.istio.plugins.module_utils.client.api import Client
from ansible_collections.meshops.istio.plugins.module_utils.client.auth import Connection
from ansible_collections.meshops.istio.plugins.module_utils.domain.mesh.model import Mesh
from ansible_collections.meshops.istio.plugins.module_utils.operations.read.mesh import fetch_mesh
from lab import Cluster

from .cases import INJECTION, REV, Case, Labels, matrix, namespace_name
from .compare import REJECTED, Answer, ask, predict
from .meshes import Known, State

SETTLE_SECONDS = 30.0
NAMESPACE = "istio-system"
#: Namespaces that Istio leaves alone, and others that every cluster has, with the labels they get here.
SYSTEM: dict[str, Labels] = {
    "default": {},
    NAMESPACE: {},
    "kube-system": {INJECTION: "enabled"},
    "kube-public": {REV: "1-31-0"},
    "kube-node-lease": {},
    "local-path-storage": {REV: "prod"},
}


class Story:
    """One cluster, at one of its states; goes forward as asked, and starts over at first and to go back."""

    def __init__(self, cluster: Cluster, states: Sequence[State], drawn: Mapping[str, Labels]) -> None:
        self.client = Client(Connection(kubeconfig=str(cluster.kubeconfig), context=cluster.context))
        self.namespaces: dict[str, Labels] = {**_recorded(), **drawn, **SYSTEM}
        self._cluster = cluster
        self.states = [state.name for state in states]
        self._states = tuple(states)
        self._at = -1

    def go(self, name: str) -> tuple[State, Mesh]:
        """Reach a state and return the mesh as it is there."""
        wanted = self.states.index(name)
        if self._at < 0 or wanted < self._at:
            self._cluster.reset()
            self._label()
            self._at = -1
        while self._at < wanted:
            self._at += 1
            for action in self._states[self._at].actions:
                action(self._cluster)
        return self._states[wanted], self._settled(self._states[wanted])

    def _label(self) -> None:
        def create(item: tuple[str, Labels]) -> None:
            metadata = {"name": item[0], "labels": dict(item[1])}
            self._cluster.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(create, self.namespaces.items()))

    def _settled(self, state: State) -> Mesh:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            mesh = fetch_mesh(self.client, NAMESPACE)
            answers = [(known, *self._both(mesh, known, state.native)) for known in state.known]
            wrong = [(known, real) for known, real, dummy in answers if not _is(real, known)]
            # The objects may change a little later than the webhooks, or never: then the comparison shows it.
            told = all(predicted == real for dummy, real, predicted in answers)
            late = time.monotonic() > deadline
            if not wrong and (told or late):
                return mesh
            if late:
                raise AssertionError(f"{state.name} was not reached: " + "; ".join(f"{k}: {a}" for k, a in wrong))
            time.sleep(0.1)

    def _both(self, mesh: Mesh, known: Known, native: bool) -> tuple[Answer, Answer]:
        case = self.case(known)
        labels = self.namespaces[case.namespace]
        return ask(self.client, mesh, labels, case), predict(mesh, labels, case, native)

    def case(self, known: Known) -> Case:
        """The pod to send for a known answer."""
        namespace = next(name for name, labels in self.namespaces.items() if labels == known.namespace)
        return Case(namespace, known.pod)


def _recorded() -> dict[str, Labels]:
    return {namespace_name(index): labels for index, labels in enumerate(matrix().namespaces)}


def _is(answer: Answer, known: Known) -> bool:
    outcome = REJECTED if answer.rejected else answer.revision
    return outcome == known.outcome and known.native in (None, answer.native)
