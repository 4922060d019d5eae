# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which workloads are meant: by namespace, kind, name and label."""

from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.meshops.istio.plugins.module_utils.common.errors import ParameterError
from ansible_collections.meshops.istio.plugins.module_utils.domain.restart.selection import Selection
from unit.support import builders as b


def labelled(kind: str, name: str, place: str = "shop", **labels: str) -> b.Json:
    """A workload with labels of its own, which are not those of its pods."""
    made = b.workload(kind, name, place, labels={"tier": "of-pods"})
    made["metadata"]["labels"] = labels
    return made


FOUND = b.snapshot_of(
    [
        labelled("Deployment", "web", tier="front"),
        labelled("Deployment", "web-admin", tier="back"),
        labelled("StatefulSet", "web", tier="back"),
        labelled("DaemonSet", "agent"),
        labelled("Deployment", "web", "other", tier="front"),
    ]
).workloads


def read(**options: t.Any) -> Selection:
    """The names of the selected workloads."""
    nothing = {"kinds": [], "names": [], "label_selector": None, "field_selector": None}
    return Selection.from_params({"namespaces": ["shop"], **nothing, **options})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, ["DaemonSet/agent", "Deployment/web", "Deployment/web-admin", "StatefulSet/web"], id="all"),
        pytest.param({"kinds": ["StatefulSet", "DaemonSet"]}, ["DaemonSet/agent", "StatefulSet/web"], id="kinds"),
        pytest.param({"names": ["web"]}, ["Deployment/web", "StatefulSet/web"], id="a name, of any kind"),
        pytest.param({"names": ["Deployment/web"]}, ["Deployment/web"], id="a name of one kind"),
        pytest.param({"names": ["*-admin", "agent"]}, ["DaemonSet/agent", "Deployment/web-admin"], id="a pattern"),
        pytest.param({"names": ["Deployment/web*"]}, ["Deployment/web", "Deployment/web-admin"], id="of one kind"),
        pytest.param({"label_selector": "tier=back"}, ["Deployment/web-admin", "StatefulSet/web"], id="a label"),
        pytest.param({"label_selector": "tier=of-pods"}, [], id="labels of pods do not count"),
        pytest.param({"label_selector": "tier!=back"}, ["DaemonSet/agent", "Deployment/web"], id="another label"),
        pytest.param(
            {"label_selector": "tier", "kinds": ["Deployment"], "names": ["web"]}, ["Deployment/web"], id="and"
        ),
        pytest.param({"namespaces": ["other"]}, ["Deployment/web"], id="another namespace"),
        pytest.param({"field_selector": "metadata.name=agent"}, ["DaemonSet/agent"], id="a field"),
        pytest.param({"field_selector": "metadata.name==agent"}, ["DaemonSet/agent"], id="a field, as in Go"),
        pytest.param(
            {"field_selector": "metadata.name!=web, metadata.name!=agent"}, ["Deployment/web-admin"], id="other values"
        ),
        pytest.param({"field_selector": "metadata.namespace=other"}, [], id="a field of another namespace"),
    ],
)
def test_selection(options: b.Json, expected: list[str]) -> None:
    selection = read(**options)
    assert sorted(f"{w.kind}/{w.name}" for w in FOUND.values() if selection.selects(w)) == expected
    selection.require_names(FOUND.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"names": ["wbe"]}, "no workload in shop is called wbe.", id="name"),
        pytest.param({"names": ["x*", "web", "y"]}, "is called x*, y.", id="only names that match nothing"),
        pytest.param({"names": ["DaemonSet/web"]}, "is called DaemonSet/web.", id="of another kind"),
        pytest.param(
            {"names": ["agent"], "kinds": ["Deployment"]}, "no Deployment in shop is called agent.", id="kinds"
        ),
    ],
)
def test_a_name_that_matches_nothing_is_a_sentence(options: b.Json, message: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(message)):
        read(**options).require_names(FOUND.values())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"names": ["Pod/web"]}, "Parameter names: 'Pod/web' is neither", id="an unknown kind"),
        pytest.param(
            {"names": ["deployment/web"]}, "kinds Deployment, StatefulSet, DaemonSet, Rollout", id="kinds are exact"
        ),
        pytest.param({"names": ["Deployment/"]}, "Parameter names: 'Deployment/' is neither", id="no name"),
        pytest.param({"names": [""]}, "Parameter names: '' is neither", id="empty"),
        pytest.param({"field_selector": "status.phase=x"}, "'status.phase=x' is not FIELD=VALUE", id="another field"),
        pytest.param({"field_selector": "web"}, "Parameter field_selector: 'web' is not", id="no term"),
        pytest.param(
            {"label_selector": "a=b c"}, "Parameter label_selector: 'a=b c' has 'c' at position 5", id="label"
        ),
    ],
)
def test_what_can_never_be_right_is_a_sentence_before_any_request(options: b.Json, message: str) -> None:
    with pytest.raises(ParameterError, match=re.escape(message)):
        read(**options)
