# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An API server with any number of pods: copies of one real injected pod, created while a page is sent."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from unit.support import builders as b
from unit.support.api_answers import BY_PATH, PATH, Answer, Seen
from unit.support.fake_api import FakeApi

Json = dict[str, Any]
#: A pod that istiod 1.30.3 injected, with its owners, as the lab's API server returned them.
RECORDED: Json = json.loads((Path(__file__).parent / "recorded.json").read_text(encoding="utf-8"))
#: The answer of istiod 1.30.3 about one of its proxies.
SYNCZ: Json = json.loads((Path(b.__file__).parents[1] / "fixtures" / "syncz-1.30.3.json").read_text(encoding="utf-8"))[
    1
]
PODS_EACH = 3
#: A Deployment keeps up to ten old ReplicaSets (revisionHistoryLimit).
SETS_EACH = 5
PER_NAMESPACE = 50
#: Texts that differ in the copies.
NAMES = {
    **{RECORDED[kind]["metadata"]["name"]: kind for kind in RECORDED},
    RECORDED["Pod"]["metadata"]["namespace"]: "namespace",
    RECORDED["Pod"]["metadata"]["uid"]: "uid",
}


class Crowd(FakeApi):
    """A mesh without problems: one namespace for fifty Deployments of three pods each."""

    def __init__(self, pods: int) -> None:
        self.totals = {
            "Deployment": pods // PODS_EACH,
            "ReplicaSet": pods // PODS_EACH * SETS_EACH,
            "Pod": pods,
        }
        self.texts = {kind: json.dumps(RECORDED[kind]) for kind in self.totals}
        self.metadata = {kind: json.dumps({"metadata": RECORDED[kind]["metadata"]}) for kind in self.totals}
        spaces = {f"team-{at}": b.OLD for at in range(1 + pods // PODS_EACH // PER_NAMESPACE)}
        nodes = (b.node(f"node-{at}", cpu="64", memory="512Gi") for at in range(1 + pods // 100))
        super().__init__(*b.plane(b.OLD), *b.revision_tag("default", b.OLD), *b.namespaces(**spaces), *nodes)

    def syncz(self, istiod: str) -> bytes:
        """Return the connections of all proxies to this istiod."""
        row = json.dumps(SYNCZ)
        pods = ((at // PODS_EACH, at) for at in range(self.totals["Pod"]))
        names = (f"app-{deployment}-0-{at}.team-{deployment // PER_NAMESPACE}" for deployment, at in pods)
        return f"[{','.join(row.replace(SYNCZ['proxy'], name) for name in names)}]".encode()

    def _serve(self, seen: Seen) -> Answer:
        match = PATH.match(seen.path)
        kind = BY_PATH.get((match[1], match[3])) if match and not match[2] else None
        if kind not in self.totals:
            return super()._serve(seen)
        start, size = int(seen.query.get("continue", 0)), int(seen.query["limit"])
        end = min(self.totals[kind], start + size)
        texts = self.metadata if "PartialObjectMetadata" in seen.headers["Accept"] else self.texts
        items = ",".join(self._copy(texts[kind], kind, at) for at in range(start, end))
        more = json.dumps({"resourceVersion": "1", **({"continue": str(end)} if end < self.totals[kind] else {})})
        return Answer(f'{{"metadata": {more}, "items": [{items}]}}'.encode())

    @staticmethod
    def _copy(text: str, kind: str, at: int) -> str:
        """Return a copy of the recorded object with other names."""
        deployment = at // {"Deployment": 1, "ReplicaSet": SETS_EACH, "Pod": PODS_EACH}[kind]
        # The newest ReplicaSet has the pods; the others are the history.
        own_set = f"app-{deployment}-{at % SETS_EACH if kind == 'ReplicaSet' else 0}"
        names = {
            "Pod": f"{own_set}-{at}",
            "ReplicaSet": own_set,
            "Deployment": f"app-{deployment}",
            "namespace": f"team-{deployment // PER_NAMESPACE}",
            "uid": f"{kind}-{at}",
        }
        for old, new in NAMES.items():
            text = text.replace(f'"{old}"', f'"{names[new]}"')
        return text


def measure(pods: int) -> Json:
    """Return the cost and findings of one precheck of some pods, in a separate process (see `benchmark.gate`)."""
    with Crowd(pods) as api:
        command = [sys.executable, "-m", "benchmark.gate", api.url]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    figures: Json = json.loads(done.stdout)
    return figures
