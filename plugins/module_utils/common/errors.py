# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions of the collection; each carries one sentence for the user."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable

from ansible_collections.meshops.istio.plugins.module_utils.common.json_answers import parse_json_answer


class MeshError(Exception):
    """Base of all expected failures.

    Args:
        message: one sentence with the operation, the object, the cause and the next step.
        details: JSON-ready evidence that is returned with the message.
    """

    def __init__(self, message: str, details: dict[str, t.Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details or {}


class ParameterError(MeshError):
    """A parameter is wrong; no request was sent to any cluster."""


class SafetyError(MeshError):
    """A safety rule refuses the step; ``details["blockers"]`` lists the reasons."""


class ClusterError(MeshError):
    """The cluster is not the expected one, or cannot be reached at all."""


class PodError(ClusterError):
    """A pod does not answer, or not as expected, although the API server does."""


class LockedError(MeshError):
    """Another run works on the cluster (safety rule S8); ``details["lock"]`` names its holder."""


class ApiError(MeshError):
    """The API server answered with an error status.

    ``status`` is the HTTP status, ``reason`` the Kubernetes reason (``NotFound``, ``Conflict``, ...), ``text`` the
    message of the server alone.
    """

    def __init__(self, message: str, status: int, reason: str = "", text: str = "") -> None:
        super().__init__(message, {"status": status, "reason": reason})
        self.status = status
        self.reason = reason
        self.text = text or message


class NotFoundError(ApiError):
    """404: the object does not exist."""


class UnauthorizedError(ApiError):
    """401: the cluster does not accept the login, or no longer; this is not about any object in it."""


class ForbiddenError(ApiError):
    """403: the credentials do not allow the request."""


class ConflictError(ApiError):
    """409: another client changed or created the object meanwhile."""


class GoneError(ApiError):
    """410: a watch or a list continuation is too old and has to start again."""


class UnansweredError(MeshError):
    """An istiod could not be queried about its proxies."""


class ProbeError(MeshError):
    """A server outside the cluster, such as a URL of the user, does not answer."""


class InstallerError(MeshError):
    """An installer could not be run, or did not complete its operation."""


class IstioctlError(InstallerError):
    """istioctl could not be run, or did not complete its operation."""


class HelmError(InstallerError):
    """Helm could not be run, or did not complete its operation."""


class ProofError(MeshError):
    """A control plane is not proven to take workloads (safety rule S3)."""


class RolloutError(MeshError):
    """A batch of restarts did not complete."""


KINDS: dict[int, type[ApiError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
}


def api_error(doing: str, status: int, body: dict[str, t.Any]) -> ApiError:
    """Return the exception for an error answer of the API server (body: a Kubernetes Status object)."""
    reason = str(body.get("reason") or "")
    text = str(body.get("message") or reason or "no explanation given")
    message = f"{doing} failed with HTTP {status}: {text}"
    if status == 401:
        message = f"{message.rstrip('.')}. The login is not accepted, or no longer; log in again, then run again."
    return KINDS.get(status, ApiError)(message, status, reason, text)


def status_of(raw: bytes) -> dict[str, t.Any]:
    """Return the Kubernetes Status object of an error answer; for any other answer a message with its beginning."""
    try:
        status = parse_json_answer(raw)
    except ValueError:
        return {"message": raw[:200].decode(errors="replace")}
    return status if isinstance(status, dict) else {}


def refuse_unknown(parameter: str, kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse unknown names in a parameter; ``kind`` describes the names in the message.

    Raises:
        ParameterError: lists the known names.
    """
    known = list(known)
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ParameterError(
            f"Parameter {parameter}: unknown {kind} {', '.join(unknown)}; known are {', '.join(known)}."
        )
