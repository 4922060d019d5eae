# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds secrets inside parameters: logins in URLs, and values with the name of a secret."""

from __future__ import annotations

import base64
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"(pass(word|wd|phrase)?|pwd|secret|token|credentials?|(api|access|private|signing)[_-]?key|signature|jwt)\Z",
    re.IGNORECASE,
)
#: Shorter texts also occur in other words, such as names of namespaces, which would be hidden with them.
MIN_LENGTH = 4
#: A query value of this length with letters and digits counts as a secret, whatever its name is.
TOKEN_LENGTH = 16
HIDDEN = "(hidden)"
#: Characters that a header must not hold: they would end it, and the error of http.client repeats the header.
_UNSENDABLE = re.compile(r"[^ -~]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
INVALID = "has a line break or another character that is invalid in a login"


def names_a_secret(name: str) -> bool:
    """Return whether a value with this name, such as accessToken, is a secret; imagePullSecrets is not."""
    return bool(_SECRET_NAME.search(name))


def is_document(kubeconfig: str) -> bool:
    """Return whether a parameter holds the content of a kubeconfig in place of its path."""
    return kubeconfig.lstrip().startswith(("{", "[")) or "\n" in kubeconfig.strip()


def secrets_in(value: t.Any, name: str = "") -> set[str]:
    """Return all texts inside a parameter that must not be shown, in each of their forms."""
    secrets: set[str] = set()
    if isinstance(value, Mapping):
        if set(value) == {"name", "value"}:
            # This is an environment variable of a container.
            return secrets_in(value["value"], str(value["name"]))
        for key, inner in value.items():
            secrets |= secrets_in(inner, str(key))
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            secrets |= secrets_in(inner, name)
    elif isinstance(value, str):
        for url in _URL.findall(value):
            secrets |= set(_in_url(url))
        if name == "kubeconfig" and is_document(value):
            secrets.add(value)
        if names_a_secret(name) and len(value) >= MIN_LENGTH and value.lower() not in ("true", "false"):
            # Include the form without the line break at the end of a YAML block.
            secrets |= {form for form in (value, value.strip()) if len(form) >= MIN_LENGTH}
    return secrets


def as_token(text: object) -> str:
    """Return a token without the line break at the end of a YAML block.

    Raises:
        ValueError: a header must not hold it; the message does not repeat it.
    """
    token = str(text).strip()
    if _UNSENDABLE.search(token):
        raise ValueError(INVALID)
    return token


def as_login(text: object) -> str:
    """Return a user, a password or a URL without the line break at the end of a YAML block.

    Raises:
        ValueError: it has a control character; the message does not repeat it.
    """
    login = str(text).strip("\r\n")
    if _CONTROL.search(login):
        raise ValueError(INVALID)
    return login


def without_secrets(text: str) -> str:
    """Return an untrusted text, such as a URL in an object of a cluster, without its secrets."""
    return hide(text, secrets_in(text))


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text with secrets replaced, the longest first because one may contain another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def login_of(url: str) -> tuple[str, str] | None:
    """Return user and password of a URL, percent-decoded."""
    login = _login(url)
    if login is None:
        return None
    user, dummy, password = login.partition(":")
    return unquote(user), unquote(password)


def basic(user: str, password: str) -> str:
    """Return the header of a login by user and password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _login(url: str) -> str | None:
    rest = url.partition("://")[2]
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if "@" not in place and "@" in rest and not _has_port(url):
        # The password has a character that normally ends the host.
        place = rest.rpartition("@")[0] + "@"
    return place.rpartition("@")[0] if "@" in place else None


def _has_port(url: str) -> bool:
    """Return whether the text at the position of a port is a valid one."""
    try:
        return urlsplit(url).port is not None or ":" not in re.sub(r"\[.*\]", "", urlsplit(url).netloc)
    except ValueError:
        return False


def _in_url(url: str) -> Iterator[str]:
    login = _login(url)
    if login:
        yield login
        user, dummy, password = login.partition(":")
        yield from _forms(password or user)
        yield basic(unquote(user), unquote(password)).removeprefix("Basic ")
    query = url.partition("#")[0].partition("?")[2]
    if query:
        yield query
        yield from (pair for pair in query.split("&") if "=" in pair)
    for name, value in parse_qsl(query):
        token = len(value) >= TOKEN_LENGTH and re.search(r"\d", value) and re.search(r"[a-zA-Z]", value)
        if token or names_a_secret(name):
            yield from _forms(value)


def _forms(secret: str) -> Iterator[str]:
    """Yield a secret in its plain form, and in the forms in which it may occur in URLs."""
    plain = unquote(secret)
    for form in (secret, plain, quote(plain, safe=""), quote(plain), quote_plus(plain)):
        if len(form) >= MIN_LENGTH:
            yield form
