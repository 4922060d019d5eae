# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of a control plane with records of the clients that wrote their fields."""

from __future__ import annotations

import typing as t

from unit.support import builders as b

EDITOR = "kubectl-edit"
INSTALLED = {"f:metadata": {"f:labels": {"f:istio.io/rev": {}}}}


def field(*path: str, below: b.Json | None = None) -> b.Json:
    """A FieldsV1 set with one field."""
    found: b.Json = below or {}
    for key in reversed(path):
        found = {key: found}
    return found


def written(obj: b.Json, manager: str, fields: b.Json, **entry: str) -> b.Json:
    """The object with a record that a client wrote fields, after those of the installer."""
    known = [{"manager": "istio-operator", "fieldsV1": INSTALLED}, {"manager": manager, "fieldsV1": fields, **entry}]
    return {**obj, "metadata": {"name": "x", "namespace": "istio-system", "managedFields": known}}


def deployment(**pod: t.Any) -> b.Json:
    container = {"name": "discovery", "env": pod.pop("env", []), "resources": pod.pop("resources", {})}
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container], **pod}}}}


def webhook(**hook: t.Any) -> b.Json:
    return {"kind": "MutatingWebhookConfiguration", "webhooks": [{"name": "a", **hook}]}
