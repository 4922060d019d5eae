# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is secret inside parameters: logins in URLs, and values whose name says so."""

from __future__ import annotations

import base64
import re
import typing as t
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_NAMES_A_SECRET = re.compile(
    r"(pass(word|wd|phrase)?|pwd|secret|token|credentials?|(api|access|private|signing)[_-]?key|signature|jwt)\Z",
    re.IGNORECASE,
)
#: What is shorter stands in other words too, such as names of namespaces, which would be hidden with it.
SHORTEST = 4
#: A value of a query that is as long, and has letters and digits, is one whatever its name is.
LONG = 16
HIDDEN = "(hidden)"
#: What no header may hold: it would end there, and http.client repeats it in its error.
_IN_NO_TOKEN = re.compile(r"[^ -~]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
UNFIT = "has a line break or another character that no login has"


def names_a_secret(name: str) -> bool:
    """Return whether what has this name is a secret, such as accessToken; imagePullSecrets and secretName are names."""
    return bool(_NAMES_A_SECRET.search(name))


def secrets_in(value: t.Any, name: str = "") -> set[str]:
    """Return all texts that must not be shown, in any of their forms, of a parameter with whatever is inside it."""
    found: set[str] = set()
    if isinstance(value, Mapping):
        if set(value) == {"name", "value"}:
            # an environment variable of a container
            return secrets_in(value["value"], str(value["name"]))
        for key, inner in value.items():
            found |= secrets_in(inner, str(key))
    elif isinstance(value, (list, tuple, set)):
        for inner in value:
            found |= secrets_in(inner, name)
    elif isinstance(value, str):
        for url in _URL.findall(value):
            found |= set(_in_url(url))
        if names_a_secret(name) and len(value) >= SHORTEST and value.lower() not in ("true", "false"):
            # with and without the line break that a block of YAML ends with
            found |= {form for form in (value, value.strip()) if len(form) >= SHORTEST}
    return found


def as_token(text: object) -> str:
    """Return a token as a header holds it, without the line break that a block of YAML ends with.

    Raises:
        ValueError: no header may hold it; it is not repeated.
    """
    found = str(text).strip()
    if _IN_NO_TOKEN.search(found):
        raise ValueError(UNFIT)
    return found


def as_login(text: object) -> str:
    """Return a user, a password or a URL without the line break that a block of YAML ends with.

    Raises:
        ValueError: it has a control character; it is not repeated.
    """
    found = str(text).strip("\r\n")
    if _CONTROL.search(found):
        raise ValueError(UNFIT)
    return found


def without_secrets(text: str) -> str:
    """Return a text of others, such as a URL in an object of a cluster, as it may be shown."""
    return hide(text, secrets_in(text))


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text without some others; the longest first, as one may stand in another."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def login_of(url: str) -> tuple[str, str] | None:
    """Return user and password of a URL as they are meant, that is without the percent signs."""
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
        # a password with a character that ends the host
        place = rest.rpartition("@")[0] + "@"
    return place.rpartition("@")[0] if "@" in place else None


def _has_port(url: str) -> bool:
    """Return whether what stands where a port does can be one."""
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
        token = len(value) >= LONG and re.search(r"\d", value) and re.search(r"[a-zA-Z]", value)
        if token or names_a_secret(name):
            yield from _forms(value)


def _forms(secret: str) -> Iterator[str]:
    """Yield a text as it is, and as programs write and read it in URLs."""
    plain = unquote(secret)
    for form in (secret, plain, quote(plain, safe=""), quote(plain), quote_plus(plain)):
        if len(form) >= SHORTEST:
            yield form
