# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specifications: the options that all modules share, and a typed specification for each module."""

from __future__ import annotations

import dataclasses
import typing as t

# Imported from its own file: module_utils.basic takes 10 ms to load, and only modules need it.
from ansible.module_utils.common.parameters import env_fallback

Spec = dict[str, dict[str, t.Any]]


def _option(type_: str, *variables: str, **more: t.Any) -> dict[str, t.Any]:
    return {"type": type_, "fallback": (env_fallback, list(variables)), **more}


#: Names and environment variables are those of kubernetes.core, so that module_defaults can be reused.
AUTH_SPEC: Spec = {
    "kubeconfig": _option("path", "K8S_AUTH_KUBECONFIG"),
    "context": _option("str", "K8S_AUTH_CONTEXT"),
    "host": _option("str", "K8S_AUTH_HOST"),
    "api_key": _option("str", "K8S_AUTH_API_KEY", no_log=True),
    "username": _option("str", "K8S_AUTH_USERNAME"),
    "password": _option("str", "K8S_AUTH_PASSWORD", no_log=True),
    "client_cert": _option("path", "K8S_AUTH_CERT_FILE", aliases=["cert_file"]),
    "client_key": _option("path", "K8S_AUTH_KEY_FILE", aliases=["key_file"], no_log=False),
    "ca_cert": _option("path", "K8S_AUTH_SSL_CA_CERT", aliases=["ssl_ca_cert"]),
    "validate_certs": _option("bool", "K8S_AUTH_VERIFY_SSL", aliases=["verify_ssl"], default=True),
    "proxy": _option("str", "K8S_AUTH_PROXY"),
    "no_proxy": _option("str", "K8S_AUTH_NO_PROXY"),
    "proxy_headers": {
        "type": "dict",
        "apply_defaults": True,
        "options": {"proxy_basic_auth": _option("str", "K8S_AUTH_PROXY_HEADERS_PROXY_BASIC_AUTH", no_log=True)},
    },
    "impersonate_user": _option("str", "K8S_AUTH_IMPERSONATE_USER"),
    "impersonate_groups": _option("list", "K8S_AUTH_IMPERSONATE_GROUPS", elements="str"),
    "expected_cluster_id": {"type": "str"},
    "istio_namespace": {"type": "str", "default": "istio-system"},
    "run": {
        "type": "dict",
        "options": {
            **{
                name: {"type": "str"}
                for name in ("started_by", "job", "strategy", "version", "revision", "request_digest", "phase")
            },
            "lock_seconds": {"type": "int", "default": 300},
            "break_lock": {"type": "str"},
            "undoes": {"type": "str"},
        },
    },
}


@dataclasses.dataclass(frozen=True)
class ArgumentSpec:
    """The argument specification of one module, with the names of AnsibleModule."""

    options: Spec
    mutually_exclusive: tuple[tuple[str, ...], ...] = ()
    required_one_of: tuple[tuple[str, ...], ...] = ()
    required_if: tuple[tuple[t.Any, ...], ...] = ()

    def as_keywords(self) -> dict[str, t.Any]:
        """Return the keyword arguments that AnsibleModule and the argument validator of action plugins share."""
        return {
            "argument_spec": {**AUTH_SPEC, **self.options},
            "mutually_exclusive": [list(names) for names in self.mutually_exclusive],
            "required_one_of": [list(names) for names in self.required_one_of],
            "required_if": [list(rule) for rule in self.required_if],
        }
